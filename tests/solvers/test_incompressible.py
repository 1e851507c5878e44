"""The staggered-grid solver: operators, direct solves, orders of convergence, and its use through a declaration."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from sciflow.core.errors import InputError, SciflowError
from sciflow.problems import (
    Box,
    Case,
    Dirichlet,
    Disk,
    Field,
    NoSlip,
    Outflow,
    Parameter,
    Problem,
    coordinates,
    div,
    dot,
    get,
    grad,
    laplacian,
    ramp,
)
from sciflow.solvers import build, simulate
from sciflow.solvers.incompressible import Incompressible, solve
from sciflow.solvers.incompressible import cases as setup
from sciflow.solvers.incompressible import operators as ops
from sciflow.solvers.incompressible.boundary import Sides, Walls, balanced, still, walls_at
from sciflow.solvers.incompressible.cases import whole_steps
from sciflow.solvers.incompressible.frames import Sampler
from sciflow.solvers.incompressible.grid import Axis, StaggeredGrid, tanh_axis, uniform_axis
from sciflow.solvers.incompressible.march import walls_of
from sciflow.solvers.incompressible.momentum import momentum_coefficients
from sciflow.solvers.incompressible.stepping import Flow, State, Stepper

STILL = Walls(v=((0.0, 0.0), (0.0, 0.0)), u=((0.0, 0.0), (0.0, 0.0)))
LENGTHS = (0.7, 1.3)


@pytest.fixture(autouse=True)
def _double_precision() -> Any:
    with jax.enable_x64(True):
        yield


def lopsided(cells: int) -> Axis:
    """An axis that is refined at one end only."""
    return Axis(np.linspace(0, 1, cells + 1) ** 1.3)


GRID = StaggeredGrid(lopsided(11), tanh_axis(14, 1.6))


def random_flow(seed: int) -> tuple[jax.Array, jax.Array]:
    """Divergence-free (v, u) between walls at rest on `GRID`, from a random stream function at the inner corners."""
    ny, nx = GRID.shape
    psi = np.pad(np.random.default_rng(seed).standard_normal((ny - 1, nx - 1)), 1)
    dy, dx = LENGTHS[0] * GRID.y.widths, LENGTHS[1] * GRID.x.widths
    u, v = np.diff(psi, axis=0) / dy[:, None], -np.diff(psi, axis=1) / dx
    return jnp.asarray(v[1:-1]), jnp.asarray(u[:, 1:-1])


def weights(axis: int) -> np.ndarray:
    """Control volumes of a velocity component on `GRID`."""
    y, x = (LENGTHS[k] * (a.gaps[1:-1] if k == axis else a.widths) for k, a in enumerate(GRID.axes))
    return np.outer(y, x)


def metric() -> ops.Metric:
    return GRID.metric(LENGTHS, np.float64)


# ---------------------------------------------------------------------------------------------------------------- grid


def test_stretched_axis_is_symmetric_and_fine_at_the_walls() -> None:
    axis = tanh_axis(64, 1.6)
    np.testing.assert_allclose(axis.faces, 1 - axis.faces[::-1], atol=1e-15)
    assert axis.widths.sum() == pytest.approx(1)
    assert axis.widths.min() * 64 == pytest.approx(0.274, abs=1e-3)
    np.testing.assert_array_equal(tanh_axis(8, 0.0).faces, uniform_axis(8).faces)


@pytest.mark.parametrize("faces", [[0, 0.5, 1], [0, 0.2, 0.2, 0.6, 0.8, 1], [0.1, 0.3, 0.5, 0.7, 1]])
def test_impossible_axes_are_refused(faces: list[float]) -> None:
    with pytest.raises(InputError, match="increase from 0 to 1"):
        Axis(np.array(faces))
    with pytest.raises(InputError, match="stretch"):
        tanh_axis(16, -1.0)


# ----------------------------------------------------------------------------------------------------------- operators


def test_gradient_is_minus_the_adjoint_of_divergence() -> None:
    v, u = random_flow(0)
    v, u = v + 1.0, u * u
    p = np.random.default_rng(1).standard_normal(GRID.shape)
    volume = np.outer(LENGTHS[0] * GRID.y.widths, LENGTHS[1] * GRID.x.widths)
    left = float(np.sum(volume * p * ops.divergence(v, u, STILL, metric())))
    right = sum(np.sum(weights(k) * w * ops.gradient(jnp.asarray(p), metric(), k)) for k, w in enumerate((v, u)))
    assert left == pytest.approx(-float(right), rel=1e-12)


def test_laplacian_splits_into_unknowns_and_wall_values() -> None:
    walls = ((0.3, -1.2), (np.linspace(0, 1, 11), 0.7))
    _, u = random_flow(2)
    whole = ops.laplacian(u, walls, metric(), 1)
    homogeneous = ops.laplacian(u, STILL.u, metric(), 1)
    np.testing.assert_allclose(whole, homogeneous + ops.wall_diffusion(walls, metric(), 1), rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_central_convection_does_no_work(seed: int) -> None:
    flow = random_flow(seed)
    rates = [ops.convection(flow, STILL, GRID, metric(), k, "central") for k in (0, 1)]
    work = sum(np.sum(weights(k) * flow[k] * rates[k]) for k in (0, 1))
    size = sum(np.sum(weights(k) * np.abs(flow[k] * rates[k])) for k in (0, 1))
    assert abs(work) <= 1e-14 * size


def test_convection_conserves_momentum_through_blowing_walls() -> None:
    """With constant velocity on all walls and inside, nothing changes."""
    ones = Walls(v=((2.0, 2.0), (2.0, 2.0)), u=((3.0, 3.0), (3.0, 3.0)))
    ny, nx = GRID.shape
    flow = jnp.full((ny - 1, nx), 2.0), jnp.full((ny, nx - 1), 3.0)
    for scheme, axis in itertools.product(("central", "quick"), (0, 1)):
        assert np.abs(ops.convection(flow, ones, GRID, metric(), axis, scheme)).max() < 1e-12  # type: ignore[arg-type]


def test_upwind_weights_are_exact_for_parabolas() -> None:
    axis = lopsided(9)
    found = ops.upwind_weights(axis.nodes, axis.faces[1:-1], 1)
    parabola = 1 - 2 * axis.nodes + 3 * axis.nodes**2
    exact = (1 - 2 * axis.faces + 3 * axis.faces**2)[1:-1]
    for row, start in ((found.right, 0), (found.left, 1)):
        values = sum(row[k] * parabola[start + k : start + k + 8] for k in range(3))
        np.testing.assert_allclose(values, exact, atol=1e-13)
    middle = ops.upwind_weights(uniform_axis(8).faces, uniform_axis(8).centres, 0)
    np.testing.assert_allclose(middle.right[:, 3], [-1 / 8, 6 / 8, 3 / 8], atol=1e-13)
    np.testing.assert_allclose(middle.right[:, 0], [0, 0.5, 0.5], atol=1e-13)


def test_inviscid_energy_drifts_only_by_the_time_integrator() -> None:
    """Runge-Kutta of the semi-discretisation: halving the step cuts the drift of kinetic energy by its order."""
    start = random_flow(5)
    solver = solve.pressure_solver(GRID, np.float64)
    inverse = solve.inverse_laplacian(solver.eigenvalues(LENGTHS))
    volumes = [jnp.asarray(weights(k)) for k in (0, 1)]

    def slope(flow: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        v, u = (-ops.convection(flow, STILL, GRID, metric(), k, "central") for k in (0, 1))
        p = solver.apply(ops.divergence(v, u, STILL, metric()), inverse)
        return v - ops.gradient(p, metric(), 0), u - ops.gradient(p, metric(), 1)

    def moved(flow: Any, rate: Any, dt: Any) -> Any:
        return tuple(w + dt * r for w, r in zip(flow, rate, strict=True))

    def step(flow: Any, dt: Any) -> Any:
        k1 = slope(flow)
        k2 = slope(moved(flow, k1, dt / 2))
        k3 = slope(moved(flow, k2, dt / 2))
        k4 = slope(moved(flow, k3, dt))
        return tuple(w + dt / 6 * (a + 2 * b + 2 * c + d) for w, a, b, c, d in zip(flow, k1, k2, k3, k4, strict=True))

    def energy(flow: Any) -> Any:
        return 0.5 * sum(jnp.sum(volume * w**2) for volume, w in zip(volumes, flow, strict=True))

    @jax.jit
    def drift(steps: int, dt: float) -> Any:
        end = jax.lax.fori_loop(0, steps, lambda _, flow: step(flow, dt), start)
        return jnp.abs(energy(end) / energy(start) - 1)

    time = 0.02 * LENGTHS[1] / float(jnp.abs(start[1]).max())
    coarse, fine = (float(drift(steps, time / steps)) for steps in (4, 8))
    assert fine < 1e-6 and np.log2(coarse / fine) > 3.9


# -------------------------------------------------------------------------------------------------------- direct solves


@given(
    st.sampled_from([uniform_axis(7), tanh_axis(7, 1.6), lopsided(7)]),
    st.sampled_from(["centres", "faces"]),
    st.sampled_from(["dirichlet", "neumann"]),
    st.sampled_from(["dirichlet", "neumann"]),
    st.floats(0.0, 100.0),
)
def test_direct_solves_leave_no_residual(axis: Axis, place: Any, low: Any, high: Any, shift: float) -> None:
    """(shift - nu L) w = f with every pair of ends along x, Dirichlet ends along y."""
    other = tanh_axis(5, 1.0)
    y, x = solve.modes(other, "centres", ("dirichlet", "dirichlet")), solve.modes(axis, place, (low, high))
    f = np.random.default_rng(0).standard_normal((y.size, x.size))
    solver, nu = solve.DirectSolver(y, x, np.float64), 0.03
    found = np.asarray(solver.apply(jnp.asarray(f), 1 / (shift - nu * solver.eigenvalues((2.0, 0.5)))))
    operators = [
        solve.line_operator(other, "centres", ("dirichlet", "dirichlet")),
        solve.line_operator(axis, place, (low, high)),
    ]
    along_y, along_x = (matrix / row[:, None] for row, matrix in operators)
    residual = shift * found - nu * (along_y @ found / 2.0**2 + found @ along_x.T / 0.5**2) - f
    assert np.abs(residual).max() <= 1e-10


@pytest.mark.parametrize("grid", [GRID, StaggeredGrid(tanh_axis(7, 1.6), tanh_axis(8, 2.0))])
def test_poisson_with_walls_on_all_sides(grid: StaggeredGrid) -> None:
    solver = solve.pressure_solver(grid, np.float64)
    eigenvalues = np.asarray(solver.eigenvalues(LENGTHS))
    volume = np.outer(grid.y.widths, grid.x.widths)
    f = np.random.default_rng(0).standard_normal(grid.shape)
    f -= np.sum(volume * f)
    p = solver.apply(jnp.asarray(f), solve.inverse_laplacian(jnp.asarray(eigenvalues)))
    metric = grid.metric(LENGTHS, np.float64)
    again = ops.divergence(ops.gradient(p, metric, 0), ops.gradient(p, metric, 1), STILL, metric)
    assert np.abs(again - f).max() <= 1e-10
    assert np.sum(eigenvalues == 0) >= 1 and abs(np.sum(volume * p)) <= 1e-12


# ------------------------------------------------------------------------------------------------ convergence, stepping

NU, SHIFT = 0.02, (0.13, 0.27)


def vortices(x: Any, y: Any, t: Any) -> tuple[Any, Any]:
    """Taylor and Green's decaying vortices on a box that cuts through them, so that the walls blow, suck and slide."""
    k = 2 * np.pi
    a, b, decay = k * (x + SHIFT[0]), k * (y + SHIFT[1]), jnp.exp(-2 * NU * k**2 * t)
    return decay * jnp.sin(a) * jnp.cos(b), -decay * jnp.cos(a) * jnp.sin(b)


