from __future__ import annotations

import inspect
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
import torch
from sympy import Max, Min, Piecewise, Rational, sqrt

from sciflow.core.errors import InputError
from sciflow.problems import numeric
from sciflow.problems.compile import compile_expressions

X, Y, C = sympy.symbols("X Y C", real=True)
EXPRESSIONS = {
    "polynomial": X**3 - Rational(1, 3) * X * Y + 2,
    "roots": sqrt(2) * X + (X**2 + 1) ** Rational(-3, 2) + sympy.cbrt(Y**2 + 1),
    "trigonometric": sympy.sin(X) * sympy.cos(Y) + sympy.tan(X) + sympy.atan2(X, Y) + sympy.cot(X + 4),
    "hyperbolic": sympy.sinh(X) + sympy.cosh(Y) + sympy.tanh(X) + sympy.sech(X) + sympy.coth(X + 4),
    "exponential": sympy.exp(-(X**2)) + sympy.log(Y**2 + 1) + sympy.log(X**2 + 1, 10) + sympy.E**Y,
    "special": sympy.erf(X) + sympy.erfc(Y),
    "constants": sympy.pi * X + sympy.E + sympy.EulerGamma,
    "max and min": Max(X, Y, Rational(1, 10)) * Min(X, C),
    "max of numbers": Max(C, 0.3) * X,
    "signs": sympy.sign(X) + sympy.Abs(Y) ** 3 + sympy.Heaviside(X),
    "steps": sympy.floor(3 * X) + sympy.ceiling(2 * Y),
    "piecewise": Piecewise((X**2, X < 0), (Y, sympy.And(X > 0.5, Y < 1)), (sqrt(2), True)),
    "piecewise of numbers": Piecewise((1.1, X < 0), (2.3, True)) + Piecewise((C, sympy.Or(X < 0, Y < 0)), (0, True)),
    "piecewise of a parameter": Piecewise((1.1, C < 0.5), (X, True)),
    "negation": Piecewise((1, sympy.Not(sympy.And(X < 0, Y < 0), evaluate=False)), (0, True)),
}


def _values(expression: sympy.Expr, backend: str, convert: Callable) -> np.ndarray:
    random = np.random.default_rng(0)
    arguments = [convert(random.normal(size=9)), convert(random.normal(size=9)), 0.123456789]
    result = numeric([X, Y, C], expression, backend)(*arguments)
    return np.broadcast_to(np.asarray(result, dtype=float), 9)


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_backends_agree_in_double_precision(expression: sympy.Expr) -> None:
    expected = _values(expression, "numpy", np.asarray)
    assert np.isfinite(expected).all()
    with jax.enable_x64(True):
        np.testing.assert_allclose(_values(expression, "jax", jnp.asarray), expected, rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(_values(expression, "torch", torch.tensor), expected, rtol=1e-14, atol=1e-14)


def test_piecewise_without_a_default_is_nan_outside_its_pieces() -> None:
    expression = Piecewise((X, X < 0))
    for backend, convert in (("numpy", np.asarray), ("torch", torch.tensor), ("jax", jnp.asarray)):
        assert np.array_equal(np.isnan(_values(expression, backend, convert)), _values(X, "numpy", np.asarray) >= 0)


def test_torch_keeps_the_precision_of_its_input() -> None:
    function = numeric([X, C], [Piecewise((1.1, X < 0), (C, True)) + Max(C, 0.1)], "torch")
    assert function(torch.zeros(3), 0.5)[0].dtype == torch.float32
    assert function(torch.zeros(3, dtype=torch.float64), 0.5)[0].dtype == torch.float64


def test_torch_passes_gradients_to_tensor_parameters() -> None:
    value = torch.tensor(0.7, requires_grad=True)
    result = numeric([X, C], X * sympy.exp(C) + Max(C, 0.1), "torch")(torch.ones(4), value)
    result.sum().backward()
    assert value.grad.item() == pytest.approx(4 * (np.exp(0.7) + 1), rel=1e-6)


def test_jax_functions_can_be_jitted_and_differentiated() -> None:
    function = numeric([X, C], Piecewise((X * C, X > 0), (0, True)), "jax")
    assert float(jax.jit(jax.grad(function, argnums=1))(2.0, 3.0)) == 2.0


@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_common_subexpressions_are_evaluated_once(backend: str) -> None:
    shared = sympy.sin(X * Y)
    source = inspect.getsource(numeric([X, Y], [shared**2 + shared, shared + 1], backend))
    assert source.count("sin(") == 1


def test_common_subexpressions_are_evaluated_once_in_torch() -> None:
    calls = []

    class Counted(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            calls.append(getattr(function, "__name__", ""))
            return super().__torch_function__(function, types, args, kwargs)

    shared = sympy.sin(X * Y)
    tensor = torch.ones(2).as_subclass(Counted)
    numeric([X, Y], [shared**2 + shared, shared + 1], "torch")(tensor, tensor)
    assert calls.count("sin") == 1


def test_derivatives_become_ordered_placeholders() -> None:
    t, x = sympy.symbols("t x", real=True)
    u, v = sympy.Function("u", real=True)(t, x), sympy.Function("v", real=True)(t, x)
    nu = sympy.Symbol("nu", real=True)
    compiled = compile_expressions([u.diff(t) + u * u.diff(x) - nu * u.diff(x, 2), v * x], [t, x], "numpy")
    assert compiled.derivatives == (("u", (0, 0)), ("v", (0, 0)), ("u", (0, 1)), ("u", (1, 0)), ("u", (0, 2)))
    assert compiled.symbols == ("nu", "x")
    assert compiled.function(2.0, 3.0, 5.0, 7.0, 11.0, 0.1, 13.0) == pytest.approx([7 + 2 * 5 - 0.1 * 11, 39])


def test_mixed_derivatives_count_along_each_coordinate() -> None:
    t, x, y = sympy.symbols("t x y", real=True)
    u = sympy.Function("u", real=True)(t, x, y)
    compiled = compile_expressions([u.diff(x, 2, y)], [t, x, y], "numpy")
    assert compiled.derivatives == (("u", (0, 2, 1)),)


def test_products_are_differentiated_before_compiling() -> None:
    t, x = sympy.symbols("t x", real=True)
    u = sympy.Function("u", real=True)(t, x)
    compiled = compile_expressions([sympy.Derivative(u**2, x)], [t, x], "numpy")
    assert compiled.derivatives == (("u", (0, 0)), ("u", (0, 1)))
    assert compiled.function(3.0, 5.0) == [30.0]


def test_wrong_requests_are_refused() -> None:
    with pytest.raises(InputError, match="no backend 'fortran'; use 'numpy', 'jax' or 'torch'"):
        numeric([X], X, "fortran")
    other = sympy.Symbol("s", real=True)
    u = sympy.Function("u", real=True)(other)
    with pytest.raises(InputError, match="along s, which is no coordinate"):
        compile_expressions([u.diff(other)], [X], "numpy")
