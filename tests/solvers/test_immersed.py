"""The solver for channels with bodies: graded grid, volume fractions, means, one step, and its use by declaration."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from sciflow.core.errors import InputError, SciflowError
from sciflow.problems import (
    Box,
    Case,
    Dirichlet,
    Disk,
    Field,
    NoSlip,
    Outflow,
    Problem,
    coordinates,
    div,
    dot,
    get,
    grad,
    laplacian,
)
from sciflow.solvers import build, choose
from sciflow.solvers.immersed import Immersed
from sciflow.solvers.immersed.frames import Averager
from sciflow.solvers.immersed.grid import patched_axis
from sciflow.solvers.immersed.obstacle import solid_fractions
from sciflow.solvers.immersed.stepping import Solid, State, Stepper
from sciflow.solvers.incompressible.boundary import Sides, Walls, still
from sciflow.solvers.incompressible.grid import Axis, StaggeredGrid, uniform_axis
from sciflow.solvers.incompressible.operators import divergence, gradient
from sciflow.solvers.incompressible.solve import inverse_laplacian
from sciflow.solvers.incompressible.stepping import Flow

LENGTHS = (1.0, 2.0)
GRID = StaggeredGrid(uniform_axis(24), patched_axis(2.0, (0.4, 1.0), 1 / 24, 3.0))
BOUNDS = {"x": (0.0, 2.0), "y": (0.0, 1.0)}


@pytest.fixture(autouse=True)
def _double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


# -------------------------------------------------------------------------------------------------------- grid, bodies


def test_points_are_those_of_the_graded_grid() -> None:
    """Of a uniform grid's, all but one in 16 can be saved (cells grow four times wider each way)."""
    case = Case(0, 0, {info.name: info.default for info in get("cylinder-dfg").parameters}, {})
    for across in (8, 16):
        uniform = 2.2 * 0.41 / 0.1**2 * across**2
        assert uniform / 16 < build("cylinder-dfg", 16, solve_resolution=across).points(case) < uniform / 2


def test_graded_axis_is_equal_inside_and_grows_slowly_outside() -> None:
    axis = patched_axis(10.0, (2.0, 4.0), 0.05, 4.0)
    widths = 10.0 * axis.widths
    inside = (10 * axis.centres > 2) & (10 * axis.centres < 4)
    assert inside.sum() == 40
    np.testing.assert_allclose(widths[inside], 0.05, rtol=1e-9)
    ratios = widths[1:] / widths[:-1]
    assert ratios.max() < 1.08 and ratios.min() > 1 / 1.08  # growth 0.05 on the average cell, rounded to whole cells
    assert widths.max() == pytest.approx(0.2, rel=0.05)
    np.testing.assert_allclose(patched_axis(1.0, (0.3, 0.6), 0.1, 1.0).widths, 0.1)


def test_impossible_grids_are_refused() -> None:
    with pytest.raises(InputError, match="no fine part"):
        patched_axis(1.0, (2.0, 3.0), 0.1, 2.0)
    with pytest.raises(InputError, match="too many"):
        patched_axis(1.0, (0.2, 0.3), 1e-6, 2.0)


def test_fractions_add_up_to_the_areas_of_the_bodies() -> None:
    """Every point lies in one control volume of u and in one of v, so that fractions times volumes give the area."""
    shapes: tuple[Any, ...] = (Disk((0.7, 0.5), 0.2), Box(x=(1.1, 1.4), y=(0.0, 0.25)))
    v, u = solid_fractions(shapes, {}, GRID, BOUNDS)
    y, x = (length * axis.widths for length, axis in zip(LENGTHS, GRID.axes, strict=True))
    gaps_y, gaps_x = (length * axis.gaps[1:-1] for length, axis in zip(LENGTHS, GRID.axes, strict=True))
    box = 0.3 * 0.25
    disk = np.pi * 0.2**2
    assert gaps_y @ v @ x == pytest.approx(disk + box - 0.3 * 0.5 / 24, rel=2e-3)  # no control volume of v at the wall
    assert y @ u @ gaps_x == pytest.approx(disk + box, rel=2e-3)
    assert v.min() == 0 and v.max() == 1
    above = u[:, GRID.x.faces[1:-1] < 0.5]  # only the disk, which is symmetric about the middle of the channel
    np.testing.assert_array_equal(above, above[::-1])


