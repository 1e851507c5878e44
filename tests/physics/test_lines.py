"""The method of lines against manufactured solutions (order up to the walls), SciPy and py-pde."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import sympy
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicSpline
from sympy import cos, exp, sin

from sciflow.problems import Box, Dirichlet, Field, Neumann, Parameter, Problem, Robin, coordinates
from sciflow.problems.compile import numeric
from sciflow.solvers import simulate

t, x, y = coordinates("t x y")
EXACT = {"accuracy": 4, "method": "explicit", "rtol": 1e-11, "atol": 1e-12}


def condition(kind: type, exact: sympy.Expr, axis: sympy.Symbol, out: int) -> Dirichlet | Neumann | Robin:
    """What an exact solution satisfies on a side; the Robin coefficients are those of Biot number 3/2."""
    if kind is Dirichlet:
        return Dirichlet(exact)
    slope = out * exact.diff(axis)
    return Neumann(slope) if kind is Neumann else Robin(3 * exact + 2 * slope, a=3, b=2)


def walls(kinds: dict[str, type], exact: sympy.Expr) -> dict[str, Dirichlet | Neumann | Robin]:
    axes = {"x": x, "y": y}
    return {side: condition(kind, exact, axes[side[0]], 1 if side[1] == "+" else -1) for side, kind in kinds.items()}


def manufactured(exact: dict, operator: Callable, kinds: dict, **settings: object) -> Problem:
    """A problem that the given fields solve: what they lack becomes a source, their values the conditions."""
    right = dict(zip(exact, operator(*exact), strict=True))
    lacking = {field: exact[field].diff(t) - e.subs(exact, simultaneous=True).doit() for field, e in right.items()}
    evolution = {field: e + lacking[field] for field, e in right.items()}
    boundary = {field: walls(kinds[field], solution) for field, solution in exact.items()}
    return Problem(
        name="manufactured", fields=list(exact), evolution=evolution, boundary=boundary, exact=exact, **settings
    )


def largest_error(problem: Problem, resolution: int, times: list[float], **options: object) -> float:
    """Over all fields and nodes, the walls included, at the last time."""
    data = simulate(problem, resolution=resolution, times=times, initial="exact", options=options).isel(case=0, time=-1)
    mesh = np.meshgrid(*(data[axis].values for axis in problem.axes), indexing="ij")
    dims = problem.axes
    return max(
        float(
            np.abs(data[name].transpose(*dims).values - numeric([t, *problem.space], solution)(times[-1], *mesh)).max()
        )
        for name, solution in problem.exact.items()
    )


def measured_order(problem: Problem, accuracy: int, sizes: tuple[int, int], times: list[float]) -> float:
    errors = [largest_error(problem, n, times, **{**EXACT, "accuracy": accuracy}) for n in sizes]
    return float(np.log(errors[0] / errors[1]) / np.log((sizes[1] - 1) / (sizes[0] - 1)))


# Every grid is compiled anew, which takes longer than the run: the accuracy that is not the default is slow.
@pytest.mark.parametrize("accuracy", [pytest.param(2, marks=pytest.mark.slow), 4])
def test_order_in_1d_with_all_conditions(accuracy: int) -> None:
    """Three coupled fields between Dirichlet (in time), Neumann and Robin walls, each on either side."""
    u, v, w = (Field(name)(t, x) for name in "uvw")
    exact = {u: sin(2 * x + 3 * t), v: 1 + cos(3 * x - t) / 2, w: exp(-t) * sin(x + sympy.Rational(2, 5)) + x**2}
    kinds = {
        u: {"x-": Dirichlet, "x+": Neumann}, v: {"x-": Neumann, "x+": Robin}, w: {"x-": Robin, "x+": Dirichlet},
    }  # fmt: skip

    def operator(u: sympy.Expr, v: sympy.Expr, w: sympy.Expr) -> list[sympy.Expr]:
        return [u.diff(x, 2) - u * u.diff(x) + w, (v * v.diff(x)).diff(x) + u, w.diff(x, 2) / 2 - v * w]

    problem = manufactured(exact, operator, kinds, domain=Box(x=(0, sympy.Rational(3, 2))))
    assert measured_order(problem, accuracy, (17, 33), [0.0, 0.2]) > accuracy - 0.25


@pytest.mark.parametrize("accuracy", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_order_in_2d_with_all_conditions_and_a_mixed_derivative(accuracy: int) -> None:
    u, v = (Field(name)(t, x, y) for name in "uv")
    exact = {u: sin(2 * x + t) * cos(y - t) + x * y, v: cos(x + 2 * y) * exp(-t)}
    kinds = {
        u: {"x-": Dirichlet, "x+": Neumann, "y-": Robin, "y+": Dirichlet},
        v: {"x-": Neumann, "x+": Neumann, "y-": Robin, "y+": Neumann},
    }

    def operator(u: sympy.Expr, v: sympy.Expr) -> list[sympy.Expr]:
        diffusion = u.diff(x, 2) + u.diff(y, 2) + u.diff(x, y) / 2
        return [diffusion - v * u.diff(y), v.diff(x, 2) + v.diff(y, 2) + u * v]

    problem = manufactured(exact, operator, kinds, domain=Box(x=(0, 1), y=(0, sympy.Rational(5, 4))))
    assert measured_order(problem, accuracy, (13, 25), [0.0, 0.05]) > accuracy - 0.25


def channel() -> Problem:
    u = Field("u")(t, x, y)
    return manufactured(
        {u: sin(2 * x + t) * cos(2 * sympy.pi * y)}, lambda u: [u.diff(x, 2) + u.diff(y, 2) / 10 - u * u.diff(y)],
        {u: {"x-": Neumann, "x+": Dirichlet}}, domain=Box(x=(0, 1), y=(0, 1)), periodic=["y"],
    )  # fmt: skip


def test_channel_that_is_periodic_along_y() -> None:
    # Of u_yy / 10 and u u_y fourth-order differences miss (2 pi h)^4 (4 pi^2 / 900 + pi / 30), here over 0.05.
    assert largest_error(channel(), 16, [0.0, 0.05], **EXACT) < 0.15 * 0.05 * (2 * np.pi / 16) ** 4


@pytest.mark.slow
def test_order_in_a_channel() -> None:
    # The spacing along y is 1/n: its ratio is 2, that along x 31/15.
    errors = [largest_error(channel(), n, [0.0, 0.05], **EXACT) for n in (16, 32)]
    assert np.log2(errors[0] / errors[1]) > 3.75


def inflow() -> Problem:
    """u(t, x) = s(x - t) enters at x = 0; the right side has no condition."""
    u = Field("u")(t, x)
    shape = exp(sin(4 * (x - t)))
    return Problem(
        name="inflow", fields=[u], domain=Box(x=(0, 1)), evolution={u: -u.diff(x)},
        boundary={u: {"x-": Dirichlet(shape)}}, exact={u: shape},
    )  # fmt: skip


def test_advection_leaves_through_a_side_without_condition() -> None:
    assert largest_error(inflow(), 65, [0.0, 2.0], **EXACT) < 5e-5  # time enough to cross twice


@pytest.mark.slow
def test_order_of_advection() -> None:
    errors = [largest_error(inflow(), n, [0.0, 2.0], **EXACT) for n in (33, 65)]
    assert np.log2(errors[0] / errors[1]) > 3.5


def test_burgers_between_walls_against_scipy() -> None:
    """The same differences written out by hand: what is left is the error of either time stepping."""
    nu, n, times = 0.05, 65, [0.0, 0.13, 0.4, 1.0]
    data = simulate("burgers-dirichlet", nu=nu, resolution=n, times=times, options={"accuracy": 2, "rtol": 1e-9})
    h = 2 / (n - 1)
    nodes = np.linspace(-1, 1, n)

    def rate(_: float, inner: np.ndarray) -> np.ndarray:
        u = np.concatenate([[0.0], inner, [0.0]])
        slope, bend = (u[2:] - u[:-2]) / (2 * h), (u[2:] - 2 * u[1:-1] + u[:-2]) / h**2
        return -u[1:-1] * slope + nu * bend

    expected = solve_ivp(rate, (0, 1), -np.sin(np.pi * nodes[1:-1]), "Radau", times, rtol=1e-9, atol=1e-11).y.T
    assert np.abs(data.u.values[0, :, 1:-1] - expected).max() < 1e-7
    assert np.all(data.u.values[0, :, [0, -1]] == 0)


def test_heat_rod_against_scipy_in_both_time_methods() -> None:
    """Neumann and Robin ends: u'' at an end from u, u' and the two nearest nodes."""
    kappa, mu, n, times = 0.5, 1.1, 41, [0.0, 0.05, 0.5]
    nodes = np.linspace(0, 1, n)
    h, start = 1 / (n - 1), 1 + 0.5 * np.cos(2 * np.pi * nodes) + nodes**2

    def rate(_: float, u: np.ndarray) -> np.ndarray:
        bend = np.empty(n)
        bend[1:-1] = (u[2:] - 2 * u[1:-1] + u[:-2]) / h**2
        bend[0] = (-3.5 * u[0] + 4 * u[1] - 0.5 * u[2]) / h**2
        outward = -mu * np.tan(mu) * u[-1]
        bend[-1] = (-3.5 * u[-1] + 4 * u[-2] - 0.5 * u[-3]) / h**2 + 3 * outward / h
        return kappa * bend

    expected = solve_ivp(rate, (0, 0.5), start, "Radau", times, rtol=1e-9, atol=1e-11).y.T
    for method in ("explicit", "implicit"):
        data = simulate(
            "heat-rod", kappa=kappa, mu=mu, resolution=n, times=times, initial={"u": start[None]},
            options={"accuracy": 2, "method": method},
        )  # fmt: skip
        assert data.attrs["time_method"] == method
        # rtol 1e-7 of a step, a hundred steps; the solution is of size 2.
        assert np.abs(data.u.values[0] - expected).max() < 1e-6


