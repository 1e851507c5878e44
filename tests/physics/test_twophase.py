"""The two-phase solver against exact, measured and independent results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from sympy import Piecewise

from sciflow.problems import Box, Dirichlet, Field, NoSlip, Outflow, Parameter, Problem, coordinates, get
from sciflow.solvers import simulate

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


def closed(level: float) -> Problem:
    """Water at rest up to `level` in a closed box of 0.4 m by 0.4 m."""
    t, x, y = coordinates("t x y")
    velocity = Field("velocity", components=("u", "v"), unit="m/s")(t, x, y)
    p, alpha = Field("p", unit="Pa")(t, x, y), Field("alpha", unit="")(t, x, y)
    return Problem(
        name="still",
        fields=[velocity, p, alpha],
        parameters=[Parameter("rho", 1000.0, unit="kg/m^3"), Parameter("mu", 1e-3, unit="Pa*s")],
        domain=Box(x=(0, 0.4), y=(0, 0.4)),
        initial={alpha: Piecewise((1, y < level), (0, True))},
        boundary={velocity: {side: NoSlip() for side in ("x-", "x+", "y-", "y+")}},
    )


def test_water_at_rest_stays_at_rest() -> None:
    # Density ratio 833; the surface cuts cells in two. The pressure at the bottom is (rho - rho_air) g times the depth.
    options = {"solve_resolution": 16, "air_density": 1.2}
    data = simulate(closed(0.2125), solver="two-phase", resolution=16, times=[0, 0.5, 1], options=options)
    assert float(np.abs(data[["u", "v"]].to_array()).max()) < 1e-8
    drop = data["p"].values[0, :, 0] - data["p"].values[0, :, -1]
    assert np.allclose(drop, 998.8 * 9.81 * (0.2125 - 0.0125), rtol=1e-9)


def test_column_collapses_as_measured() -> None:
    # Martin and Moyce: dZ/dT about 1.35 between T = 1 and 3.
    data = column((40, 24), [0, 1, 2, 3])
    place = front(data)
    assert 1.2 < (place[3] - place[1]) / 2 < 1.5
    volume = data["alpha"].sum(("y", "x")).values[0]
    assert np.allclose(volume, volume[0], rtol=1e-12)
    assert data["alpha"].min() > -1e-6 and data["alpha"].max() < 1 + 1e-6


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


def full_tube() -> Problem:
    """A tube of 1 m by 0.1 m full of water, with a parabolic inflow of mean 1 and Re 100."""
    t, x, y = coordinates("t x y")
    velocity = Field("velocity", components=("u", "v"), unit="m/s")(t, x, y)
    p, alpha = Field("p", unit="Pa")(t, x, y), Field("alpha", unit="")(t, x, y)
    profile = 600 * y * (0.1 - y)
    return Problem(
        name="poiseuille",
        fields=[velocity, p, alpha],
        parameters=[Parameter("rho", 100.0, unit="kg/m^3"), Parameter("mu", 0.1, unit="Pa*s")],
        domain=Box(x=(0, 1), y=(0, 0.1)),
        initial={velocity: (1, 0), alpha: 1},
        boundary={
            velocity: {"x-": Dirichlet((profile, 0)), "x+": Outflow(), "y-": NoSlip(), "y+": NoSlip()},
        },
    )


def poiseuille_error(cells: int, end: float) -> float:
    """Relative error of u in the last quarter of the tube against the parabola."""
    data = simulate(
        full_tube(),
        solver="two-phase",
        resolution=(16, cells),
        times=[0, end],
        options={"solve_resolution": (16, cells), "gravity": 0.0},
    )
    low, high = np.arange(cells) * 0.1 / cells, (np.arange(cells) + 1) * 0.1 / cells
    exact = 600 * ((0.05 * high**2 - high**3 / 3) - (0.05 * low**2 - low**3 / 3)) / (high - low)
    u = data["u"].values[0, -1, :, -4:]
    return float(np.linalg.norm(u - exact[:, None]) / np.linalg.norm(np.tile(exact[:, None], (1, 4))))


def test_flow_in_a_full_tube_is_a_parabola() -> None:
    # The profile relaxes as exp(-pi^2 nu t / d^2): 1e-4 after 10 s at nu = 1e-3.
    coarse, fine = poiseuille_error(8, 10.0), poiseuille_error(16, 10.0)
    assert fine < 0.016  # 1 / 16^2 times 4: an error of 1e-3 on 64 cells
    assert 3 < coarse / fine < 5


@pytest.mark.slow
def test_flow_in_a_full_tube_on_64_points() -> None:
    assert poiseuille_error(64, 10.0) < 1e-3


def test_inflow_over_a_step_is_accounted_for() -> None:
    data = simulate("dam", resolution=(64, 32), times=[0, 0.3, 0.6], options={"solve_resolution": (64, 32)})
    held = data["alpha"].sum(("y", "x")).values[0] * (1.5 / 64 * 0.4 / 32)
    entered, left = data["water_entered"].values[0], data["water_left"].values[0]
    assert np.allclose(entered, [0, 0.03, 0.06], rtol=1e-9)
    assert np.allclose(held - held[0], entered - left, rtol=0, atol=1e-12)  # 1e-5 of the inflow is what must hold
    assert data["alpha"].min() > -1e-6 and data["alpha"].max() < 1 + 1e-6
    assert float(np.abs(data["u"]).max()) < 10
    mask = data["mask"].values[0] if "case" in data["mask"].dims else data["mask"].values
    assert np.all(data["u"].values[0, :, ~mask] == 0)


@pytest.mark.slow
def test_dam_for_ten_seconds() -> None:
    data = simulate("dam", resolution=64, times=np.linspace(0, 10, 101))
    assert float(np.abs(data[["u", "v"]].to_array()).max()) < 10
    assert data["water_left"].values[0, -1] > 0.5  # the front has left long before
    assert data["alpha"].min() > -1e-6 and data["alpha"].max() < 1 + 1e-6


@pytest.mark.parametrize(("name", "counts"), [("tube", (100, 50, 25)), ("dam", (100, 70, 50))])
def test_published_numbers_of_cases(name: str, counts: tuple[int, ...]) -> None:
    problem = get(name)
    assert tuple(len(problem.sample(subset=subset)) for subset in ("prop", "bc", "geo")) == counts
    reynolds = [case.parameters["rho"] * case.parameters["u_in"] * 0.1 / case.parameters["mu"]
                for case in problem.sample(subset="prop")]  # fmt: skip
    assert min(reynolds) == pytest.approx(1) and max(reynolds) == pytest.approx(1e4)