# --------------------------------------------------------------------------------------------------------------- means


def test_means_are_conservative_and_exact_for_parabolas() -> None:
    grid = StaggeredGrid(patched_axis(1.0, (0.4, 0.6), 0.02, 4.0), patched_axis(1.0, (0.2, 0.4), 0.02, 4.0))
    averager = Averager(grid, (10, 12), np.float64)
    rng = np.random.default_rng(0)
    ny, nx = grid.shape
    v, u, p = (jnp.asarray(rng.standard_normal(shape)) for shape in ((ny - 1, nx), (ny, nx - 1), (ny, nx)))
    walls = Walls(v=((0.0, 0.0), (0.0, 0.0)), u=((0.0, 0.0), (0.0, 0.0)))
    frame = averager.read(v, u, p, walls)
    area = np.outer(grid.y.widths, grid.x.widths)
    level = grid.y.widths @ np.asarray(p)[:, -1]
    assert float(frame.p.mean()) == pytest.approx(float(np.sum(area * p)) - level, abs=1e-12)

    def square_mean(faces: np.ndarray) -> np.ndarray:
        return np.diff(faces**3) / 3 / np.diff(faces)

    exact_u = np.outer(square_mean(np.arange(11) / 10), square_mean(np.arange(13) / 12))
    lines = np.outer(square_mean(grid.y.faces), grid.x.faces**2)
    ends = jnp.asarray(lines[:, 0]), jnp.asarray(lines[:, -1])
    read = averager.read(v, jnp.asarray(lines[:, 1:-1]), p, Walls(v=walls.v, u=(walls.u[0], ends)))
    np.testing.assert_allclose(read.u, exact_u, atol=1e-12)
    back = averager.fill(np.ones((10, 12)), np.ones((10, 12)))
    np.testing.assert_allclose(np.concatenate([part.ravel() for part in back]), 1, atol=1e-12)


# --------------------------------------------------------------------------------------------------------------- steps


def inflow(x: Any, y: Any, t: Any) -> tuple[Any, Any]:
    """Parabola that pulsates."""
    return 6 * y * (1 - y) * (1 + 0.5 * jnp.sin(9 * t)), 0.0


SIDES = Sides(south=still, north=still, west=inflow, east=still)


@cache
def programs() -> tuple[Stepper, Any, Any]:
    """The stepper with its start and its step, compiled once."""
    stepper = Stepper.on(GRID, "central", np.float64)
    metric = GRID.metric(LENGTHS, np.float64)
    inverse = inverse_laplacian(stepper.solve_p.eigenvalues(LENGTHS))
    begin = jax.jit(lambda v, u, flow, solid: stepper.begin(v, u, flow, SIDES, solid))
    return stepper, begin, jax.jit(lambda s, flow, solid: stepper.step(s, flow, SIDES, solid, metric, inverse))


def run(flow: Flow, solid: Solid, steps: int) -> tuple[Stepper, list[State], list[np.ndarray]]:
    """The stepper, the states from the start on and the force in each step."""
    stepper, begin, step = programs()
    ny, nx = GRID.shape
    speed = jnp.asarray(6 * GRID.y.centres * (1 - GRID.y.centres))[:, None] * jnp.ones(nx - 1)
    states, forces = [begin(jnp.zeros((ny - 1, nx)), speed, flow, solid)], []
    for _ in range(steps):
        state, force = step(states[-1], flow, solid)
        states.append(state)
        forces.append(np.asarray(force))
    return stepper, states, forces


