"""The reference solver as a method."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from sciflow import problems
from sciflow.baselines.coarse import CoarseSolver, apply, autonomous, averaging, linear, positions, resampling
from sciflow.core import InputError
from sciflow.data import Dataset, from_arrays, query, truth
from sciflow.evaluation import ForecastTask, Horizon, evaluate
from sciflow.solvers import simulate

START = {"rho": 2.0, "height": 1.0, "width": 0.5}
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


def test_starts_at_different_times_are_solved_together(burgers: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Burgers does not know the time; the cavity, whose lid moves by a signal, does."""
    solver = CoarseSolver(32, options=STEP).fit(burgers)
    sizes: list[int] = []
    engine = solver._engine("burgers", burgers.shape)
    run = engine.run
    monkeypatch.setattr(engine, "run", lambda cases, *rest: sizes.append(len(cases)) or run(cases, *rest))
    asked = query(burgers, [0, 1, 2], 1, 2)
    together = solver.predict(asked).mean["u"].values
    assert sizes == [6]
    alone = solver.predict(query(burgers, [1], 1, 2)).mean["u"].values
    np.testing.assert_allclose(together[1::3], alone, atol=1e-12)
    assert autonomous(problems.get("burgers")) and not autonomous(problems.get("cavity"))


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


@pytest.fixture(scope="module")
def darcy() -> Dataset:
    """Two cases on 32 cells, solved on these."""
    return from_arrays(simulate("darcy", cases=2, resolution=32, seed=1, options={"oversample": 1}))


def test_rods_of_different_lengths_are_solved_in_metres_and_seconds_of_their_own() -> None:
    """Exact solution u = exp(-kappa mu^2 t) cos(mu x), on the same reference coordinates in both cases."""
    lengths, kappa, mu, points = np.array([1.0, 0.5]), np.array([0.1, 0.2]), 1.2, np.linspace(0, 1, 41)
    x, times = points * lengths[:, None], np.linspace(0, 0.5, 6) * np.array([[1.0], [0.5]])
    u = np.exp(-kappa[:, None] * mu**2 * times)[..., None] * np.cos(mu * x)[:, None]
    given = {"kappa": kappa, "mu": [mu, mu], "length": lengths}
    coords = {
        "x": ("x", points, {"low": 0.0, "high": 1.0}), "x_of_case": (("case", "x"), x),
        "time_of_case": (("case", "time"), times),
        **{name: ("case", np.asarray(values), {"role": "parameter"}) for name, values in given.items()},
    }  # fmt: skip
    data = from_arrays(
        xr.Dataset({"u": (("case", "time", "x"), u, {"role": "field"})}, coords, {"problem": "heat-rod"})
    )
    found = CoarseSolver(21).fit(data).predict(query(data, [0], 1, 5)).mean["u"]
    np.testing.assert_allclose(found, truth(data, [0], 1, 5)["u"], atol=1e-5)  # 3e-7 measured; 1e-2 without metres


def test_boundary_data_lie_on_the_boundary() -> None:
    """Cells of boundary data have their centres outside, but hold the values on the faces of the domain."""
    centres = np.array([-0.125, 0.125, 0.375, 0.625, 0.875])
    data = xr.Dataset(
        {"known": ("x", [True, *[False] * 4])}, {"x": centres, "x_of_case": (("case", "x"), 2 * centres[None])}
    )
    np.testing.assert_allclose(positions(data, 0, {"x": (0.0, 2.0)})["x"], [0.0, 0.25, 0.75, 1.25, 1.75])
    np.testing.assert_allclose(positions(data.drop_vars("known"), 0, {"x": (0.0, 2.0)})["x"], 2 * centres)


def test_cells_are_averaged() -> None:
    values = np.random.default_rng(0).uniform(3, 12, size=12)
    np.testing.assert_allclose(averaging(12, 4) @ values, values.reshape(4, 3).mean(axis=1))
    np.testing.assert_allclose((averaging(12, 8) @ values).mean(), values.mean())
    np.testing.assert_allclose((averaging(12, 8) @ values)[0], (values[0] + values[1] / 2) / 1.5)
    np.testing.assert_allclose(averaging(12, 24) @ values, np.repeat(values, 2))