@pytest.mark.slow  # py-pde compiles for half a minute; the agreement with SciPy above is the quick guard
def test_reaction_diffusion_against_py_pde() -> None:
    pde = pytest.importorskip("pde")
    u = Field("u")(t, x)
    D = Parameter("D", 0.02)
    problem = Problem(
        name="front", fields=[u], parameters=[D], domain=Box(x=(0, 2)), evolution={u: D * u.diff(x, 2) + u - u**3},
        initial={u: cos(sympy.pi * x / 2) ** 2},
        boundary={u: {"x-": Dirichlet(1), "x+": Neumann(sympy.Rational(1, 4))}},
    )  # fmt: skip
    ours = simulate(problem, resolution=129, times=[0.0, 1.0]).u.values[0, -1]
    grid = pde.CartesianGrid([(0, 2)], 256)
    start = pde.ScalarField(grid, np.cos(np.pi * grid.axes_coords[0] / 2) ** 2)
    sides = {"x-": {"value": 1}, "x+": {"derivative": 0.25}}
    theirs = pde.PDE({"u": "0.02 * laplace(u) + u - u**3"}, bc=sides).solve(
        start, t_range=1.0, solver="scipy", backend="numpy", tracker=None, rtol=1e-8, atol=1e-9
    )
    # Second-order cells: error (2 / 256)^2 |u''''| / 12, some 1e-5.
    difference = CubicSpline(np.linspace(0, 2, 129), ours)(grid.axes_coords[0]) - theirs.data
    assert np.abs(difference).max() < 1e-4
