"""Known functions as series: expressions against SymPy, draws against their distribution between the grid's points."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from sciflow.core.errors import InputError
from sciflow.pinn.functions import drawn, expression
from sciflow.pinn.series import closed
from sciflow.problems import (
    Box,
    Case,
    Field,
    Parameter,
    Problem,
    Signal,
    blobs,
    coordinates,
    gaussian_field,
    profile,
    random_fourier,
)
from sciflow.problems.symbols import plain

t, x, y = coordinates("t x y")
k = Parameter("k", 2.0, 1.0, 3.0)
a = Parameter("a", 0.5)
push = Signal("push", a * sympy.sin(3 * t), coefficients=(a,))
U = Field("u")(t, x, y)
CASE = Case(0, 7)


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def _problem(periodic: tuple[str, ...] = ("x", "y")) -> Problem:
    return Problem(
        name="plane",
        fields=[U],
        parameters=[k],
        signals=[push],
        domain=Box(x=(-1, 1), y=(0, 3)),
        periodic=periodic,
        time=(0, 1),
        evolution={U: k * U.diff(x, 2) + push(t)},
    )


def _values(count: int = 6, dtype: Any = jnp.float64) -> dict[str, Any]:
    random = np.random.default_rng(1)
    rows = {"t": random.uniform(0, 1, count), "x": random.uniform(-1, 1, count), "y": random.uniform(0, 3, count)}
    return {"k": 1.5, "a": 0.8, **{name: jnp.asarray(row, dtype) for name, row in rows.items()}}


def test_expression_with_signals_and_parameters_is_differentiated_exactly() -> None:
    written = push(t) * x**3 + k * sympy.exp(x * y) + y
    values, orders = _values(), closed([(1, 2, 1), (0, 3, 0)])
    found = expression(_problem(), plain(written))(values, orders)
    T, X, Y = (np.asarray(values[name]) for name in "txy")
    wave = 0.8 * np.sin(3 * T)
    np.testing.assert_allclose(found.value[0], wave * X**3 + 1.5 * np.exp(X * Y) + Y, rtol=1e-14)
    np.testing.assert_allclose(found.derivative((0, 3, 0))[0], 6 * wave + 1.5 * Y**3 * np.exp(X * Y), rtol=1e-13)
    np.testing.assert_allclose(found.derivative((1, 2, 0))[0], 0.8 * 3 * np.cos(3 * T) * 6 * X, rtol=1e-13)
    np.testing.assert_allclose(found.derivative((0, 0, 1))[0], 1.5 * X * np.exp(X * Y) + 1, rtol=1e-13)
    assert not np.any(found.derivative((1, 2, 1)))
    assert found.coefficients[orders.index((1, 2, 1))] is None


@pytest.mark.parametrize("written", [sympy.Integer(1), k, sympy.pi * x, sympy.Rational(1, 3)])
def test_expression_keeps_the_precision_of_the_points(written: sympy.Expr) -> None:
    found = expression(_problem(), plain(written))(_values(dtype=jnp.float32), closed([(0, 1, 0)]))
    assert found.value.shape == (1, 6)
    assert {item.dtype for item in found.coefficients if item is not None} == {jnp.dtype("float32")}


@pytest.mark.parametrize(
    ("distribution", "periodic"),
    [
        (random_fourier(modes=4, mean=0.3), ("x", "y")),
        (blobs(count=3, width=0.08), ("x", "y")),
        (gaussian_field(amplitude=4.0, mean=1.0), ("y",)),
        (gaussian_field(), ()),
        (profile("sine", amplitude=0.0, mean=0.25), ("x", "y")),
    ],
)
def test_draws_agree_with_their_distribution_everywhere(distribution: Any, periodic: tuple[str, ...]) -> None:
    """On a finer grid that shares no point with the one of the series, and derivatives by central differences."""
    problem, bounds = _problem(periodic), {"x": (-1.0, 1.0), "y": (0.0, 3.0)}
    width = 1e-3
    xs = np.array([-1.0, -0.3137, 0.111, 0.9, 1.0])[:, None] + width * np.array([-1, 0, 1])
    ys = np.array([0.0, 0.77, 1.9141, 2.6])
    sample = distribution.sample(CASE.rng(3), {"x": xs.ravel(), "y": ys}, bounds, periodic).reshape(5, 3, 4)
    known = drawn(problem, distribution, CASE, 3)
    mesh = np.meshgrid(xs[:, 1], ys, indexing="ij")
    values = {"t": jnp.full(20, 0.4), "x": jnp.asarray(mesh[0].ravel()), "y": jnp.asarray(mesh[1].ravel())}
    found = known(values, closed([(1, 0, 0), (0, 2, 0)]))
    size = np.abs(sample).max()
    np.testing.assert_allclose(found.value[0], sample[:, 1].ravel(), rtol=0, atol=1e-8 * size)
    slope, bend = (sample[:, 2] - sample[:, 0]) / (2 * width), (sample @ np.eye(4)).swapaxes(0, 1)
    np.testing.assert_allclose(
        found.derivative((0, 1, 0))[0], slope.ravel(), rtol=0, atol=1e-4 * max(1e-3, np.abs(slope).max())
    )
    bend = (bend[2] - 2 * bend[1] + bend[0]) / width**2
    np.testing.assert_allclose(
        found.derivative((0, 2, 0))[0], bend.ravel(), rtol=0, atol=1e-3 * max(1e-3, np.abs(bend).max())
    )
    assert not np.any(found.derivative((1, 0, 0)))


def test_a_draw_in_single_precision_stays_there() -> None:
    found = drawn(_problem(), random_fourier(), CASE, 0)(_values(dtype=jnp.float32), closed([(0, 1, 0)]))
    assert {item.dtype for item in found.coefficients if item is not None} == {jnp.dtype("float32")}


@pytest.mark.parametrize(
    ("distribution", "periodic"),
    [(profile("tent"), ("x", "y")), (gaussian_field(threshold=(3, 12)), ("x", "y")), (blobs(), ())],
)
def test_rough_draws_are_refused(distribution: Any, periodic: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="'plane' is not smooth"):
        drawn(_problem(periodic), distribution, CASE, 0)