class Decay:
    """Taylor-Green vortices on n x n cells, compiled once for every number of steps."""

    def __init__(self, n: int, stretch: float, scheme: ops.Convection = "central") -> None:
        axis = tanh_axis(n, stretch)
        self.grid, self.sides = StaggeredGrid(axis, axis), Sides(*4 * [vortices])
        self.stepper = Stepper.on(self.grid, scheme, np.float64)
        self.volume = np.outer(axis.widths, axis.gaps[1:-1])
        self._run = jax.jit(self._solve)

    def _solve(self, steps: int, dt: float) -> State:
        flow = Flow(NU, dt, jnp.zeros(()), (1.0, 1.0))
        walls = walls_of(self.sides, self.grid, flow)
        return self.stepper.advance(self.stepper.begin(*self.exact(0.0), flow, walls), steps, flow, walls)

    def exact(self, t: float) -> tuple[Any, Any]:
        faces, centres = self.grid.x.faces[1:-1], self.grid.x.centres
        return vortices(centres, faces[:, None], t)[1], vortices(faces, centres[:, None], t)[0]

    def run(self, steps: int, time: float = 0.5) -> State:
        return self._run(steps, time / steps)

    def norm(self, u: Any) -> float:
        return float(np.sqrt(np.sum(self.volume * np.asarray(u) ** 2)))


