"""Residuals of the model: those of `Problem.residual` for any network, none for exact solutions, and free constants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from sciflow.core.errors import InputError
from sciflow.pinn.ansatz import Ansatz
from sciflow.pinn.eulerian import Eulerian
from sciflow.pinn.functions import expression
from sciflow.pinn.model import Model, equations_of, floating, gauged
from sciflow.pinn.settings import Settings
from sciflow.problems import (
    Box,
    Case,
    Dirichlet,
    Disk,
    Field,
    Neumann,
    Parameter,
    Problem,
    Signal,
    coordinates,
    div,
    get,
    grad,
    laplacian,
)

t, x, y = coordinates("t x y")
QUICK = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})  # compiled quickly, run once


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def _system(problem: Problem, **settings: Any) -> Eulerian:
    case = problem.sample(1, 3)[0]
    return Eulerian.of(problem, case, Settings.make({"width": 6, "depth": 2, **settings}))


def _points(system: Eulerian, count: int = 7) -> np.ndarray:
    low, high = np.array(system.model.embedding.bounds).T
    return np.random.default_rng(2).uniform(low, high, (count, len(low))).T


def _large(system: Eulerian) -> Any:
    """Weights whose outputs are not small."""
    weights = system.init(jax.random.key(4))
    weights[-1] = {"w": 20.0 * weights[-1]["w"], "b": weights[-1]["b"] + 0.5}
    return weights


# Orders 1 to 4, one to three dimensions, systems, constraints, steady, walls, signals, drawn and declared starts.
NAMES = [
    "burgers-dirichlet",
    "kdv",
    "kuramoto-sivashinsky",
    "wave",
    "gray-scott",
    "navier-stokes-2d",
    "cavity",
    "cavity-steady",
    "navier-stokes-3d",
]


@pytest.mark.parametrize("name", NAMES)
def test_residual_is_that_of_the_problem(name: str) -> None:
    problem = get(name)
    system = _system(problem)
    model, weights, points = system.model, _large(system), jnp.asarray(_points(system))
    zero = ((0,) * len(points),)

    def net(rows: jax.Array) -> jax.Array:
        fields = model.fields(weights, rows.T, zero, {})
        return jnp.stack([fields[info.name].value[0] for info in problem.fields], axis=1)

    residual = problem.residual("jax")
    expected = QUICK(lambda p: residual(net, p, **model.case.values))(points.T)
    found = QUICK(lambda p: model.residual(weights, p, {}))(points)
    for row, key in zip(found, problem.equations, strict=True):
        size = float(jnp.abs(expected[key]).max())
        assert size > 1e-6
        np.testing.assert_allclose(row, expected[key], rtol=0, atol=1e-10 * size)


EXACT = ["heat-rod", "burgers", "kdv", "schroedinger", "navier-stokes-2d", "helmholtz"]


def _known(problem: Problem, case: Case, fields: Mapping[str, Any]) -> Model:
    """A model whose fields are these expressions, whatever its network."""
    system = Eulerian.of(problem, case, Settings.make({"width": 2, "depth": 1}))
    factors = {info.name: expression(problem, sympy.Integer(0)) for info in problem.fields}
    offsets = {name: expression(problem, written) for name, written in fields.items()}
    ansatz = Ansatz({}, offsets, factors)
    return Model(problem, case, system.model.network, system.model.embedding, ansatz, equations_of(problem))


def _largest(problem: Problem, case: Case, fields: Mapping[str, Any], points: np.ndarray) -> dict[str, float]:
    """The largest term of each equation."""
    known = {problem.field(name).symbol: written for name, written in fields.items()}
    columns = {**problem.values(case.values), **dict(zip([s.name for s in problem.coordinates], points, strict=True))}
    sizes = {}
    for name, equation in problem.equations.items():
        terms = [term.subs(known).doit() for term in sympy.Add.make_args(sympy.expand(equation.doit()))]
        symbols = sorted(set().union(*(term.free_symbols for term in terms)), key=lambda s: s.name)
        values = sympy.lambdify(symbols, terms, "numpy", cse=True)(*(columns[s.name] for s in symbols))
        sizes[name] = max(float(np.abs(value).max()) for value in values)
    return sizes


@pytest.mark.parametrize("name", EXACT)
def test_exact_solutions_have_no_residual(name: str) -> None:
    problem = get(name)
    case = problem.sample(1, 1)[0]
    model = _known(problem, case, problem.exact)
    low, high = np.array(model.embedding.bounds).T
    points = np.random.default_rng(0).uniform(low, high, (9, len(low))).T
    weights = model.network.init(jax.random.key(0), jnp.float64)
    found = QUICK(lambda p: model.residual(weights, p, {}))(jnp.asarray(points))
    sizes = _largest(problem, case, problem.exact, points)
    for row, key in zip(found, problem.equations, strict=True):
        assert float(jnp.abs(row).max()) <= 1e-11 * sizes[key]


def test_manufactured_solution_with_parameters_and_signals() -> None:
    """A source that a signal drives and a diffusivity that is handed in with the points."""
    k, a = Parameter("k", 0.3), Parameter("a", 2.0)
    u = Field("u")(t, x)
    push = Signal("push", a * sympy.cos(t), coefficients=(a,))(t)
    solution = push * x**2  # u_t = -a sin(t) x^2, u_xx = 2 push
    problem = Problem(
        name="driven",
        fields=[u],
        parameters=[k],
        signals=[push],
        domain=Box(x=(0, 1)),
        time=(0, 1),
        evolution={u: k * u.diff(x, 2) - a * sympy.sin(t) * x**2 - 2 * k * push},
        initial={u: solution},
        boundary={u: {"x-": Dirichlet(solution), "x+": Dirichlet(solution)}},
    )
    case = Case(0, 0, {"k": 0.3}, {"a": 1.7})
    system = Eulerian.of(problem, case, Settings.make({"width": 4, "depth": 1}))
    assert not system.conditions
    points = jnp.asarray(_points(system))
    nothing = jax.tree.map(jnp.zeros_like, system.init(jax.random.key(0)))
    # Without the network the ansatz is a x^2 and what carries a (cos(t) - 1) from x = 1 into the domain.
    values = system.model.fields(nothing, points, ((0, 0),), {})["u"].value[0]
    np.testing.assert_allclose(values, 1.7 * (points[1] ** 2 + points[1] * (jnp.cos(points[0]) - 1)), rtol=1e-13)
    model = _known(problem, case, {"u": problem.initial["u"]})
    np.testing.assert_allclose(model.residual(nothing, points, {}), 0, atol=1e-14)
    rows = model.residual(nothing, points, {"k": jnp.full(7, 0.5), "a": 1.7})
    np.testing.assert_allclose(rows, 0, atol=1e-14)
    u_t = -1.7 * jnp.sin(points[0]) * points[1] ** 2
    other = model.residual(nothing, points, {"a": jnp.full(7, 2.0)})[0]  # every term follows
    np.testing.assert_allclose(other, 0, atol=1e-14)
    shifted = model.residual(nothing, points, {}, None, 0.5)[0]
    late = 1.7 * (-jnp.sin(points[0] + 0.5) * points[1] ** 2 - 0.6 * jnp.cos(points[0] + 0.5))
    np.testing.assert_allclose(shifted, u_t - 0.6 * 1.7 * jnp.cos(points[0]) - late, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", ["cavity", "allen-cahn", "burgers"])
def test_single_precision_stays_single(name: str) -> None:
    system = _system(get(name), precision="float32")
    weights = system.init(jax.random.key(0))
    points = jnp.asarray(_points(system), jnp.float32)
    assert jax.eval_shape(lambda p: system.model.residual(weights, p, {}), points).dtype == jnp.float32


def test_problems_without_equations_are_refused() -> None:
    with pytest.raises(InputError, match="'tube' declares no equations"):
        equations_of(get("tube"))


def test_fields_that_are_known_up_to_a_constant() -> None:
    assert floating(get("cavity")) == floating(get("cavity-steady")) == floating(get("navier-stokes-3d")) == {"p": 0.0}
    assert floating(get("navier-stokes-2d")) == {"psi": 0.0}
    assert floating(get("cylinder-dfg")) == {}  # the pressure is prescribed at the outlet
    for name in ("burgers", "heat-rod", "helmholtz", "darcy", "wave"):
        assert floating(get(name)) == {}
    u = Field("u")(x, y)
    sides = {side: Neumann(0) for side in ("x-", "x+", "y-", "y+")}
    settings: dict[str, Any] = {"name": "n", "fields": [u], "domain": Box(x=(0, 1), y=(0, 1))}
    level = Problem(**settings, steady={u: sympy.Eq(laplacian(u), 0)}, boundary={u: {**sides, "gauge": 2.5}})
    assert floating(level) == {"u": 2.5}
    held = Problem(**settings, steady={u: sympy.Eq(laplacian(u), u)}, boundary={u: sides})
    assert floating(held) == {}


def test_free_constants_are_taken_out_at_each_time() -> None:
    """Of a pressure 3 t + x + y^2 in a box with a hole; the velocity stays as it is."""
    velocity, p = Field("velocity", components=("u", "v"))(t, x, y), Field("p")(t, x, y)
    problem = Problem(
        name="flow",
        fields=[velocity, p],
        domain=Box(x=(0, 2), y=(0, 1)) - Disk((1, sympy.Rational(1, 2)), sympy.Rational(3, 10)),
        time=(0, 1),
        evolution={velocity: -grad(p) + laplacian(velocity)},
        constraints={p: sympy.Eq(div(velocity), 0)},
        boundary={p: {"gauge": 7}},
    )
    fields = gauged(problem, Case(0, 0), lambda q: {"u": q[1], "v": q[2], "p": 3 * q[0] + q[1] + q[2] ** 2 + 40})
    points = np.array([[0.0, 0.5, 0.0, 0.5, 1.0], [0.1, 0.2, 1.9, 0.2, 0.4], [0.1, 0.9, 0.3, 0.0, 0.5]])
    found = fields(points)
    np.testing.assert_array_equal(found["u"], points[1])
    hole = np.pi * 0.09
    mean = 1 + (2 * 1 / 3 - hole * (0.25 + 0.09 / 4)) / (2 - hole)  # of x + y^2 over the domain
    np.testing.assert_allclose(found["p"], points[1] + points[2] ** 2 - mean + 7, rtol=0, atol=2e-3)
    assert gauged(get("burgers"), Case(0, 0), fields) is fields


@pytest.mark.parametrize(("name", "field"), [("cavity-steady", "p"), ("navier-stokes-2d", "psi")])
def test_free_constants_of_whole_solutions(name: str, field: str) -> None:
    problem = get(name)
    system = _system(problem)
    weights = _large(system)
    fields = gauged(problem, system.model.case, system.fields(weights))
    low, high = np.array(system.model.embedding.bounds).T
    places = low[:, None] + (high - low)[:, None] * np.random.default_rng(0).random((len(low), 4000))
    if problem.t is not None:
        places[0] = 0.3
    free = fields(places)[field]
    raw = system.fields(weights)(places)[field]
    assert abs(raw.mean()) > 0.1
    assert abs(free.mean()) < 5 * raw.std() / np.sqrt(4000)
    np.testing.assert_allclose(free - free[0], raw - raw[0], rtol=0, atol=1e-12)
