"""The cylinder in a channel against published results, mirror symmetry, its limits, and the lists of its cases."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from sciflow.problems import get
from sciflow.solvers import build
from sciflow.solvers.immersed.solver import Forces, Immersed

Record = Callable[[str, object], None]


class Coefficients(NamedTuple):
    """Strouhal number and extreme coefficients of the DFG benchmark over the last two time units."""

    strouhal: float
    drag: float
    lift_low: float
    lift_high: float


def shedding(forces: Forces, last: float = 2.0) -> Coefficients:
    """Coefficients 2 F / (rho U^2 D) with D = 0.1 and U = 1; the frequency is that of upward crossings of the mean."""
    late = forces.time > forces.time[-1] - last
    moments, drag, lift = forces.time[late], 20 * forces.drag[late], 20 * forces.lift[late]
    part = lift - lift.mean()
    up = np.flatnonzero((part[:-1] < 0) & (part[1:] >= 0))
    crossings = moments[up] - part[up] * (moments[up + 1] - moments[up]) / (part[up + 1] - part[up])
    assert len(crossings) >= 5
    return Coefficients(0.1 / float(np.diff(crossings).mean()), float(drag.max()), float(lift.min()), float(lift.max()))


def benchmark(cells: int, end: float) -> tuple[Coefficients, float]:
    """Coefficients and seconds."""
    problem = get("cylinder-dfg")
    solver = build(problem, 32, solve_resolution=cells)
    assert isinstance(solver, Immersed)
    start = time.perf_counter()
    _, (forces,) = solver.run_with_forces(problem.sample(1), np.array([0.0, end]))
    return shedding(forces), time.perf_counter() - start


def note(record: Record, cells: int, found: Coefficients, seconds: float, bars: tuple[object, ...]) -> None:
    """Write down what was measured, with its bars."""
    lift = found.lift_high - found.lift_low
    named = {
        "Strouhal number": found.strouhal,
        "largest drag": found.drag,
        "lift, peak to peak": lift,
        "seconds": seconds,
    }
    for (name, value), bar in zip(named.items(), bars, strict=True):
        record(f"DFG 2D-2, {cells} cells per diameter: {name}", (float(value), bar))


def test_dfg_2d2_at_16_cells(record_property: Record) -> None:
    """Schaefer and Turek (1996): Strouhal 0.295 to 0.305, largest drag 3.22 to 3.24."""
    found, seconds = benchmark(16, 5.0)
    note(record_property, 16, found, seconds, ("0.291 to 0.309", "3.07 to 3.39", "1.8 to 2.2", 60))
    assert found.strouhal == pytest.approx(0.30, rel=0.03)
    assert found.drag == pytest.approx(3.23, rel=0.05)
    assert found.lift_high - found.lift_low == pytest.approx(2.0, rel=0.1)
    assert seconds < 60  # 3 s on an idle core


@pytest.mark.slow
@pytest.mark.parametrize(("cells", "drag", "lift"), [(32, 0.02, 0.08), (40, 0.01, 0.03)])
def test_dfg_2d2_converges(cells: int, drag: float, lift: float, record_property: Record) -> None:
    """Published: Strouhal 0.295 to 0.305, largest drag 3.22 to 3.24, largest lift 0.99 to 1.01."""
    found, seconds = benchmark(cells, 6.0)
    note(record_property, cells, found, seconds, ("0.295 to 0.305", f"3.23 +- {drag:.0%}", f"2 +- {lift:.0%}", 300))
    assert 0.295 < found.strouhal < 0.305
    assert found.drag == pytest.approx(3.23, rel=drag)
    assert max(found.lift_high, -found.lift_low) == pytest.approx(1.0, rel=lift)
    assert found.lift_high - found.lift_low == pytest.approx(2.0, rel=lift)
    assert seconds < 300


def test_a_symmetric_flow_stays_symmetric_and_has_no_lift() -> None:
    """Re 20: steady and mirror-symmetric about the middle of the channel, if nothing disturbs it."""
    problem = get("cylinder")
    case = problem.sample(subset="bc")[:1]
    unit = problem.scale("t", case[0].values)
    solver = build(problem, 32, solve_resolution=10, perturbation=0.0, spin_up=10.0)
    data = solver.run(case, np.array([0.0, unit]))
    u, v = (data[name].values[0, -1] for name in ("u", "v"))
    speed = case[0].values["u_in"]
    np.testing.assert_allclose(u, u[::-1], atol=1e-8 * speed)
    np.testing.assert_allclose(v, -v[::-1], atol=1e-8 * speed)
    assert abs(float(data.lift[0, -1])) < 1e-8 * float(data.drag[0, -1])
    assert np.abs(u - data.u.values[0, 0]).max() < 0.02 * speed
    behind = u[16, data.x.values > 0.01]
    assert behind.min() < 0 < behind[-1]  # the eddies behind the cylinder, and the jet that closes them


@pytest.mark.parametrize("index", [0, 49])
def test_the_ends_of_the_published_range_are_stable(index: int) -> None:
    problem = get("cylinder")
    case = problem.sample(subset="bc")[index : index + 1]
    unit, speed = problem.scale("t", case[0].values), case[0].values["u_in"]
    data = build(problem, 32, solve_resolution=10).run(case, unit * np.arange(0.0, 12.0, 4.0))
    assert np.hypot(data.u, data.v).max() < 3 * speed


def test_the_lists_of_cases_are_those_of_cfdbench() -> None:
    problem = get("cylinder")
    sizes = {name: len(problem.sample(subset=name)) for name in ("prop", "bc", "geo")}
    assert sizes == {"prop": 115, "bc": 50, "geo": 20}
    numbers = {name: [problem.number("Re", case.values) for case in problem.sample(subset=name)] for name in sizes}
    assert min(numbers["prop"]) == pytest.approx(20) and max(numbers["prop"]) == pytest.approx(1000)
    assert min(numbers["bc"]) == pytest.approx(20) and max(numbers["bc"]) == pytest.approx(1000)
    assert len({tuple(case.values.values()) for name in sizes for case in problem.sample(subset=name)}) == 184
    for case in problem.sample(subset="geo"):
        values = case.values
        assert all(values["radius"] < values[name] for name in ("x1", "x2", "y1", "y2"))