@functools.cache
def decays(n: int, stretch: float) -> Decay:
    return Decay(n, stretch)


@pytest.mark.parametrize("stretch", [0.0, 1.6])
def test_second_order_in_space(stretch: float) -> None:
    errors = []
    for n in (16, 32):
        decay = decays(n, stretch)
        errors.append(decay.norm(decay.run(400).u - decay.exact(0.5)[1]))
    assert 1.9 <= np.log2(errors[0] / errors[1]) <= 2.1


@pytest.mark.slow
def test_upwind_biased_scheme_approaches_second_order() -> None:
    both = [Decay(n, 0.0, "quick") for n in (64, 128)]
    coarse, fine = (decay.norm(decay.run(800).u - decay.exact(0.5)[1]) for decay in both)
    assert 1.9 <= np.log2(coarse / fine) <= 2.1


def test_second_order_in_time_from_the_first_step_on() -> None:
    decay = decays(24, 1.6)
    reference = decay.run(3200)
    states = [decay.run(steps) for steps in (25, 50, 100)]
    orders = np.log2([decay.norm(a.u - reference.u) for a in states])
    assert np.all(np.abs(-np.diff(orders) - 2) <= 0.1)
    pressure = np.log2([float(np.abs(state.p - reference.p).max()) for state in states])
    assert np.all(-np.diff(pressure) >= 1.75)