def test_every_step_is_divergence_free_and_lets_out_what_enters() -> None:
    flow = Flow(np.float64(0.01), np.float64(0.004), np.float64(0.3), LENGTHS)
    v, u = solid_fractions((Disk((0.7, 0.5), 0.2),), {}, GRID, BOUNDS)
    stepper, states, forces = run(flow, Solid(v, u), 150)
    state = states[-1]
    walls = stepper.walls(state, flow, SIDES)
    assert np.abs(divergence(state.v, state.u, walls, GRID.metric(LENGTHS, np.float64))).max() <= 1e-10
    entering, leaving = (float(GRID.y.widths @ walls.u[1][k]) for k in (0, 1))
    assert entering == pytest.approx(1 + 0.5 * np.sin(9 * (0.3 + 150 * 0.004)), rel=5e-3)
    assert leaving == pytest.approx(entering, abs=1e-13)
    sections = GRID.y.widths @ np.asarray(state.u)
    np.testing.assert_allclose(sections, entering, atol=1e-12)
    slip = -flow.dt * np.asarray(gradient(state.p, GRID.metric(LENGTHS, np.float64), 1))
    np.testing.assert_allclose(np.asarray(state.u)[u == 1], slip[u == 1], atol=1e-12)  # all that moves in the body
    assert np.abs(slip[u == 1]).max() < 0.2  # of the mean speed outside
    assert all(np.isfinite(force).all() for force in forces)
    # The inflow grows at first, then slows down, which turns the force around.
    assert forces[10][0] > 0


def test_the_force_is_the_momentum_that_the_channel_loses() -> None:
    """Without walls' friction (nu = 0) drag = inflow - outflow of momentum - storage + pressure difference."""
    flow = Flow(np.float64(0.0), np.float64(0.002), np.float64(0.0), LENGTHS)
    v, u = solid_fractions((Disk((0.7, 0.5), 0.2),), {}, GRID, BOUNDS)
    stepper, states, forces = run(flow, Solid(v, u), 40)
    (earlier, before, after), force = states[-3:], forces[-1]
    metric = GRID.metric(LENGTHS, np.float64)
    volumes = metric[0].widths[:, None] / metric[1].inverse_inner_gaps
    rows = np.asarray(metric[0].widths)
    storage = float(jnp.sum(volumes * (after.u - before.u))) / 0.002

    def flux(state: State) -> float:
        """Momentum into the control volumes of u, whose ends are the centres of the first and the last cell."""
        walls = stepper.walls(state, flow, SIDES)
        ends = [(np.asarray(a) + np.asarray(b)) / 2 for a, b in
                ((walls.u[1][0], state.u[:, 0]), (state.u[:, -1], walls.u[1][1]))]  # fmt: skip
        return float(rows @ (ends[0] ** 2 - ends[1] ** 2))

    carried = 1.5 * flux(before) - 0.5 * flux(earlier)
    pressure = float(rows @ np.asarray(after.p[:, 0] - after.p[:, -1]))
    assert float(force[0]) == pytest.approx(carried + pressure - storage, rel=1e-9)
    assert abs(float(force[0])) > 0.01


# ------------------------------------------------------------------------------------------------------ by declaration


def small(**options: Any) -> Immersed:
    solver = build("cylinder", (24, 20), **{"solve_resolution": 6, **options})
    assert isinstance(solver, Immersed)
    return solver


def test_frames_masks_and_forces_of_cases_with_their_own_domains_and_times() -> None:
    problem = get("cylinder")
    cases = [problem.sample(subset="bc")[9], problem.sample(subset="geo")[3]]
    times = np.array([[0.0, 0.02, 0.04], [0.0, 0.05, 0.1]])
    data, forces = small(spin_up=2.0).run_with_forces(cases, times)
    assert data.u.shape == (2, 3, 20, 24) and data.drag.dims == ("case", "time") and data.drag.units == "N/m"
    for case, one in zip(cases, data.mask.values, strict=True):
        (x0, x1), (y0, y1) = problem.bounds(case.values).values()
        share = np.pi * case.values["radius"] ** 2 / ((x1 - x0) * (y1 - y0))
        assert 1 - one.mean() == pytest.approx(share, rel=0.25)  # by cell centres
    assert np.all(data.u.values[~np.broadcast_to(data.mask.values[:, None], data.u.shape)] == 0)
    inlet = data.u.values[:, :, :, 0].mean(axis=-1)
    np.testing.assert_allclose(inlet, 1.0, rtol=0.02)  # what enters in m/s, in the first column
    for number, history in enumerate(forces):
        spin_up = 2 * problem.scale("t", cases[number].values)
        assert history.time[0] == pytest.approx(-spin_up, abs=1.5 * (history.time[1] - history.time[0]))
        assert history.drag[-1] == data.drag.values[number, -1] and history.drag[-1] > 0


