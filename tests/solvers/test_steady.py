"""Steady problems and input fields through `simulate`: shapes, seeds, choice of solver, bad input."""

import numpy as np
import pytest
from sympy import Eq, sin

from sciflow.core.errors import InputError
from sciflow.data.schema import violations
from sciflow.problems import (
    Box,
    Dirichlet,
    Disk,
    Field,
    Neumann,
    Outflow,
    Problem,
    conservation,
    coordinates,
    gaussian_field,
    get,
    laplacian,
)
from sciflow.solvers import build, choose, simulate, solvers
from sciflow.solvers.base import cell_grid
from sciflow.solvers.initial import initial_fields, input_fields, on_grid

t, x, y = coordinates("t x y")
u, a = Field("u")(x, y), Field("a")(x, y)
CLAMPED = {u: {side: Dirichlet(0) for side in ("x-", "x+", "y-", "y+")}}


def _steady(left: object, right: object = 1, **changes: object) -> Problem:
    parts = {"fields": [u], "domain": Box(x=(0, 1), y=(0, 1)), "boundary": CLAMPED, "steady": {u: Eq(left, right)}}
    return Problem(name="steady", **{**parts, **changes})


def test_a_steady_problem_needs_no_times() -> None:
    data = simulate("darcy", cases=3, resolution=16, seed=5)
    assert data.u.dims == ("case", "time", "y", "x") and data.time.values.tolist() == [0.0]
    assert data.a.dims == ("case", "y", "x") and data.a.attrs["role"] == "input"
    assert data.attrs["grid"] == "cells" and violations(data) == []
    assert data.a.dtype == np.float64 == data.u.dtype
    assert simulate("darcy", resolution=16, precision="float32").u.dtype == np.float32


def test_inputs_come_from_the_seed_of_their_case() -> None:
    first, again = (simulate("poisson", cases=3, resolution=16, seed=5) for _ in range(2))
    assert np.array_equal(first.f, again.f) and np.array_equal(first.u, again.u)
    assert not np.array_equal(first.f[0], first.f[1])
    cases = get("poisson").sample(3, seed=5)
    alone = simulate("poisson", cases=cases[2:], resolution=16)
    assert np.array_equal(alone.f[0], first.f[2])
    finer = simulate("poisson", cases=cases, resolution=48).f  # every third centre is one of the coarse grid
    assert finer.values[:, 1::3, 1::3] == pytest.approx(first.f.values, abs=1e-12)


def test_given_inputs_win_and_the_rest_is_drawn() -> None:
    problem = get("shallow-water")
    cases = problem.sample(2, seed=1)
    grid = cell_grid(problem, cases, (8, 8))
    bed = np.zeros((2, 8, 8))
    assert np.array_equal(input_fields(problem, cases, grid, {"b": bed})["b"], bed)
    drawn = initial_fields(problem, cases, grid, 0.0)
    beside = initial_fields(problem, cases, grid, 0.0, {"b": bed})
    assert all(np.array_equal(drawn[name], beside[name]) for name in problem.evolution)
    assert not np.allclose(input_fields(problem, cases, grid)["b"], drawn["h"] - 1), "bed and depth are independent"


def test_expressions_of_inputs_on_a_grid() -> None:
    problem = _steady(-laplacian(u) * 2, inputs={a: x + 2 * y})
    case = problem.sample(1)[0]
    grid = cell_grid(problem, [case], (4, 5))
    values = input_fields(problem, [case], grid)["a"][0]
    assert values == pytest.approx(np.add.outer(2 * grid.axes["y"], grid.axes["x"]))
    symbol = problem.field("a").symbol
    found = on_grid(problem, symbol**2 + problem.space[0], case, grid, 0.0, {"a": values})
    assert found == pytest.approx(values**2 + grid.axes["x"])


def test_solvers_are_chosen_by_the_equations() -> None:
    chosen = {
        name: choose(get(name))[0] for name in ("darcy", "poisson", "helmholtz", "inviscid-burgers", "shallow-water")
    }
    assert chosen == {
        "darcy": "elliptic", "poisson": "elliptic", "helmholtz": "elliptic", "inviscid-burgers": "volume",
        "shallow-water": "shallow-water",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (get("burgers"), "it needs one steady equation for one field"),
        (_steady(-laplacian(u) + u**2), "not linear in 'u'"),
        (_steady(u.diff(x, 2) - u), "no second derivative along y"),
        (_steady(-laplacian(u) + u.diff(x)), "a first derivative along x that is not part of div"),
        (_steady(-laplacian(u) + u.diff(x, y)), "which is not part of div"),
        (_steady(-laplacian(u), a.diff(x), inputs={a: gaussian_field()}), "of an input field"),
        (_steady(-laplacian(u), boundary={u: {"x-": Dirichlet(0)}}), "side 'x\\+' needs"),
        (_steady(-laplacian(u), domain=Box(x=(0, 1), y=(0, 1)) - Disk((0.5, 0.5), 0.1)), "takes a box"),
    ],
)
def test_elliptic_says_what_does_not_fit(problem: Problem, reason: str) -> None:
    with pytest.raises(InputError, match=f"The solver 'elliptic' does not fit .*{reason}"):
        build(problem, 8, solver="elliptic")


