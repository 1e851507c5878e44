"""Splitting declared equations into what Fourier modes solve exactly and the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy
from sympy.core.function import AppliedUndef

from sciflow.solvers.periodic.terms import Terms, total


@dataclass(frozen=True)
class Split:
    """``expression = sum_f (sum_terms coefficient * derivative of f) + rest``.

    Attributes:
        linear: for each field its operator, with coefficients free of space and time, so that it acts on a Fourier
            mode as a number; empty where the field has no such term.
        rest: everything else.
    """

    linear: dict[str, Terms]
    rest: sympy.Expr


def split(expression: sympy.Expr, fields: Sequence[str], coordinates: Sequence[sympy.Symbol]) -> Split:
    """Take the linear terms with constant coefficients of `fields` out of an expression."""
    space = [symbol for symbol in coordinates if symbol.name != "t"]
    linear: dict[str, list[Terms]] = {name: [] for name in fields}
    rest = []
    for term in sympy.Add.make_args(sympy.expand(expression.doit())):
        found = _linear_term(term, fields, coordinates, space)
        if found is None:
            rest.append(term)
        else:
            name, orders, coefficient = found
            linear[name].append({orders: coefficient})
    return Split({name: total(terms) for name, terms in linear.items()}, sympy.Add(*rest))


def _linear_term(
    term: sympy.Expr, fields: Sequence[str], coordinates: Sequence[sympy.Symbol], space: Sequence[sympy.Symbol]
) -> tuple[str, tuple[int, ...], sympy.Expr] | None:
    unknowns = [f for f in sympy.Mul.make_args(term) if isinstance(f, sympy.Derivative | AppliedUndef)]
    if len(unknowns) != 1:
        return None
    (unknown,) = unknowns
    coefficient = term / unknown
    if coefficient.atoms(AppliedUndef) or coefficient.free_symbols & set(coordinates):
        return None
    call = unknown.expr if isinstance(unknown, sympy.Derivative) else unknown
    name = call.func.__name__
    if name not in fields:
        return None
    counts = dict(unknown.variable_count) if isinstance(unknown, sympy.Derivative) else {}
    return name, tuple(int(counts.get(symbol, 0)) for symbol in space), coefficient


def degree(expressions: Sequence[sympy.Expr], fields: Sequence[str]) -> int:
    """Polynomial degree in the fields and their derivatives, for dealiasing; 3 where an expression is no polynomial."""
    highest = 0
    for expression in expressions:
        atoms = [d for d in expression.atoms(sympy.Derivative) if d.expr.func.__name__ in fields]
        names: Mapping[sympy.Expr, sympy.Symbol] = {atom: sympy.Dummy() for atom in atoms}
        reduced = expression.xreplace(names)
        calls = {call: sympy.Dummy() for call in reduced.atoms(AppliedUndef) if call.func.__name__ in fields}
        reduced = reduced.xreplace(calls)
        unknowns = [*names.values(), *calls.values()]
        if not unknowns or not reduced.free_symbols & set(unknowns):
            continue
        polynomial = reduced.as_poly(*unknowns)
        highest = max(highest, 3 if polynomial is None else polynomial.total_degree())
    return highest
