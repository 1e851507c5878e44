"""Functions of our own: values, derivatives and gradients in every backend."""

from __future__ import annotations

import jax
import numpy as np
import pytest
import sympy
import torch
from scipy.optimize import brentq
from scipy.special import erf
from sympy import Piecewise, Symbol

from sciflow.problems import Field, coordinates, numeric, positive_power, stefan_root
from sciflow.problems.compile import compile_expressions

b, p, v = (Symbol(name, real=True) for name in "bpv")
SHARES = np.array([1e-3, 0.1, 0.3, 0.5, 0.6, 0.7, 0.9, 0.999])


def _in_backend(name: str, arguments: list, expression: sympy.Expr, *values: np.ndarray) -> np.ndarray:
    function = numeric(arguments, expression, name)
    if name == "torch":
        return function(*map(torch.tensor, values)).numpy()
    with jax.enable_x64():
        return np.asarray(function(*values))


@pytest.mark.parametrize("backend", ["numpy", "jax", "torch"])
def test_root_of_the_stefan_problem(backend: str) -> None:
    """Against bracketing of the equation; alpha = 2 z of the published cases is 1.240125 and 1.051340."""

    def root(u: float) -> float:
        return brentq(lambda z: u * erf(z) * z * np.exp(z**2) - (1 - u) / np.sqrt(np.pi), 1e-9, 10, xtol=1e-15)

    found = _in_backend(backend, [v], stefan_root(v), SHARES)
    assert found == pytest.approx(np.array([root(u) for u in SHARES]), rel=1e-12)
    assert 2 * found[3:5] == pytest.approx([1.240125, 1.051340], abs=5e-7)


def test_derivative_of_the_root() -> None:
    """SymPy's, torch's through Newton's steps, and a difference quotient."""
    slope = numeric([v], stefan_root(v).diff(v))(SHARES[1:-1])
    points = torch.tensor(SHARES[1:-1], requires_grad=True)
    numeric([v], stefan_root(v), "torch")(points).sum().backward()
    root = numeric([v], stefan_root(v))
    assert points.grad is not None and points.grad.numpy() == pytest.approx(slope, rel=1e-10)
    assert (root(SHARES[1:-1] + 1e-6) - root(SHARES[1:-1] - 1e-6)) / 2e-6 == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("backend", ["numpy", "jax", "torch"])
@pytest.mark.parametrize("exponent", [1.0, 1 / 6, 3.0, -0.5, 0.0])
def test_powers_of_the_positive_part(backend: str, exponent: float) -> None:
    with np.errstate(all="raise"):
        found = _in_backend(backend, [b, p], positive_power(b, p), np.array([-2.0, 0.0, 4.0]), np.full(3, exponent))
    assert found == pytest.approx([0, 0, 4.0**exponent], abs=0)


def test_powers_have_finite_gradients_where_the_base_is_not_positive() -> None:
    """Of the derivative too, which is what a residual's loss needs; `Max(b, 0)**p` has NaN there."""
    expression = positive_power(b, sympy.Rational(5, 2)).diff(b)
    points = torch.tensor([-1.0, 0.0, 4.0], dtype=torch.float64, requires_grad=True)
    numeric([b], expression, "torch")(points).sum().backward()
    assert points.grad is not None and points.grad.tolist() == [0, 0, 2.5 * 1.5 * 2]
    with jax.enable_x64():
        slope = jax.vmap(jax.grad(numeric([b], expression, "jax")))
        assert slope(np.array([-1.0, 0.0, 4.0])).tolist() == [0, 0, 2.5 * 1.5 * 2]


def test_powers_of_numbers_are_numbers() -> None:
    assert positive_power(-1, 3) == 0 and positive_power(2, 3) == 8
    assert positive_power(b, 3).integral() == positive_power(b, 4) / 4


def test_conditions_beside_fields_compile_for_torch() -> None:
    t, x = coordinates("t x")
    u = Field("u")(t, x)
    compiled = compile_expressions([Piecewise((u**2, u > p), (sympy.Max(u, -1), True))], (t, x), "torch")
    assert compiled.function(torch.tensor([-2.0, 0.5, 3.0]), 1.0)[0].tolist() == [-1, 0.5, 9]
