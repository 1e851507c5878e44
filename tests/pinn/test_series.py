"""Taylor series of many points: derivatives of compositions against SymPy's, in one to three dimensions."""

from __future__ import annotations

from collections.abc import Iterator
from math import factorial, prod

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from sciflow.pinn.series import (
    Series,
    closed,
    exp,
    product_of,
    reciprocal,
    restricted,
    shifted,
    sin_cos,
    stack,
    sum_of,
    tanh,
)

SYMBOLS = sympy.symbols("x y z", real=True)
POINTS = np.random.default_rng(0).uniform(-0.8, 0.8, (3, 5))


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def _coordinates(orders: tuple[tuple[int, ...], ...]) -> list[Series]:
    return [Series.coordinate(orders, axis, jnp.asarray(POINTS[axis])) for axis in range(len(orders[0]))]


def _composed(random: np.random.Generator, series: list[Series], depth: int) -> tuple[Series, sympy.Expr]:
    """The same random function as a series and in SymPy."""
    if depth == 0:
        coefficients = [round(float(c), 2) for c in random.uniform(-1, 1, len(series) + 1)]
        total, written = series[0] * coefficients[0], SYMBOLS[0] * coefficients[0]
        for place, symbol, c in zip(series[1:], SYMBOLS[1:], coefficients[1:], strict=False):
            total, written = total + place * c, written + symbol * c
        return total + coefficients[-1], written + coefficients[-1]
    a, p = _composed(random, series, depth - 1)
    kind = random.choice(["tanh", "exp", "sine", "cosine", "reciprocal", "product", "difference"])
    if kind in ("product", "difference"):
        b, q = _composed(random, series, depth - 1)
        return (a * b, p * q) if kind == "product" else (2.0 - (a - b) * 0.5, 2.0 - (p - q) * 0.5)
    if kind == "reciprocal":
        return reciprocal(a * a + 1.5), 1 / (p * p + 1.5)
    sine, cosine = sin_cos(a)
    return {
        "tanh": (tanh(a), sympy.tanh(p)),
        "exp": (exp(a), sympy.exp(p)),
        "sine": (sine, sympy.sin(p)),
        "cosine": (cosine, sympy.cos(p)),
    }[kind]


def _derivatives(written: sympy.Expr, orders: tuple[tuple[int, ...], ...]) -> list[np.ndarray]:
    known = {orders[0]: written}
    for order in orders[1:]:
        axis = next(axis for axis, count in enumerate(order) if count)
        lower = tuple(count - (index == axis) for index, count in enumerate(order))
        known[order] = known[lower].diff(SYMBOLS[axis])
    dims = len(orders[0])
    function = sympy.lambdify(SYMBOLS[:dims], list(known.values()), "numpy", cse=True)
    return [np.broadcast_to(values, POINTS.shape[1]) for values in function(*POINTS[:dims])]


@pytest.mark.parametrize("highest", [[(4,)], [(2, 2), (3, 0)], [(1, 1, 1), (2, 0, 1)]])
@settings(max_examples=5, phases=[Phase.generate])
@given(seed=st.integers(0, 10**6))
def test_derivatives_of_random_functions(highest: list[tuple[int, ...]], seed: int) -> None:
    orders = closed(highest)
    found, written = _composed(np.random.default_rng(seed), _coordinates(orders), 2)
    for order, expected in zip(orders, _derivatives(written, orders), strict=True):
        size = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(found.derivative(order)[0], expected, rtol=0, atol=1e-11 * size)


@pytest.mark.parametrize("name", ["tanh", "exp", "sin", "cos", "reciprocal"])
def test_each_function_to_fourth_order(name: str) -> None:
    """At 0.3 of f(0.3 + x): its own derivatives, one by one."""
    orders = closed([(4,)])
    place = Series.coordinate(orders, 0, jnp.full(1, 0.3))
    sine, cosine = sin_cos(place)
    found = {"tanh": tanh(place), "exp": exp(place), "sin": sine, "cos": cosine, "reciprocal": reciprocal(place)}[name]
    x = SYMBOLS[0]
    written = 1 / x if name == "reciprocal" else getattr(sympy, name)(x)
    for (order,) in orders:
        expected = float(written.diff(x, order).subs(x, sympy.Rational(3, 10)).evalf(30))
        assert float(found.derivative((order,))[0, 0]) == pytest.approx(expected, rel=1e-13)


def test_closed_holds_every_lower_order_once() -> None:
    assert closed([(0, 2), (1, 0)]) == ((0, 0), (0, 1), (1, 0), (0, 2))
    assert closed([(1, 1)]) == ((0, 0), (0, 1), (1, 0), (1, 1))
    assert closed([(3,)]) == ((0,), (1,), (2,), (3,))


