"""The split into transport and the rest: what is refused, and derivatives in space through a known map."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from sciflow.core.errors import InputError
from sciflow.pinn.lagrangian import Frame, needed_orders, transport_of
from sciflow.pinn.series import Series, closed, exp, product_of, sin_cos
from sciflow.problems import Box, Field, Parameter, Problem, Signal, coordinates, gaussian_field, get, laplacian

t, x, y = coordinates("t x y")
u, v = Field("u")(t, x), Field("v")(t, x)
plane = Field("w")(t, x, y)
a = Field("a")(x)
k, c, d = Parameter("k", 0.1), Parameter("c", 2.0), Parameter("d", 3.0)


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def _problem(evolution: Any, characteristic: Any, **changes: Any) -> Problem:
    fields = list(evolution)
    flat = {"domain": Box(x=(0, 1)), "periodic": ["x"]}
    box = {"domain": Box(x=(0, 1), y=(0, 1)), "periodic": ["x", "y"]} if plane in fields else flat
    settings = {"name": "p", "fields": fields, "parameters": [k, c, d], "time": (0, 1), **box, **changes}
    return Problem(evolution=evolution, characteristic=characteristic, **settings)


def _source(transport: Any, values: dict[tuple[str, tuple[int, ...]], float], **symbols: float) -> list[float]:
    compiled = transport.sources
    return compiled.function(
        *(values[item] for item in compiled.derivatives), *(symbols[name] for name in compiled.symbols)
    )


def test_a_nonlinear_velocity_leaves_the_diffusion() -> None:
    transport = transport_of(get("burgers"))
    assert transport.sources.derivatives == (("u", (0, 2)),)
    assert _source(transport, {("u", (0, 2)): 3.0}, nu=0.5) == [1.5]
    assert str(transport.velocity["x"]) == "u(t, x)"
    assert needed_orders(transport) == [(1, 0), (0, 0), (0, 1), (0, 2)]


def test_conservative_forms_and_signals_are_taken_apart() -> None:
    amplitude = Parameter("amplitude", 1.5)
    wind = Signal("wind", amplitude * sympy.sin(t), coefficients=(amplitude,))(t)
    flux = wind * u + u**2 / 2 - k * u.diff(x)
    problem = _problem({u: -flux.diff(x) + c * u}, {x: wind + u}, signals=[wind])
    transport = transport_of(problem)
    values = {("u", (0, 0)): 0.7, ("u", (0, 2)): 3.0}
    assert dict.fromkeys(transport.sources.derivatives) == dict.fromkeys(values)
    assert _source(transport, values, k=0.1, c=2.0) == [pytest.approx(0.3 + 1.4)]
    assert transport.speeds.symbols == ("amplitude", "t")
    assert transport.speeds.function(0.7, 1.5, 0.4)[0] == pytest.approx(0.7 + 1.5 * np.sin(0.4))


def test_two_axes_and_systems_that_one_velocity_carries() -> None:
    moved = _problem({plane: -c * plane.diff(x) - d * plane.diff(y) + k * laplacian(plane)}, {x: c, y: d})
    transport = transport_of(moved)
    assert set(transport.sources.derivatives) == {("w", (0, 2, 0)), ("w", (0, 0, 2))}
    orders = needed_orders(transport)
    assert len(orders) == len(set(orders)) == 7
    assert set(orders) == {(1, 0, 0), *((0, i, j) for i in range(3) for j in range(3) if i + j <= 2)}
    pair = transport_of(_problem({u: -c * u.diff(x) + u * v, v: -c * v.diff(x) - v}, {x: c}))
    assert _source(pair, {("u", (0, 0)): 2.0, ("v", (0, 0)): 5.0}) == [10.0, -5.0]


def test_transport_without_sources_needs_the_jacobian_alone() -> None:
    transport = transport_of(get("advection"))
    assert transport.sources.derivatives == ()
    assert needed_orders(transport) == [(1, 0), (0, 0), (0, 1)]
    assert needed_orders(transport_of(get("kuramoto-sivashinsky")))[-1] == (0, 4)


REFUSED = [
    (
        _problem({u: -c * u.diff(x), v: -d * v.diff(x)}, {x: c}),
        "'v' of 'p' is carried along x .* \\(the difference is -?c",
    ),
    (_problem({plane: -c * plane.diff(x) - d * plane.diff(y)}, {x: c, y: c}), "'w' of 'p' is carried along y"),
    (_problem({u: k * u.diff(x, 2)}, {}), "declares no characteristic velocity along x; add characteristic={x: ...}"),
    (_problem({plane: -c * plane.diff(x)}, {x: c}), "no characteristic velocity along y"),
    (
        _problem({u: -a * u.diff(x)}, {x: a}, inputs={a: gaussian_field()}),
        "'p' has input fields. Use the method 'pinn'",
    ),
    (get("navier-stokes-2d"), "'navier-stokes-2d' has constraints"),
    (get("helmholtz"), "'helmholtz' is steady"),
    (get("tube"), "'tube' declares no equations"),
]


@pytest.mark.parametrize(("problem", "sentence"), REFUSED, ids=lambda item: getattr(item, "name", ""))
def test_what_the_method_cannot_do_is_refused_with_the_reason(problem: Problem, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        transport_of(problem)


def test_time_derivatives_in_the_sources_are_refused() -> None:
    problem = _problem({u: -c * u.diff(x) + v.diff(t), v: -c * v.diff(x)}, {x: c})
    with pytest.raises(InputError, match="sources of 'p' hold time derivatives"):
        needed_orders(transport_of(problem))


LABELS = np.random.default_rng(0).uniform(0, 1, (3, 6))
X, Y = sympy.symbols("X Y", real=True)


def test_derivatives_in_space_on_a_line() -> None:
    """u = sin(2 x) carried on x = X + exp(X) / 3: up to the third derivative in x, and those in X beside."""
    orders = closed([(0, 3), (1, 0)])
    label = Series.coordinate(orders, 1, jnp.asarray(LABELS[1]))
    place = label + exp(label) * (1 / 3)
    field = sin_cos(place * 2.0)[0]
    frame, naive = Frame([place]), Frame([place], label_space=True)
    np.testing.assert_allclose(frame.jacobian.value[0], 1 + np.exp(LABELS[1]) / 3, rtol=1e-14)
    where = LABELS[1] + np.exp(LABELS[1]) / 3
    expected = [np.sin(2 * where), 2 * np.cos(2 * where), -4 * np.sin(2 * where), -8 * np.cos(2 * where)]
    carried = sympy.sin(2 * (X + sympy.exp(X) / 3))
    for order, exact in enumerate(expected):
        np.testing.assert_allclose(frame.derivative(field, (0, order)).value[0], exact, rtol=0, atol=1e-11)
        by_label = sympy.lambdify(X, carried.diff(X, order) if order else carried)(LABELS[1])
        np.testing.assert_allclose(naive.derivative(field, (0, order)).value[0], by_label, rtol=0, atol=1e-11)
        if order:
            assert np.abs(by_label - exact).max() > 0.1


def test_derivatives_in_space_on_a_plane() -> None:
    """w = exp(x) sin(y) on x = X + Y^2 / 4, y = Y - sin(X) / 3, whose Jacobian is 1 + Y cos(X) / 6."""
    orders = closed([(0, i, 2 - i) for i in range(3)])
    first, second = (Series.coordinate(orders, axis, jnp.asarray(LABELS[axis])) for axis in (1, 2))
    places = [first + second * second * 0.25, second - sin_cos(first)[0] * (1 / 3)]
    field = product_of(exp(places[0]), sin_cos(places[1])[0])
    frame = Frame(places)
    np.testing.assert_allclose(frame.jacobian.value[0], 1 + LABELS[2] * np.cos(LABELS[1]) / 6, rtol=1e-13)
    p, q = LABELS[1] + LABELS[2] ** 2 / 4, LABELS[2] - np.sin(LABELS[1]) / 3
    expected = {
        (0, 1, 0): np.exp(p) * np.sin(q),
        (0, 0, 1): np.exp(p) * np.cos(q),
        (0, 2, 0): np.exp(p) * np.sin(q),
        (0, 1, 1): np.exp(p) * np.cos(q),
        (0, 0, 2): -np.exp(p) * np.sin(q),
    }
    for order, exact in expected.items():
        np.testing.assert_allclose(frame.derivative(field, order).value[0], exact, rtol=0, atol=1e-12)
    carried = sympy.exp(X + Y**2 / 4) * sympy.sin(Y - sympy.sin(X) / 3)
    by_label = sympy.lambdify((X, Y), carried.diff(Y, 2))(LABELS[1], LABELS[2])
    naive = Frame(places, label_space=True).derivative(field, (0, 0, 2)).value[0]
    np.testing.assert_allclose(naive, by_label, rtol=0, atol=1e-12)
    assert np.abs(by_label - expected[(0, 0, 2)]).max() > 0.1