def test_nodes_are_interpolated_without_overshoot() -> None:
    step = np.where(np.arange(9) < 4, 3.0, 12.0)
    coarse = linear(np.linspace(0, 1, 9), np.linspace(-0.1, 1, 6)) @ step
    assert coarse.min() == 3 and coarse.max() == 12


def test_a_steady_problem_is_solved_with_the_input_of_the_query(darcy: Dataset) -> None:
    real = darcy.array("u")[:, :, 0]
    same = CoarseSolver(options={"oversample": 1}).fit(darcy).predict(query(darcy, [0], 0, 1))
    np.testing.assert_allclose(same.mean["u"].values, real, rtol=1e-4, atol=1e-5 * real.max())
    errors = []
    for resolution in (8, 16):
        found = CoarseSolver(resolution, options={"oversample": 1}).predict(darcy).mean["u"].values
        errors.append(np.linalg.norm(found - real) / np.linalg.norm(real))
    assert errors[1] < 0.8 * errors[0] < 0.3


def test_the_coarse_coefficient_is_the_arithmetic_mean_of_its_cells(darcy: Dataset) -> None:
    """The answer from blocks that are averaged beforehand is the same."""
    raw = darcy.xarray.copy(deep=True)
    blocks = raw["a"].values.reshape(2, 8, 4, 8, 4).mean(axis=(2, 4))
    raw["a"] = raw["a"].copy(data=np.repeat(np.repeat(blocks, 4, axis=1), 4, axis=2))
    method = CoarseSolver(8, options={"oversample": 1})
    averaged = method.predict(from_arrays(raw)).mean["u"].values
    np.testing.assert_allclose(method.predict(darcy).mean["u"].values, averaged, rtol=1e-5)


def test_without_start_frames_it_starts_from_the_problem() -> None:
    """u_t = rho u (1 - u) has the exact solution u0 / (u0 + (1 - u0) exp(-rho t)) at each point."""
    times, rho = np.linspace(0, 0.8, 5), np.array([2.0, 8.0])
    solved = simulate("reaction", resolution=64, times=times, rho=rho.tolist(), width=[0.5, 0.5], options=STEP)
    data = from_arrays(solved)
    u0 = solved["u"].values[:, :1]
    exact = u0 / (u0 + (1 - u0) * np.exp(-rho[:, None, None] * times[:, None]))
    method = CoarseSolver(options=STEP).fit(data)
    for start in (0, 1, 2):  # from the start on, and later; 64 points resolve the front to 1e-4
        found = method.predict(query(data, [start], 0, 5 - start)).mean["u"].values
        np.testing.assert_allclose(found, exact[:, start:], atol=2e-4)


def test_a_random_start_must_be_given(burgers: Dataset) -> None:
    with pytest.raises(InputError, match="draws the start of 'u' at random"):
        CoarseSolver(16).fit(burgers).predict(query(burgers, [0], 0, 2))


def test_times_before_the_start_cannot_be_asked_for() -> None:
    early = from_arrays({"u": np.zeros((1, 2, 8))}, times=[-1.0, 0.0], problem="reaction", parameters=START)
    with pytest.raises(InputError, match="the time -1, but 'reaction' starts at 0"):
        CoarseSolver(8).predict(query(early, [0], 0, 2))


def test_cost_is_the_number_of_points(darcy: Dataset) -> None:
    assert CoarseSolver(16).fit(darcy).cost() == {"parameters": 0.0, "points": 256.0}
    assert CoarseSolver((8, 16)).fit(darcy).cost()["points"] == 128
    assert CoarseSolver(16).cost() == {"parameters": 0.0}


def test_saved_and_loaded(burgers: Dataset, tmp_path: Path) -> None:
    method = CoarseSolver(16, options={"tolerance": 1e-4}).fit(burgers)
    method.save(tmp_path / "solver")
    again = CoarseSolver.load(tmp_path / "solver")
    assert again.config() == method.config() and again.cost() == method.cost()


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