def test_second_order_in_time_from_rest_with_a_smooth_lid() -> None:
    grid = StaggeredGrid(tanh_axis(24, 1.6), tanh_axis(24, 1.6))
    sides = Sides(still, lambda x, y, t: (1 - jnp.exp(-5 * t**2), 0.0), still, still)
    stepper = Stepper.on(grid, "central", np.float64)

    @jax.jit
    def run(steps: int) -> State:
        flow = Flow(0.01, 2.0 / steps, jnp.zeros(()), (1.0, 1.0))
        walls = walls_of(sides, grid, flow)
        return stepper.advance(stepper.begin(jnp.zeros((23, 24)), jnp.zeros((24, 23)), flow, walls), steps, flow, walls)

    reference = run(6400)
    errors = [float(np.sqrt(np.mean((run(steps).u - reference.u) ** 2))) for steps in (100, 200, 400)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all((orders >= 1.9) & (orders <= 2.1))


@pytest.mark.parametrize("steps", [0, 1, 2, 40])
def test_divergence_is_round_off_after_every_step(steps: int) -> None:
    decay = decays(16, 1.6)
    metric = decay.grid.metric((1.0, 1.0), np.float64)
    state = decay._run(steps, 0.01)
    walls = balanced(walls_at(decay.sides, decay.grid, (1.0, 1.0), 0.01 * steps), metric)
    assert np.abs(ops.divergence(state.v, state.u, walls, metric)).max() <= 1e-10


# --------------------------------------------------------------------------------------------------------------- frames


@pytest.mark.parametrize("stored", [12, 48])
def test_frames_are_read_and_filled_in_to_second_order_or_better(stored: int) -> None:
    decay = decays(24, 1.6)
    flow = Flow(NU, 0.01, jnp.zeros(()), (1.0, 1.0))
    sampler = Sampler(decay.grid, (stored, stored), np.float64)
    v, u = decay.exact(0.0)
    state = State(v, u, jnp.zeros((24, 24)), v, u, jnp.zeros((), int))
    frame = sampler.read(state, flow, decay.sides)
    per_cell = max(1, 24 // stored)
    points = (np.arange(stored * per_cell) + 0.5) / (stored * per_cell)
    exact = vortices(points, points[:, None], 0.0)[0].reshape(stored, per_cell, stored, per_cell).mean(axis=(1, 3))
    assert np.abs(frame.u - exact).max() < 1e-3
    back_v, back_u = sampler.fill(frame.u, frame.v, flow, decay.sides)
    tolerance = 0.2 if stored < 24 else 5e-3
    assert np.abs(back_u - u).max() < tolerance and np.abs(back_v - v).max() < tolerance


def test_times_are_met_by_whole_steps() -> None:
    dt, steps = whole_steps(np.array([0.0, 0.5, 1.25]), 0.1)
    assert dt == pytest.approx(0.25 / 3) and list(steps) == [6, 9]
    with pytest.raises(InputError, match="common measure"):
        whole_steps(np.array([0.0, 1.0, 1.0 + np.pi]), 0.1)


# ---------------------------------------------------------------------------------------------------------- declaration

t, x, y = coordinates("t x y")
VELOCITY = Field("velocity", components=("u", "v"), unit="m/s")(t, x, y)
P = Field("p", unit="Pa")(t, x, y)
VISCOSITY, RHO = Parameter("nu", 0.02, unit="m^2/s"), Parameter("rho", 1.0, unit="kg/m^3")
CLOSED = {"x-": NoSlip(), "x+": NoSlip(), "y-": NoSlip(), "y+": Dirichlet((ramp(t), 0))}


def declared(**changes: Any) -> Problem:
    """A cavity with a smooth lid, changed as told."""
    parts: dict[str, Any] = {
        "name": "tank",
        "fields": [VELOCITY, P],
        "parameters": [VISCOSITY, RHO],
        "domain": Box(x=(0, 1), y=(0, 1)),
        "time": (0, 1),
        "evolution": {VELOCITY: -dot(VELOCITY, grad)(VELOCITY) - grad(P) / RHO + VISCOSITY * laplacian(VELOCITY)},
        "constraints": {P: sympy.Eq(div(VELOCITY), 0)},
        "boundary": {VELOCITY: CLOSED},
    }
    return Problem(**{**parts, **changes})


def test_coefficients_are_read_off_the_equations() -> None:
    found = momentum_coefficients(get("cavity"))
    rho, mu = (sympy.Symbol(name, real=True) for name in ("rho", "mu"))
    assert found.velocity == ("u", "v") and found.pressure == "p"
    assert found.viscosity == mu / rho and found.inverse_density == 1 / rho


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"evolution": {VELOCITY: -grad(P) / RHO + VISCOSITY * laplacian(VELOCITY)}}, "is left"),
        ({"evolution": {VELOCITY: -dot(VELOCITY, grad)(VELOCITY) - grad(P)}}, "viscosity must be positive"),
        (
            {"evolution": {VELOCITY: -dot(VELOCITY, grad)(VELOCITY) - grad(P) + (1 + x) * laplacian(VELOCITY)}},
            "constant in space",
        ),
        ({"constraints": {P: sympy.Eq(laplacian(P), 0)}}, "not Eq"),
        ({"constraints": {}}, "one constraint"),
        ({"boundary": {VELOCITY: {**CLOSED, "x+": Outflow()}}}, r"side 'x\+' must prescribe"),
        ({"boundary": {VELOCITY: {"y+": NoSlip()}}}, "'y-' must prescribe"),
        ({"boundary": {VELOCITY: {**CLOSED, "y+": Dirichlet((VELOCITY[1], 0))}}}, "depend on a field"),
        ({"boundary": {VELOCITY: CLOSED, P: {"x+": Dirichlet((0,))}}}, "walls set the pressure"),
        ({"domain": Box(x=(0, 1), y=(0, 1)) - Disk(center=(0.5, 0.5), radius=0.1)}, "plain box"),
        ({"periodic": ["x"], "boundary": {VELOCITY: {side: NoSlip() for side in ("y-", "y+")}}}, "plain box"),
        ({"fields": [VELOCITY, P, Field("c")(t, x, y)]}, "not c"),
    ],
)
def test_other_equations_are_refused_with_a_reason(changes: dict[str, Any], reason: str) -> None:
    problem = declared(**changes)
    assert Incompressible.unsupported(declared()) is None
    with pytest.raises(InputError, match=reason):
        Incompressible(problem, 16)


