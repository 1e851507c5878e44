"""The two-phase solver: geometry of the interface, friction, pressure with obstacles, and its use through a problem."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciflow.core.errors import InputError
from sciflow.problems import get
from sciflow.solvers import build
from sciflow.solvers.twophase.cases import layout_of
from sciflow.solvers.twophase.frames import cell_means, overlap, spread, to_cells, to_faces
from sciflow.solvers.twophase.interface import advect, cut_area, line_constant
from sciflow.solvers.twophase.layout import Fluids, Layout, layout
from sciflow.solvers.twophase.momentum import transport
from sciflow.solvers.twophase.pressure import PressureSolver, divergence, gradient
from sciflow.solvers.twophase.viscosity import friction, respond, viscosity

SHAPE = (12, 16)
WATER = Fluids(1000.0, 1.0, 1.2, 1e-3, 9.81)


@pytest.fixture(autouse=True)
def _double_precision() -> Any:
    with jax.enable_x64(True):
        yield


def box(*, solid: bool = False, outlet: bool = False) -> Layout:
    """A box of 16 x 12 cells, with a block on its floor if `solid`."""
    blocked = np.zeros(SHAPE, bool)
    blocked[:4, 6:9] = solid
    return jax.tree.map(jnp.asarray, layout(SHAPE, (0.6, 1.6), blocked, outlet=outlet, slip=(False, False)))


def swirl(room: Layout) -> tuple[jax.Array, jax.Array]:
    """Divergence-free velocity from a stream function that vanishes on the walls and in obstacles."""
    y, x = np.meshgrid(np.linspace(0, 1, 13), np.linspace(0, 1, 17), indexing="ij")
    psi = np.sin(np.pi * x) * np.sin(np.pi * y) * (1 + x)
    solid = np.pad(1 - np.asarray(room.fluid), 1)
    psi[(solid[1:, 1:] + solid[1:, :-1] + solid[:-1, 1:] + solid[:-1, :-1]) > 0] = 0
    return jnp.asarray(np.diff(psi, axis=0) / room.hy), jnp.asarray(-np.diff(psi, axis=1) / room.hx)


def test_cut_area_is_the_area_under_a_line() -> None:
    # Against counting points: 400 x 400 of them err by at most about the length of the line over 400.
    points = (np.arange(400) + 0.5) / 400
    area = jax.jit(cut_area)
    for m, d in [(0.5, 0.3), (0.2, 0.1), (0.2, 0.6), (0.7, 0.95), (0.0, 0.25)]:
        counted = np.mean(m * points[:, None] + (1 - m) * points[None] < d)
        assert area(jnp.asarray(m), jnp.asarray(1 - m), jnp.asarray(d)) == pytest.approx(counted, abs=4e-3)


def test_line_constant_inverts_cut_area() -> None:
    m, area = np.meshgrid(np.linspace(0, 1, 21), np.linspace(0, 1, 41))
    d = line_constant(jnp.asarray(m), jnp.asarray(1 - m), jnp.asarray(area))
    assert np.allclose(cut_area(jnp.asarray(m), jnp.asarray(1 - m), d), area, rtol=0, atol=1e-14)


def test_interface_keeps_volume_and_bounds() -> None:
    room = box(solid=True)
    u, v = swirl(room)
    dt = 0.4 / float(jnp.max(jnp.abs(u)) / room.hx + jnp.max(jnp.abs(v)) / room.hy)
    alpha = room.fluid * jnp.asarray(np.linspace(1.5, -0.5, 16)).clip(0, 1)
    start = float(alpha.sum())
    move = jax.jit(lambda alpha, first: advect(alpha, u * dt / room.hx, v * dt / room.hy, room, first).alpha)
    for step in range(200):
        alpha = move(alpha, step % 2 == 0)
    assert float(alpha.sum()) == pytest.approx(start, rel=1e-13)
    assert float(alpha.min()) > -1e-12 and float(alpha.max()) < 1 + 1e-12
    assert 0.05 < float(jnp.mean((alpha > 0.01) & (alpha < 0.99))) < 0.6  # it moved, and it is not smeared out


def test_uniform_velocity_stays_uniform_across_the_interface() -> None:
    room = box(outlet=True)
    u, v = jnp.full((12, 17), 2.0), jnp.zeros((13, 16))
    alpha = jnp.asarray(np.random.default_rng(0).random(SHAPE))
    courant = u * 0.01 / room.hx, v

    @jax.jit
    def step() -> jax.Array:
        swept = advect(alpha, *courant, room, jnp.asarray(True))
        mass = 1.2 * courant[0] + 998.8 * swept.x, 1.2 * courant[1] + 998.8 * swept.y
        return transport(u, v, 1.2 + 998.8 * alpha, mass, courant, room)[0]

    assert np.allclose(step(), 2.0, rtol=1e-13)


def test_friction_of_a_shear_flow_and_its_implicit_limit() -> None:
    room = box(outlet=True)
    y = (np.arange(12) + 0.5) * float(room.hy)
    u = jnp.asarray(np.tile((y * (0.6 - y))[:, None], (1, 17)))
    mu = viscosity(jnp.ones(SHAPE), WATER, room)
    on_u, on_v = jax.jit(friction)(u, jnp.zeros((13, 16)), mu, room)
    # mu d2/dy2 of y (L - y) is -2; the half cell at a wall makes it -2.25 / 1 there: (3 u0 - u1) / h^2 = 2.5 - 0.25.
    assert np.allclose(on_u[1:-1, 1:-1], -2, rtol=1e-10) and np.allclose(on_v[:, 1:-1], 0, atol=1e-10)
    assert np.allclose(on_u[0, 1:-1], -(3 * y[0] * (0.6 - y[0]) - y[1] * (0.6 - y[1])) / room.hy**2, rtol=1e-10)
    # Over an endless step the change balances the force: the flow that f = 2 drives, up to the ends of the box.
    f = 2 * room.free_u, jnp.zeros((13, 16))
    rho = jnp.full((12, 17), 1e-9), jnp.full((13, 16), 1e-9)
    du, _ = jax.jit(respond)(f, rho, mu, room, jnp.asarray(1.0))
    middle = 0.6**2 / 4
    assert 0.9 * middle < float(du[6, 8]) < 1.1 * middle


@pytest.mark.parametrize("outlet", [False, True])
def test_pressure_solver_is_exact_with_an_obstacle(outlet: bool) -> None:
    room = box(solid=True, outlet=outlet)
    solver = PressureSolver(SHAPE, outlet=outlet, dtype=np.float64)
    rng = np.random.default_rng(0)
    u, v = rng.standard_normal((12, 17)) * room.free_u, rng.standard_normal((13, 16)) * room.free_v
    f = divergence(u, v, room)
    links = solver.links(room)

    @jax.jit
    def left() -> jax.Array:
        x, y = gradient(solver.solve(f, solver.factors(room), links), 0.0, room)
        return divergence(u - x, v - y, room)

    assert float(jnp.abs(left()).max()) < 1e-11 * float(jnp.abs(f).max())


def test_overlap_keeps_means() -> None:
    values = np.random.default_rng(0).random((9, 14))
    assert np.allclose(overlap(5, 9).sum(axis=1), 1) and np.allclose(spread(values, (5, 4)).mean(), values.mean())
    fluid = np.ones((9, 14))
    fluid[:3, :7] = 0
    means = cell_means(values, fluid, (3, 2))
    assert means[0, 0] == 0 and means[0, 1] == pytest.approx(values[:3, 7:].mean())
    u, v = to_cells(*to_faces(np.full((3, 4), 2.0), np.full((3, 4), -1.0)))
    assert np.all(u == 2) and np.all(v == -1)


def test_published_obstacles_lie_on_faces() -> None:
    # On the declared grid; elsewhere their faces move to the nearest ones, and doubling the grid moves them again.
    problem = get("dam")
    assert problem.solver is not None
    columns, rows = dict(problem.solver.options)["solve_resolution"]
    assert (columns, rows) == (150, 80)
    for case in problem.sample(subset="geo"):
        solid = np.asarray(layout_of(problem, case, (rows, columns)).fluid) == 0
        width, height = case.parameters["barrier_width"], case.parameters["barrier_height"]
        assert solid.sum() * (1.5 / columns) * (0.4 / rows) == pytest.approx(width * height, rel=1e-12)
        assert solid[0].argmax() == 50 and solid.any(axis=0).sum() == round(width / 0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"projection": "exact"}, "no projection"),
        ({"courant": 0.7}, "courant"),
        ({"air_density": 0.0}, "positive"),
        ({"precision": "float32"}, "float64 only"),
    ],
)
def test_impossible_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build("dam", 16, **options)


def test_problems_that_do_not_fit() -> None:
    with pytest.raises(InputError, match="does not fit problem 'cavity'"):
        build("cavity", 16, solver="two-phase")
