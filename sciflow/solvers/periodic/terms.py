"""Constant-coefficient differential operators as sums of terms, with their algebra."""

from __future__ import annotations

from collections.abc import Iterable

import sympy

Terms = dict[tuple[int, ...], sympy.Expr]  # sum of coefficient * d^orders, orders along the space axes (x, y, z)


def total(parts: Iterable[Terms]) -> Terms:
    """Sum of operators; terms that cancel are left out."""
    found: dict[tuple[int, ...], sympy.Expr] = {}
    for part in parts:
        for orders, coefficient in part.items():
            found[orders] = found.get(orders, sympy.Integer(0)) + coefficient
    simplified = {orders: sympy.simplify(coefficient) for orders, coefficient in found.items()}
    return {orders: coefficient for orders, coefficient in simplified.items() if coefficient != 0}


def product(first: Terms, second: Terms, factor: int = 1) -> Terms:
    """`factor` times one operator after another; they commute."""
    return total(
        {tuple(i + j for i, j in zip(a, b, strict=True)): factor * first[a] * second[b]} for a in first for b in second
    )


def apply(terms: Terms, expression: sympy.Expr, space: Iterable[sympy.Symbol]) -> sympy.Expr:
    """The operator on an expression of space and time."""
    axes = list(space)
    parts = []
    for orders, coefficient in terms.items():
        derivative = expression
        for symbol, order in zip(axes, orders, strict=True):
            derivative = derivative.diff(symbol, order)
        parts.append(coefficient * derivative)
    return sympy.Add(*parts)


def even(terms: Terms) -> bool:
    """Whether the operator multiplies every Fourier mode by a real number."""
    return all(sum(orders) % 2 == 0 for orders in terms)