def test_a_shared_grid_compiles_once_and_cases_do_not_mix_in_either_precision() -> None:
    problem = get("cylinder")
    cases = problem.sample(subset="bc")[4:20:5]
    times = np.linspace(0, 0.02, 3)
    solver = small()
    together = solver.run(cases, times)
    assert len({id(solver._setting(case).program) for case in cases}) == 1
    alone = solver.run([cases[1]], times)
    np.testing.assert_allclose(together.u.values[1], alone.u.values[0], atol=1e-12)
    single = small(precision="float32").run([cases[1]], times)
    assert single.u.dtype == np.float32
    np.testing.assert_allclose(single.u, alone.u, atol=1e-4)


def test_runs_go_on_from_stored_frames() -> None:
    case, times = get("cylinder").sample(subset="bc")[9:10], np.linspace(0, 0.08, 5)
    solver = build("cylinder", 64, solve_resolution=8)
    whole = solver.run(case, times)
    given = {name: whole[name].values[:, 2] for name in ("u", "v")}
    rest = solver.run(case, times[2:], given)
    difference = rest.u.values[0, -1] - whole.u.values[0, -1]
    assert np.linalg.norm(difference) < 0.03 * np.linalg.norm(whole.u.values[0, -1])


# ----------------------------------------------------------------------------------------------------------- bad input

t, x, y = coordinates("t x y")
VELOCITY = Field("velocity", components=("u", "v"))(t, x, y)
P = Field("p")(t, x, y)
CHANNEL = {"x-": Dirichlet((1, 0)), "x+": Outflow(), "y-": NoSlip(), "y+": NoSlip(), "obstacle": NoSlip()}


def declared(domain: Any = None, pressure: Any = None, **changes: Any) -> Problem:
    return Problem(
        name="test-channel",
        fields=[VELOCITY, P],
        domain=domain or Box(x=(0, 2), y=(0, 1)) - Disk((0.5, 0.5), 0.1),
        evolution={VELOCITY: -dot(VELOCITY, grad)(VELOCITY) - grad(P) + sympy.Rational(1, 100) * laplacian(VELOCITY)},
        constraints={P: sympy.Eq(div(VELOCITY), 0)},
        boundary={VELOCITY: CHANNEL | changes, P: pressure or {}},
        initial={VELOCITY: (1, 0)},
    )


def test_it_is_chosen_by_the_declaration() -> None:
    assert choose(declared())[0] == "immersed"
    assert choose(declared(pressure={"x+": Dirichlet(0)}))[0] == "immersed"


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (declared(**{"x+": NoSlip()}), "leave freely"),
        (declared(**{"obstacle": Dirichlet((1, 0))}), "vanish on the obstacle"),
        (declared(**{"x-": Outflow()}), "must prescribe the velocity"),
        (declared(**{"y+": Dirichlet((VELOCITY[0], 0))}), "must not depend on a field"),
        (declared(pressure={"x-": Dirichlet(1)}), "remove its condition on 'x-'"),
    ],
)
def test_other_declarations_are_refused_with_the_reason(problem: Problem, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        build(problem, 16, solver="immersed")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"solve_resolution": 2}, "at least 4 cells"),
        ({"stretch": 0.5}, "stretch of 1"),
        ({"convection": "upwind"}, "no convection scheme"),
        ({"spin_up": -1.0}, "must not be negative"),
        ({"dt": 0.0}, "must be positive"),
        ({"abacus": 1}, "no option"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        small(**options)


def test_a_blow_up_and_a_body_outside_are_reported() -> None:
    case = get("cylinder").sample(subset="bc")[9:10]
    with pytest.raises(SciflowError, match=r"Case 9 of 'cylinder' blew up before time .* with steps of .*smaller dt"):
        small(dt=0.02).run(case, np.linspace(0, 2, 3))
    outside = build(declared(Box(x=(0, 2), y=(0, 1)) - Disk((5.0, 5.0), 0.1)), 16, solver="immersed")
    with pytest.raises(InputError, match="no fine part|outside the channel"):
        outside.run(outside.problem.sample(1), np.array([0.0, 0.1]))


def test_axis_faces_are_checked() -> None:
    with pytest.raises(InputError, match="increase from 0 to 1"):
        Axis(np.array([0.0, 0.5, 1.0]))