def _law(flux: object, evolution: object, **changes: object) -> Problem:
    v = Field("v")(t, x)
    parts = {"conserves": [conservation("mass", v, [flux(v)])], "periodic": ["x"], **changes}
    return Problem(name="law", fields=[v], domain=Box(x=(0, 1)), evolution={v: evolution(v)}, time=(0, 1), **parts)


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (get("darcy"), "an evolution equation for every field"),
        (get("shallow-water"), "input fields"),
        (_law(lambda v: v.diff(x, 2), lambda v: -v.diff(x, 3)), "or derivatives other than -D"),
        (_law(lambda v: -(v.diff(x) ** 3), lambda v: (v.diff(x) ** 3).diff(x)), "or derivatives other than -D"),
        (_law(lambda v: -x * v.diff(x), lambda v: (x * v.diff(x)).diff(x)), "holds places"),
        (
            _law(lambda v: -sin(sin(v)) * v.diff(x), lambda v: (sin(sin(v)) * v.diff(x)).diff(x)),
            "no integral in",
        ),
        (_law(lambda v: v**2, lambda v: -v * v.diff(x)), "not minus the divergence"),
        (_law(lambda v: x * v, lambda v: -(x * v).diff(x)), "holds places"),
        (_law(lambda v: v, lambda v: -v.diff(x), conserves=[]), "no conservation law with the density 'v'"),
        (_law(lambda v: v, lambda v: -v.diff(x), periodic=[]), "on side 'x-'"),
    ],
)
def test_volume_says_what_does_not_fit(problem: Problem, reason: str) -> None:
    with pytest.raises(InputError, match=f"The solver 'volume' does not fit .*{reason}"):
        build(problem, 8, solver="volume")


def _shallow(pressure: object, bed: object = None) -> Problem:
    h, q = Field("h")(t, x), Field("q")(t, x)
    sides = dict.fromkeys(("x-", "x+"), Outflow())
    return Problem(
        name="channel", fields=[h, q], inputs=bed or {}, domain=Box(x=(0, 1)), time=(0, 1),
        evolution={h: -q.diff(x), q: -(q**2 / h).diff(x) + pressure(h, q)}, boundary={h: sides, q: sides},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (get("inviscid-burgers"), "a depth and a momentum along each axis"),
        (get("wave"), "no equation h_t = -div"),
        (_shallow(lambda h, q: -q), "no pressure g h grad"),
        (_shallow(lambda h, q: -9.81 * h * h.diff(x) - q), "besides pressure, transport and bed slope"),
    ],
)
def test_shallow_water_says_what_does_not_fit(problem: Problem, reason: str) -> None:
    with pytest.raises(InputError, match=f"The solver 'shallow-water' does not fit .*{reason}"):
        build(problem, 8, solver="shallow-water")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"options": {"oversample": 2}}, "odd whole number"),
        ({"times": [0, 1]}, "is steady and has one frame"),
        ({"initial": {"a": np.ones((1, 4, 4))}}, "input field 'a' has shape"),
        ({"initial": {"a": np.full((1, 8, 8), np.nan)}}, "'a' holds NaN"),
        ({"initial": {"a": -1.0 + 2 * np.eye(8)[None]}}, "changes sign or vanishes in case 0"),
        ({"initial": {"k": np.ones((1, 8, 8))}}, "'k' is no input field"),
        ({"initial": "exact"}, "no exact solution"),
    ],
)
def test_bad_input_for_steady_problems(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        simulate("darcy", resolution=8, **arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cfl": 0.9}, "at most 0.5"),
        ({"limiter": "superbee"}, "no limiter 'superbee'"),
        ({"oversample": 0}, "at least 1"),
        ({"dt": 0.1}, "no option 'dt'"),
    ],
)
def test_bad_options_of_finite_volumes(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build("inviscid-burgers", 16, **options)


def test_floating_solutions_need_a_gauge_and_balance() -> None:
    free = {side: Neumann(0) for side in ("x-", "x+", "y-", "y+")}
    with pytest.raises(InputError, match="known up to a constant in case 0; fix its mean"):
        simulate(_steady(-laplacian(u), x - 0.5, boundary={u: free}), resolution=8)
    with pytest.raises(InputError, match="do not balance in case 0"):
        simulate(_steady(-laplacian(u), x, boundary={u: {**free, "gauge": 0}}), resolution=8)


def test_solvers_are_registered() -> None:
    assert {"elliptic", "volume", "shallow-water"} <= set(solvers.names())
