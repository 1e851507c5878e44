"""The reference solver as a method."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sciflow.baselines.coarse import CoarseSolver, apply, resampling
from sciflow.core import InputError
from sciflow.data import Dataset, from_arrays, query, truth
from sciflow.evaluation import ForecastTask, Horizon, evaluate
from sciflow.solvers import simulate

STEP = {"dt": 0.01}  # given, so that no time goes into finding it


@pytest.fixture(scope="module")
def burgers() -> Dataset:
    """Two smooth cases on 64 points."""
    solved = simulate("burgers", nu=[0.05, 0.1], resolution=64, times=np.linspace(0.2, 0.6, 5), options=STEP, seed=3)
    return from_arrays(solved)


def test_periodic_resampling_is_exact_for_resolved_waves() -> None:
    fine, coarse = np.arange(16) / 16, np.arange(10) / 10 + 0.03

    def wave(x: np.ndarray) -> np.ndarray:
        return 0.3 + np.sin(2 * np.pi * 3 * x) + np.cos(2 * np.pi * 4 * x)

    np.testing.assert_allclose(resampling(fine, coarse, periodic=True) @ wave(fine), wave(coarse), atol=1e-12)
    np.testing.assert_allclose(resampling(coarse, fine, periodic=True) @ wave(coarse), wave(fine), atol=1e-12)
    np.testing.assert_allclose(resampling(fine, fine, periodic=True), np.eye(16), atol=1e-12)


def test_splines_are_exact_for_cubics_and_axes_keep_their_places() -> None:
    source, target = np.linspace(0, 1, 7), np.linspace(0.02, 0.98, 5)
    matrix = resampling(source, target, periodic=False)
    np.testing.assert_allclose(matrix @ source**3, target**3, atol=1e-12)
    both = apply([matrix, np.eye(4)], np.ones((2, 3, 7, 4)) * source[:, None])
    assert both.shape == (2, 3, 5, 4)
    np.testing.assert_allclose(both[1, 2, :, 3], target)


def test_at_full_resolution_the_truth_comes_back(burgers: Dataset) -> None:
    asked, real = query(burgers, [0, 2], 1, 2), truth(burgers, [0, 2], 1, 2)
    forecast = CoarseSolver(options=STEP).fit(burgers).predict(asked)
    np.testing.assert_allclose(forecast.mean["u"].values, real["u"].values, atol=1e-5 * float(np.abs(real["u"]).max()))


def test_errors_fall_with_resolution(burgers: Dataset) -> None:
    errors = []
    for resolution in (8, 32):
        table = evaluate(
            CoarseSolver(resolution, options=STEP), burgers, ForecastTask((Horizon(steps=2, stride=2),))
        ).table
        errors.append(table.query("metric == 'nmse'")["value"].mean())
    assert errors[0] > 100 * errors[1]


def test_driven_flow_between_walls() -> None:
    """The lid's speed reaches the solver through the coefficients of the query; it starts in the middle of a run."""
    solved = simulate(
        "cavity",
        cases=1,
        subset="driven",
        resolution=16,
        times=np.linspace(0, 1.5, 4),
        options={"solve_resolution": 16},
    )
    data = from_arrays(solved[["u", "v", "lid"]])
    method = CoarseSolver(options={"solve_resolution": 16})
    table = evaluate(method, data, ForecastTask((Horizon(steps=1),)), ["gain"]).table
    assert table.query("metric == 'gain'")["value"].min() > 20


def test_saved_and_loaded(burgers: Dataset, tmp_path: Path) -> None:
    method = CoarseSolver(16, options={"tolerance": 1e-4}).fit(burgers)
    method.save(tmp_path / "solver")
    assert CoarseSolver.load(tmp_path / "solver").config() == method.config()


def test_bad_input(burgers: Dataset) -> None:
    nameless = from_arrays({"u": np.zeros((1, 3, 8))})
    with pytest.raises(InputError, match="names its problem"):
        CoarseSolver(8).fit(nameless)
    with pytest.raises(InputError, match="no option"):
        CoarseSolver(8, options={"speed": 2}).fit(burgers)
    lost = query(burgers, [0], 1, 1)
    broken = type(lost)(lost.context.drop_vars("nu"), lost.context_times, lost.times)
    with pytest.raises(InputError, match="lacks 'nu'"):
        CoarseSolver(8).predict(broken)