def test_what_is_zero_stays_out_of_the_arithmetic() -> None:
    orders = closed([(2, 1)])
    x, y = _coordinates(orders)
    assert [order for order, item in zip(orders, x.coefficients, strict=True) if item is not None] == [(0, 0), (1, 0)]
    squared = x * x
    kept = [order for order, item in zip(orders, squared.coefficients, strict=True) if item is not None]
    assert kept == [(0, 0), (1, 0), (2, 0)]
    np.testing.assert_array_equal(squared.derivative((2, 1)), np.zeros((1, 5)))
    np.testing.assert_allclose(squared.derivative((2, 0)), np.full((1, 5), 2.0))
    np.testing.assert_allclose((x * y).derivative((1, 1)), np.ones((1, 5)))
    constant = Series.constant(orders, jnp.ones((1, 5)))
    assert all(item is None for item in constant.coefficients[1:])


def test_linear_maps_rows_and_stacks() -> None:
    orders = closed([(2, 0), (0, 1)])
    x, y = _coordinates(orders)
    both = stack([x * y, tanh(x), y])
    matrix = np.array([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]])
    bias = np.array([[1.0], [-2.0]])
    mapped = both.linear(lambda item: jnp.asarray(matrix) @ item, jnp.asarray(bias))
    for order in orders:
        rows = np.concatenate([part.derivative(order) for part in (x * y, tanh(x), y)])
        np.testing.assert_allclose(both.derivative(order), rows, rtol=1e-15)
        expected = matrix @ rows + (bias if not any(order) else 0.0)
        np.testing.assert_allclose(mapped.derivative(order), expected, rtol=1e-14, atol=1e-14)
        np.testing.assert_allclose(mapped[1:2].derivative(order), expected[1:2], rtol=1e-14, atol=1e-14)


def test_shifted_series_are_derivatives() -> None:
    orders = closed([(3, 1)])
    x, y = _coordinates(orders)
    f = sin_cos(x * y + x)[0]
    slope = shifted(f, 0)
    assert slope.orders == closed([(2, 1)])
    for order in slope.orders:
        above = (order[0] + 1, order[1])
        np.testing.assert_allclose(slope.derivative(order), f.derivative(above), rtol=1e-14)
    np.testing.assert_array_equal(shifted(shifted(x, 0), 0).value, np.zeros((1, 5)))  # None becomes zeros


def test_products_and_sums_on_the_orders_that_all_have() -> None:
    orders, fewer = closed([(2, 1)]), closed([(1, 1)])
    x, y = _coordinates(orders)
    f, g = exp(x * y), restricted(tanh(x - y), fewer)
    assert product_of(f, g).orders == fewer
    assert sum_of([f, g, f]).orders == fewer
    for order in fewer:
        whole = f * tanh(x - y)
        np.testing.assert_allclose(product_of(f, g).derivative(order), whole.derivative(order), rtol=1e-13)
        expected = 2 * f.derivative(order) + g.derivative(order)
        np.testing.assert_allclose(sum_of([f, g, f]).derivative(order), expected, rtol=1e-14)


def test_series_on_different_orders_are_not_mixed_up() -> None:
    x = Series.coordinate(closed([(2,)]), 0, jnp.ones(3))
    other = Series.coordinate(closed([(1,)]), 0, jnp.ones(3))
    with pytest.raises(AssertionError):
        x + other
    with pytest.raises(AssertionError):
        x * other


@settings(max_examples=10)
@given(values=st.lists(st.floats(-2, 2), min_size=6, max_size=6))
def test_coefficients_are_those_of_the_taylor_polynomial(values: list[float]) -> None:
    """Of a polynomial of third degree the series is exact: evaluated at a step it gives the polynomial there."""
    orders = closed([(3, 0), (2, 1), (1, 2), (0, 3)])
    x, y = _coordinates(orders)
    a, b, c, d, e, f = values
    found = x * x * x * a + x * x * y * b + x * y * c + y * y * y * d + y * e + f

    def polynomial(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        return a * p**3 + b * p**2 * q + c * p * q + d * q**3 + e * q + f

    step = (0.7, -0.4)
    total = sum(
        found.derivative(order)[0] * prod(s**k / factorial(k) for s, k in zip(step, order, strict=True))
        for order in orders
    )
    expected = polynomial(POINTS[0] + step[0], POINTS[1] + step[1])
    np.testing.assert_allclose(total, expected, rtol=0, atol=1e-12)