def test_problems_of_other_kinds_are_refused() -> None:
    for name in ("burgers", "navier-stokes-2d"):
        assert Incompressible.unsupported(get(name))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"convection": "upwind"}, "no convection scheme"),
        ({"dt": 0.0}, "positive time step"),
        ({"stretch": 9.0}, "stretch"),
        ({"solve_resolution": 2}, "resolution"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Incompressible(declared(), 16, **options)


def test_exact_vortices_through_a_declaration() -> None:
    """Everything at once: walls that depend on place and time, initial expressions, density, a box off the origin."""
    decay = sympy.exp(-2 * VISCOSITY * (2 * sympy.pi) ** 2 * t)
    a, b = 2 * sympy.pi * x, 2 * sympy.pi * y
    flow = decay * sympy.sin(a) * sympy.cos(b), -decay * sympy.cos(a) * sympy.sin(b)
    pressure = RHO * decay**2 / 4 * (sympy.cos(2 * a) + sympy.cos(2 * b))
    problem = declared(
        domain=Box(x=(0.13, 1.13), y=(0.27, 0.77)),
        initial={VELOCITY: tuple(part.subs(t, 0) for part in flow)},
        boundary={VELOCITY: dict.fromkeys(("x-", "x+", "y-", "y+"), Dirichlet(flow))},
        exact={VELOCITY: flow, P: pressure},
    )
    solver = build(problem, (24, 12), solver="incompressible", stretch=0.5, solve_resolution=(48, 24))
    data = solver.run([Case(0, 0, {"nu": 0.02, "rho": 3.0})], np.array([0.0, 0.1, 0.25]))
    assert dict(data.sizes) == {"case": 1, "time": 3, "y": 12, "x": 24} and data.u.dtype == np.float64
    values = {"t": data.time.values[:, None, None], "x": data.x.values, "y": data.y.values[:, None]}
    for name, tolerance in (("u", 5e-3), ("v", 5e-3), ("p", 3e-2)):
        exact = sympy.lambdify(["t", "x", "y", "nu", "rho"], problem.exact[name])(**values, nu=0.02, rho=3.0)
        exact = exact - exact.mean(axis=(1, 2), keepdims=True) if name == "p" else exact
        assert np.abs(data[name].values[0] - exact).max() < tolerance * np.abs(exact).max() + 6e-3


def cavity_case(index: int = 0, **parameters: float) -> Case:
    values = get("cavity").values({"mu": 5e-3, "lid_amplitude_1": 0.3, "lid_period_1": 3.0, **parameters})
    names = {info.name for info in get("cavity").coefficients}
    return Case(
        index, 7, {k: v for k, v in values.items() if k not in names}, {k: v for k, v in values.items() if k in names}
    )


@functools.cache
def small(**options: Any) -> Incompressible:
    return build(get("cavity"), 16, solve_resolution=24, **options)  # type: ignore[return-value]


def test_similar_flows_have_similar_frames() -> None:
    """Equal Reynolds numbers: lengths, speeds and densities only scale the answer."""
    first = small().run([cavity_case()], np.array([0.0, 1.0, 2.0]))
    other = cavity_case(u_top=0.5, width=4.0, height=4.0, rho=2.0, mu=5e-3 * 0.5 * 4.0 * 2.0)
    second = small().run([other], np.array([0.0, 8.0, 16.0]))
    np.testing.assert_allclose(second.u, 0.5 * first.u, atol=1e-12)
    np.testing.assert_allclose(second.p, 2.0 * 0.25 * first.p, atol=1e-12)
    assert list(second.x.values) == pytest.approx(list(4 * first.x.values))
    assert first.attrs["grid"] == "cells" and float(first.lid[0, 0]) == 0.0


def test_batches_give_what_single_runs_give() -> None:
    solver = small()
    cases = [cavity_case(k, mu=mu) for k, mu in enumerate((5e-3, 2e-3, 1e-3))]
    units = [setup.units_of(solver.problem, solver._momentum, case) for case in cases]
    arrays = [
        unit.arrays(solver.problem, case, 0.01, 0.0, np.dtype(float)) for case, unit in zip(cases, units, strict=True)
    ]
    starts = [(np.zeros((23, 24)), np.zeros((24, 23)))] * 3
    steps = np.array([0, 30, 30])
    single = solver._program.run(arrays, starts, [steps] * 3, False)
    batched = solver._program.run_together(arrays, starts, steps, False)
    for one, two in zip(single, batched, strict=True):
        for a, b in zip(one, two, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-12)


def test_runs_go_on_from_stored_frames() -> None:
    times = np.linspace(0, 4, 9)
    whole = small().run([cavity_case()], times)
    rest = small().run([cavity_case()], times[4:], {name: whole[name].values[:, 4] for name in ("u", "v")})
    for frame in range(5):
        wanted = whole.u.values[0, 4 + frame]
        assert np.linalg.norm(rest.u.values[0, frame] - wanted) < 0.03 * np.linalg.norm(wanted)


def test_signals_and_walls_follow_the_clock() -> None:
    """A lid that stops at the start of a restarted run drives nothing."""
    problem = declared(boundary={VELOCITY: {**CLOSED, "y+": Dirichlet((sympy.Heaviside(1 - t), 0))}})
    solver = build(problem, 8, solver="incompressible", solve_resolution=8)
    case = problem.sample(1)
    assert np.abs(solver.run(case, np.array([2.0, 2.5])).u).max() == 0
    assert np.abs(solver.run(case, np.array([0.0, 0.5])).u).max() > 0.1


def test_single_precision_agrees() -> None:
    times = np.array([0.0, 1.0])
    single = small(precision="float32").run([cavity_case()], times)
    assert single.u.dtype == np.float32
    np.testing.assert_allclose(single.u, small().run([cavity_case()], times).u, atol=2e-5)


def test_a_blow_up_names_case_time_and_remedy() -> None:
    with pytest.raises(SciflowError, match=r"Case 3 of 'cavity' blew up before time .* s with steps of .*smaller dt"):
        small(dt=0.2).run([cavity_case(3, mu=1e-5)], np.linspace(0, 40, 5))


def test_a_flow_that_never_settles_is_reported() -> None:
    with pytest.raises(SciflowError, match="did not become steady"):
        small().steady([cavity_case()], longest=2.0)


def test_unbalanced_walls_are_refused() -> None:
    problem = declared(boundary={VELOCITY: {**CLOSED, "x-": Dirichlet((1, 0))}})
    with pytest.raises(InputError, match="more fluid in than out"):
        simulate(problem, resolution=8, times=[0, 0.1], solver="incompressible", options={"solve_resolution": 8})


@pytest.mark.parametrize(("nu", "rho"), [(-1.0, 1.0), (0.1, -1.0)])
def test_unphysical_parameters_are_refused(nu: float, rho: float) -> None:
    with pytest.raises(InputError, match="positive viscosity and density"):
        simulate(declared(), resolution=8, times=[0, 0.1], nu=nu, rho=rho)


def test_initial_frames_are_checked() -> None:
    wrong = {"u": np.zeros((1, 8, 8)), "v": np.zeros((1, 8, 8))}
    with pytest.raises(InputError, match="shape"):
        small().run([cavity_case()], np.array([0.0, 1.0]), wrong)
    with pytest.raises(InputError, match="no device 'abacus'"):
        small(device="abacus").run([cavity_case()], np.array([0.0, 1.0]))
