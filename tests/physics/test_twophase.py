"""The two-phase solver against exact, measured and independent results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from sciflow.core.errors import InputError, SciflowError
from sciflow.problems import get
from sciflow.solvers import build, simulate
from sciflow.solvers.base import ReferenceSolver
from sciflow.solvers.twophase import solver as module

TURN = np.sqrt(0.05715 / (2 * 9.81))  # unit of time of the collapsing column, s


def front(data: xr.Dataset) -> np.ndarray:
    """Place of the front on the floor in widths of the column, at each time."""
    row, x = data["alpha"].values[0, :, 0], data["x"].values / 0.05715
    last = [np.nonzero(line > 0.5)[0].max() for line in row]
    return np.array([np.interp(0.5, line[[k + 1, k]], x[[k + 1, k]]) for line, k in zip(row, last, strict=True)])


def column(cells: tuple[int, int], turns: list[float], **options: Any) -> xr.Dataset:
    return simulate(
        "water-column", resolution=cells, times=np.array(turns) * TURN, options={"solve_resolution": cells, **options}
    )


@pytest.fixture(scope="module")
def coarse() -> ReferenceSolver:
    """Of the column on 40 x 24 cells, compiled once."""
    return build("water-column", (40, 24), solve_resolution=(40, 24))


def test_water_at_rest_stays_at_rest(coarse: ReferenceSolver) -> None:
    # Density ratio 816; the surface cuts cells in two. The pressure at the bottom is (rho - rho_air) g times the depth.
    alpha = np.zeros((1, 24, 40))
    alpha[:, :12], alpha[:, 12] = 1, 0.5
    start = {"alpha": alpha, "u": np.zeros_like(alpha), "v": np.zeros_like(alpha)}
    data = coarse.run(get("water-column").sample(1, mu=1e-3), np.array([0, 0.5, 1]), initial=start)
    assert float(np.abs(data[["u", "v"]].to_array()).max()) < 1e-8
    drop = data["p"].values[0, :, 0] - data["p"].values[0, :, -1]
    assert np.allclose(drop, (1000 - 1.225) * 9.81 * 12 * 3 * 0.05715 / 24, rtol=1e-9)


def test_column_collapses_as_measured(coarse: ReferenceSolver) -> None:
    # Martin and Moyce: dZ/dT about 1.35 between T = 1 and 3.
    data = coarse.run(get("water-column").sample(1, mu=1e-3), np.array([0, 1, 2, 3]) * TURN)
    place = front(data)
    assert 1.2 < (place[3] - place[1]) / 2 < 1.5
    volume = data["alpha"].sum(("y", "x")).values[0]
    assert np.allclose(volume, volume[0], rtol=1e-12)
    assert data["alpha"].min() > -1e-6 and data["alpha"].max() < 1 + 1e-6


def test_frames_restart_a_run(coarse: ReferenceSolver) -> None:
    cases = get("water-column").sample(1, mu=1e-3)
    first = coarse.run(cases, np.array([0, 0.05]))
    start = {name: first[name].values[:, -1] for name in ("alpha", "u", "v")}
    second = coarse.run(cases, np.array([0.05, 0.06]), initial=start)
    assert np.allclose(second["alpha"][:, 0], start["alpha"], atol=1e-12)
    # Means over cells lose what varies within them; the flow must still be the same one.
    assert np.linalg.norm(second["u"][:, 0] - start["u"]) < 0.3 * np.linalg.norm(start["u"])
    with pytest.raises(InputError, match="need 'v'"):
        coarse.run(cases, np.array([0, 1]), initial={name: start[name] for name in ("alpha", "u")})


def test_a_run_that_takes_too_many_steps_says_so(coarse: ReferenceSolver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEPS", 3)
    with pytest.raises(SciflowError, match="stopped at"):
        coarse.run(get("water-column").sample(1, mu=1e-3), np.array([0, 0.2]))


@pytest.mark.slow
def test_column_on_a_fine_grid_by_both_projections() -> None:
    fast = front(column((80, 48), [0, 1, 2, 3]))
    sure = front(column((80, 48), [0, 1, 2, 3], projection="pcg"))
    assert 1.2 < (fast[3] - fast[1]) / 2 < 1.5 and 1.2 < (sure[3] - sure[1]) / 2 < 1.5
    assert np.abs(fast - sure).max() < 0.1


@pytest.mark.slow
def test_volume_over_ten_thousand_steps() -> None:
    data = column((80, 48), [0, 20, 60, 100])
    volume = data["alpha"].sum(("y", "x")).values[0]
    assert np.allclose(volume, volume[0], rtol=1e-10)
    assert data["alpha"].min() > -1e-6 and data["alpha"].max() < 1 + 1e-6


def poiseuille_error(solver: ReferenceSolver) -> float:
    """Relative error of u in the last quarter of a tube full of water, of 1 m by 0.1 m at Re 10, against the parabola.

    The inflow of 1 m/s becomes a parabola within a fraction of the height; what is left of the start after 1 s is
    exp(-pi^2 nu t / d^2) = 5e-5.
    """
    columns, cells = solver.resolution
    ones = np.ones((1, cells, columns))
    start = {"alpha": ones, "u": ones, "v": 0 * ones}
    data = solver.run(get("tube").sample(1, mu=1.0), np.array([0.0, 1.0]), initial=start)
    low, high = np.arange(cells) * 0.1 / cells, (np.arange(cells) + 1) * 0.1 / cells
    exact = 600 * ((0.05 * high**2 - high**3 / 3) - (0.05 * low**2 - low**3 / 3)) / (high - low)
    u = data["u"].values[0, -1, :, -columns // 4 :]
    return float(np.linalg.norm(u - exact[:, None]) / np.linalg.norm(np.tile(exact[:, None], (1, columns // 4))))


@pytest.fixture(scope="module")
def tube() -> ReferenceSolver:
    """Of the tube on 16 x 16 cells, compiled once."""
    return build("tube", 16, solve_resolution=16)


def test_flow_in_a_full_tube_is_a_parabola(tube: ReferenceSolver) -> None:
    assert poiseuille_error(tube) < 0.016  # of second order, that is an error of 1e-3 on 64 cells


@pytest.mark.slow
def test_flow_in_a_full_tube_on_64_points() -> None:
    coarse, fine = (poiseuille_error(build("tube", (16, cells), solve_resolution=(16, cells))) for cells in (32, 64))
    assert fine < 1e-3 and coarse / fine > 3


def test_data_set_of_cases_that_differ_in_size_and_time(tube: ReferenceSolver) -> None:
    times = np.array([[0, 0.1, 0.2], [0, 0.05, 0.1]])
    cases = get("tube").sample(1, subset="bc") + get("tube").sample(1, subset="geo")
    data = tube.run(cases, times)
    assert tube.varied and data["alpha"].shape == (2, 3, 16, 16) and data["alpha"].attrs["role"] == "field"
    assert np.allclose(data["water_entered"][:, -1], [0.1 * 0.1 * 0.2, 1.0 * 0.01 * 0.1])
    held = data["alpha"].mean(("y", "x")).values[:, -1] * [0.1, 0.001]
    assert np.allclose(held, (data["water_entered"] - data["water_left"])[:, -1], rtol=1e-12)


def test_inflow_over_a_step_is_accounted_for() -> None:
    data = simulate("dam", resolution=(30, 16), times=[0, 0.3, 0.6], options={"solve_resolution": (30, 16)})
    held = data["alpha"].sum(("y", "x")).values[0] * (1.5 / 30 * 0.4 / 16)
    entered, left = data["water_entered"].values[0], data["water_left"].values[0]
    assert np.allclose(entered, [0, 0.03, 0.06], rtol=1e-9)
    assert np.allclose(held - held[0], entered - left, rtol=0, atol=1e-12)  # 1e-5 of the inflow is what must hold
    assert data["alpha"].min() > -1e-6 and data["alpha"].max() < 1 + 1e-6
    assert float(np.abs(data["u"]).max()) < 10
    for name in ("u", "v"):  # the flux of water is its share of the velocity
        np.testing.assert_allclose(data[f"{name}_water"], data["alpha"] * data[name], rtol=1e-12, atol=1e-15)
    mask = data["mask"].values[0] if "case" in data["mask"].dims else data["mask"].values
    assert np.all(data["u"].values[0, :, ~mask] == 0)


@pytest.mark.slow
def test_dam_for_ten_seconds() -> None:
    data = simulate("dam", resolution=64, times=np.linspace(0, 10, 101))
    assert float(np.abs(data[["u", "v"]].to_array()).max()) < 10
    assert data["water_left"].values[0, -1] > 0.5  # the front has left long before
    assert data["alpha"].min() > -1e-6 and data["alpha"].max() < 1 + 1e-6


@pytest.mark.slow
def test_heavy_water_squeezes_air_out_for_a_moment() -> None:
    # 10 times as dense as the base case: the jet from the barrier lands at about 0.7 s and drives the air out from
    # under it at 15 to 30 m/s, by either projection and with smaller steps; the water itself stays slow.
    times = np.linspace(0, 1, 101)
    data = simulate("dam", resolution=(150, 80), times=times, rho=1000.0, mu=0.01)
    speed = np.hypot(data["u"].values[0], data["v"].values[0])
    assert np.where(data["alpha"].values[0] > 0.5, speed, 0).max() < 10
    assert np.mean(speed.max(axis=(1, 2)) > 10) < 0.2


@pytest.mark.parametrize(("name", "counts"), [("tube", (100, 50, 25)), ("dam", (100, 70, 50))])
def test_published_numbers_of_cases(name: str, counts: tuple[int, ...]) -> None:
    problem = get(name)
    assert tuple(len(problem.sample(subset=subset)) for subset in ("prop", "bc", "geo")) == counts
    reynolds = [case.parameters["rho"] * case.parameters["u_in"] * 0.1 / case.parameters["mu"]
                for case in problem.sample(subset="prop")]  # fmt: skip
    assert min(reynolds) == pytest.approx(1) and max(reynolds) == pytest.approx(1e4)
