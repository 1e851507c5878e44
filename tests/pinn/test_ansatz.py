"""Conditions that the ansatz holds, whatever the network: at random points of problems of every kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from scipy.integrate import quad

from sciflow.core.errors import InputError
from sciflow.pinn.ansatz import Ansatz, ansatz_of, start_of
from sciflow.pinn.embedding import Embedding
from sciflow.pinn.networks import Network
from sciflow.pinn.series import Series, closed
from sciflow.problems import (
    Box,
    Case,
    Dirichlet,
    Field,
    Neumann,
    Outflow,
    Parameter,
    Problem,
    Robin,
    Signal,
    coordinates,
    get,
    laplacian,
    profile,
)

t, x, y = coordinates("t x y")
u, v = Field("u")(t, x), Field("v")(t, x)
plane = Field("u")(t, x, y)
k = Parameter("k", 0.5, 0.1, 1.0)
Orders = tuple[tuple[int, ...], ...]


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def _case(problem: Problem, **values: float) -> Case:
    return problem.sample(1, 3, None, **{**problem.values(), **values})[0]


def _ends(problem: Problem, case: Case, time: tuple[float, float] | None) -> dict[str, tuple[float, float]]:
    return {**({} if time is None else {"t": time}), **problem.bounds(case.parameters)}


def _points(problem: Problem, case: Case, count: int = 12, **fixed: float) -> dict[str, Any]:
    random = np.random.default_rng(5)
    ends = _ends(problem, case, problem.time if problem.t is not None else None)
    rows = {name: np.full(count, fixed[name]) if name in fixed else random.uniform(*ends[name], count) for name in ends}
    return {**problem.values(case.values), **{name: jnp.asarray(row) for name, row in rows.items()}}


def _fields(
    problem: Problem, case: Case, ansatz: Ansatz, values: Mapping[str, Any], orders: Orders
) -> dict[str, Series]:
    """The ansatz around a network with large outputs."""
    ends = _ends(problem, case, problem.time if problem.t is not None else None)
    embedding = Embedding(tuple(ends), tuple(ends.values()), problem.periodic)
    network = Network(embedding.rows, len(problem.fields), 8, 1)
    weights = network.init(jax.random.key(0), jnp.float64)
    weights[-1] = {"w": 30.0 * weights[-1]["w"], "b": weights[-1]["b"] + 3.0}
    return ansatz(values, orders, network(weights, embedding(values, orders)))


def _zero(problem: Problem) -> Orders:
    return ((0,) * len(problem.coordinates),)


def _expected(problem: Problem, written: Any, values: Mapping[str, Any]) -> np.ndarray:
    expression = sympy.sympify(problem.drive(written))
    symbols = sorted(expression.free_symbols, key=lambda s: s.name)
    found = sympy.lambdify(symbols, expression, "numpy")(*(np.asarray(values[s.name]) for s in symbols))
    return np.broadcast_to(found, 12)


def _side(problem: Problem, case: Case, side: str) -> dict[str, float]:
    low, high = problem.bounds(case.parameters)[side[:-1]]
    return {side[:-1]: low if side.endswith("-") else high}


HELD = ["burgers-dirichlet", "fisher-kpp", "wave", "helmholtz", "cavity-steady", "cavity", "cylinder-dfg"]


@pytest.mark.parametrize("name", HELD)
def test_prescribed_values_are_met_exactly_or_left_to_the_loss(name: str) -> None:
    problem = get(name)
    case = _case(problem)
    ansatz = ansatz_of(problem, case, problem.time if problem.t is not None else None)
    left = {(soft.field, soft.side) for soft in ansatz.soft}
    checked = 0
    for field, sides in problem.boundary.items():
        for side, condition in sides.items():
            if side == "gauge" or (field, side) in left:
                continue
            assert isinstance(condition, Dirichlet)
            values = _points(problem, case, **_side(problem, case, side))
            found = _fields(problem, case, ansatz, values, _zero(problem))[field].value[0]
            np.testing.assert_allclose(found, _expected(problem, condition.value[0], values), rtol=0, atol=1e-12)
            checked += 1
    inside = _fields(problem, case, ansatz, _points(problem, case), _zero(problem))
    assert all(np.abs(series.value).max() > 0.05 for series in inside.values())
    declared = sum(len([s for s in sides if s != "gauge"]) for sides in problem.boundary.values())
    assert checked == declared - len(left)
    assert checked >= {"cavity": 7, "cavity-steady": 7, "cylinder-dfg": 7, "wave": 4, "helmholtz": 4}.get(name, 2)


def test_what_is_left_to_the_loss() -> None:
    def left(name: str) -> set[tuple[str, str]]:
        problem = get(name)
        ansatz = ansatz_of(problem, _case(problem), problem.time if problem.t is not None else None)
        return {(soft.field, soft.side) for soft in ansatz.soft}

    assert left("burgers-dirichlet") == left("fisher-kpp") == left("helmholtz") == left("burgers") == set()
    assert left("cavity") == left("cavity-steady") == {("u", "y+")}  # the lid meets walls at rest
    assert left("heat-rod") == {("u", "x-"), ("u", "x+")}  # slopes
    flow = {("u", "x+"), ("v", "x+"), ("u", "obstacle"), ("v", "obstacle")}
    assert left("cylinder-dfg") == flow
    assert left("cylinder") == flow | {("u", "y-"), ("u", "y+")}  # the inflow meets walls at rest


@pytest.mark.parametrize(
    "name", ["burgers", "gray-scott", "wave-2d", "heat-rod", "fisher-kpp", "schroedinger", "cavity"]
)
def test_starts_are_met_exactly(name: str) -> None:
    problem = get(name)
    assert problem.time is not None
    case = _case(problem)
    ansatz = ansatz_of(problem, case, problem.time)
    values = _points(problem, case, t=problem.time[0])
    found = _fields(problem, case, ansatz, values, _zero(problem))
    later = _fields(problem, case, ansatz, _points(problem, case), _zero(problem))
    for field in problem.evolution:
        wanted = start_of(problem, case, field, problem.time)(values, _zero(problem)).value
        np.testing.assert_allclose(found[field].value, wanted, rtol=0, atol=1e-12)
        assert np.abs(later[field].value - wanted).max() > 0.05
        declared = problem.initial.get(field, sympy.Integer(0))
        if isinstance(declared, sympy.Expr):
            np.testing.assert_allclose(wanted[0], _expected(problem, declared, values), rtol=0, atol=1e-12)
        else:
            grid = {axis: np.asarray(values[axis]) for axis in problem.axes}
            bounds = problem.bounds(case.parameters)
            stream = list(problem.evolution).index(field)
            drawn = declared.sample(case.rng(stream), grid, bounds, problem.periodic)
            diagonal = drawn[tuple(np.arange(12) for _ in problem.axes)]
            np.testing.assert_allclose(wanted[0], diagonal, rtol=0, atol=1e-9)


def _rod(boundary: Mapping[str, Any], start: Any, **changes: Any) -> Problem:
    settings = {"domain": Box(x=(2, 5)), "time": (0, 1)} | changes
    return Problem(
        name="rod",
        fields=[u],
        parameters=[k],
        evolution={u: k * u.diff(x, 2)},
        initial={u: start},
        boundary={u: boundary},
        **settings,
    )


def test_values_that_vary_in_time_are_carried_into_the_domain() -> None:
    left, right = sympy.sin(3 * t) + 2 * k, 25 * sympy.exp(-t) * k
    problem = _rod({"x-": Dirichlet(left), "x+": Dirichlet(right)}, k * x**2 - 2 * k)
    case = _case(problem)
    ansatz = ansatz_of(problem, case, (0, 1))
    assert [soft.side for soft in ansatz.soft] == ["x+"]  # 25 k at first, where the start has 23 k
    for place, wanted in ((2.0, left), (None, None)):
        values = _points(problem, case, **({"x": place} if place else {"t": 0.0}))
        found = _fields(problem, case, ansatz, values, _zero(problem))["u"].value[0]
        written = wanted if place else k * x**2 - 2 * k
        np.testing.assert_allclose(found, _expected(problem, written, values), rtol=0, atol=1e-12)


@pytest.mark.parametrize("condition", [Neumann(0), Robin(1, a=2, b=3), Outflow()])
def test_slopes_are_left_to_the_loss_beside_values_that_are_held(condition: Any) -> None:
    problem = _rod({"x-": Dirichlet(0), "x+": condition}, x - 2)
    ansatz = ansatz_of(problem, _case(problem), (0, 1))
    assert [(soft.field, soft.side, soft.condition) for soft in ansatz.soft] == [
        ("u", "x+", problem.boundary["u"]["x+"])
    ]
    end = _fields(problem, _case(problem), ansatz, _points(problem, _case(problem), x=5.0), _zero(problem))["u"].value
    assert np.abs(end - 3).max() > 0.1  # free to move


def test_comparisons_are_made_inside_the_domain_and_at_its_scale() -> None:
    """What vanishes for x in [0, 1] need not vanish here, and what is small need not be nothing."""
    bump = sympy.exp(-20 * (x - 4) ** 2) + 1e-13 * (x - 2)
    far = Problem(
        name="far",
        fields=[plane],
        domain=Box(x=(2, 5), y=(0, 1)),
        time=(0, 1),
        evolution={plane: laplacian(plane)},
        boundary={plane: {"y-": Dirichlet(bump), "x-": Dirichlet(0)}},
    )
    assert {soft.side for soft in ansatz_of(far, _case(far), (0, 1)).soft} == {"y-"}
    tiny = _rod({"x-": Dirichlet(3e-12), "x+": Dirichlet(0)}, 1e-12 * (5 - x))
    assert not ansatz_of(tiny, _case(tiny), (0, 1)).soft
    wrong = _rod({"x-": Dirichlet(5e-12), "x+": Dirichlet(0)}, 1e-12 * (5 - x))
    assert [soft.side for soft in ansatz_of(wrong, _case(wrong), (0, 1)).soft] == ["x-"]


def test_a_start_that_follows_a_signal_is_taken_at_the_beginning() -> None:
    beat = Parameter("beat", 2.0)
    inlet = Signal("inlet", 1 + t * beat, coefficients=(beat,))(t)
    problem = Problem(
        name="channel",
        fields=[plane],
        signals=[inlet],
        domain=Box(x=(0, 1), y=(0, 1)),
        time=(0.5, 1),
        evolution={plane: laplacian(plane)},
        initial={plane: inlet},
        boundary={plane: {"x-": Dirichlet(inlet)}},
    )
    case = _case(problem)
    ansatz = ansatz_of(problem, case, (0.5, 1.0))
    assert [soft.side for soft in ansatz.soft] == ["x-"]  # 1 + 2 t, not the 2 that the start holds
    values = _points(problem, case)
    np.testing.assert_allclose(start_of(problem, case, "u", (0.5, 1.0))(values, _zero(problem)).value, 2.0, rtol=1e-15)


def test_soft_conditions_only() -> None:
    problem = get("burgers-dirichlet")
    ansatz = ansatz_of(problem, _case(problem), problem.time, hard=False)
    assert {(soft.field, soft.side) for soft in ansatz.soft} == {("u", "x-"), ("u", "x+"), ("u", "t-")}
    outputs = Series.constant(_zero(problem), jnp.full((1, 12), 0.7))
    found = ansatz(_points(problem, _case(problem)), _zero(problem), outputs)["u"].value
    np.testing.assert_array_equal(found, np.full((1, 12), 0.7))


def test_systems_keep_the_order_of_their_fields() -> None:
    problem = Problem(
        name="pair",
        fields=[u, v],
        domain=Box(x=(0, 1)),
        periodic=["x"],
        time=(0, 2),
        evolution={v: u, u: v},
        initial={u: 1, v: 2},
    )
    outputs = Series.constant(_zero(problem), jnp.array([[10.0] * 12, [20.0] * 12]))
    values = _points(problem, _case(problem), t=1.0)
    found = ansatz_of(problem, _case(problem), problem.time)(values, _zero(problem), outputs)
    assert list(found) == ["u", "v"]
    np.testing.assert_allclose(found["u"].value, 1 + 10 / 2)
    np.testing.assert_allclose(found["v"].value, 2 + 20 / 2)


def test_a_known_start_takes_the_place_of_the_declared_one() -> None:
    problem = get("burgers-dirichlet")
    case = _case(problem)
    ansatz, values = ansatz_of(problem, case, problem.time), _points(problem, case, t=0.0)
    start = {"u": Series.constant(_zero(problem), jnp.full((1, 12), 0.25))}
    outputs = Series.constant(_zero(problem), jnp.ones((1, 12)))
    np.testing.assert_array_equal(ansatz(values, _zero(problem), outputs, start)["u"].value, np.full((1, 12), 0.25))


SEAM = ["allen-cahn", "reaction-diffusion"]


@pytest.mark.parametrize("name", SEAM)
def test_kinks_where_the_period_closes_spread_as_heat(name: str) -> None:
    """The layers solve u_t = D u_xx, and the slope is continuous at all times but the first."""
    problem = get(name)
    case = _case(problem, **({"D": 1e-2} if name == "allen-cahn" else {}))
    diffusivity = case.parameters["D" if name == "allen-cahn" else "nu"]
    low, high = problem.bounds(case.parameters)["x"]
    start, orders = start_of(problem, case, "u", (0.0, 1.0)), closed([(1, 0), (0, 2)])

    def at(moment: float, places: list[float]) -> Series:
        rows = {"t": jnp.full(len(places), moment), "x": jnp.array(places)}
        return start({**problem.values(case.values), **rows}, orders)

    places = np.linspace(low, high, 9)
    first, later = at(0.0, places.tolist()), at(0.3, places.tolist())
    bare = [_declared(problem, case, places, order) for order in (0, 2)]
    np.testing.assert_allclose(first.value[0], bare[0], rtol=0, atol=1e-6)
    assert abs(float(later.value[0, 0]) - bare[0][0]) > 1e-4
    for series in (later.value[0], later.derivative((0, 1))[0]):
        np.testing.assert_allclose(series[0], series[-1], rtol=0, atol=1e-10)
    layers = later.derivative((0, 2))[0] - bare[1]
    np.testing.assert_allclose(later.derivative((1, 0))[0], diffusivity * layers, rtol=1e-9, atol=1e-12)


def _declared(problem: Problem, case: Case, places: np.ndarray, order: int) -> np.ndarray:
    """A derivative of the declared start."""
    values = {info.symbol: case.values[info.name] for info in problem.parameters}
    return sympy.lambdify(problem.space, problem.initial["u"].diff(x, order).subs(values), "numpy")(places)


def test_a_kink_spreads_by_the_mean_over_normal_steps() -> None:
    """d - d^2 / 2 on both sides of the seam of [0, 2]: A = E|d + sigma Z| - d^2 / 2 within the reach of one seam."""
    problem = _rod({}, x - x**2 / 2, domain=Box(x=(0, 2)), periodic=["x"])
    case = _case(problem, k=0.01)
    values = {**problem.values(case.values), "t": jnp.full(3, 0.5), "x": jnp.array([0.0, 0.07, 1.9])}
    found = start_of(problem, case, "u", (0.0, 1.0))(values, _zero(problem)).value[0]
    sigma = np.sqrt(2 * 0.01 * 0.5)
    for place, value in zip([0.0, 0.07, -0.1], found, strict=True):

        def density(z: float, d: float = place) -> float:
            return abs(d + sigma * z) * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)

        expected = quad(density, -8, 8, points=[-place / sigma])[0] - place**2 / 2
        assert value == pytest.approx(expected, rel=1e-8)


def _ring(evolution: Any, start: Any) -> Problem:
    return Problem(
        name="ring",
        fields=[u],
        parameters=[k],
        domain=Box(x=(0, 2)),
        periodic=["x"],
        time=(0, 1),
        evolution={u: evolution},
        initial={u: start},
    )


@pytest.mark.parametrize(
    ("evolution", "start", "held"),
    [
        (k * u, x, True),  # no derivative in space: a jump stays where it is
        (-k * u.diff(x), x * (2 - x), True),  # continuous, which is what the first order asks for
        (-k * u.diff(x), x, False),
        (k * u.diff(x, 2), x * (2 - x), True),
        (k * u.diff(x, 2), x, False),
        (-u.diff(x, 2), x * (2 - x), False),  # does not diffuse
        (u * u.diff(x, 2), x * (2 - x), False),
        (-u.diff(x, 3), x**2 * (2 - x) ** 2, True),
        (-u.diff(x, 3), x * (2 - x), False),
        (-u.diff(x, 4), x**2 * (2 - x) ** 2, False),  # the third derivative jumps
        (-u.diff(x, 4), sympy.cos(sympy.pi * x), True),
    ],
)
def test_starts_that_the_equation_cannot_keep_are_left_to_the_loss(evolution: Any, start: Any, held: bool) -> None:
    problem = _ring(evolution, start)
    ansatz = ansatz_of(problem, _case(problem), problem.time)
    assert [(soft.field, soft.side) for soft in ansatz.soft] == ([] if held else [("u", "t-")])
    assert ("u" in ansatz.starts) == held
    if not held:
        outputs = Series.constant(_zero(problem), jnp.full((1, 12), 0.7))
        found = ansatz(_points(problem, _case(problem)), _zero(problem), outputs)["u"].value
        np.testing.assert_array_equal(found, np.full((1, 12), 0.7))


def test_rough_draws_name_the_problem() -> None:
    tent = Problem(
        name="tent",
        fields=[u],
        domain=Box(x=(0, 2)),
        periodic=["x"],
        time=(0, 1),
        evolution={u: u.diff(x, 2)},
        initial={u: profile("tent")},
    )
    with pytest.raises(InputError, match="'tent' is not smooth"):
        ansatz_of(tent, _case(tent), tent.time)
