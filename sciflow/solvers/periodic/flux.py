"""Products of a field and its derivatives as derivatives of a power, which need fewer transforms."""

from __future__ import annotations

from collections.abc import Sequence

import sympy
from sympy.core.function import AppliedUndef

from sciflow.solvers.periodic.terms import Terms, apply


def flux_form(expression: sympy.Expr, space: Sequence[sympy.Symbol]) -> Terms:
    """Write an expression as sum_orders d^orders(flux): {orders: flux}, what is no such derivative under orders 0.

    u u_x becomes (u^2 / 2)_x; 3 u^2 u_xx + 6 u u_x^2 becomes (u^3)_xx. Where products are fully dealiased both forms
    are the same on every kept mode; the second takes one inverse transform of u for any number of derivatives.
    """
    rest = sympy.expand(expression)
    fluxes: dict[tuple[int, ...], sympy.Expr] = {}
    terms = sorted(sympy.Add.make_args(rest), key=lambda term: (-_order(term), str(term)))
    for term in terms:
        found = _power(term, space) if term in sympy.Add.make_args(rest) else None
        if found is not None:
            orders, flux = found
            fluxes[orders] = fluxes.get(orders, sympy.Integer(0)) + flux
            rest = sympy.expand((rest - apply({orders: sympy.Integer(1)}, flux, space)).doit())
    zero = (0,) * len(space)
    return {orders: flux for orders, flux in {zero: rest, **fluxes}.items() if flux != 0}


def _order(term: sympy.Expr) -> int:
    return max((int(d.derivative_count) for d in term.atoms(sympy.Derivative)), default=0)


def _power(term: sympy.Expr, space: Sequence[sympy.Symbol]) -> tuple[tuple[int, ...], sympy.Expr] | None:
    """Orders and flux of a term c u^n D u, where c holds neither fields nor space."""
    derivatives = [f for f in sympy.Mul.make_args(term) if isinstance(f, sympy.Derivative)]
    if len(derivatives) != 1:
        return None
    (derivative,) = derivatives
    call = derivative.expr
    coefficient, power = (term / derivative).as_independent(call)
    exponent = power.as_base_exp()[1] if power.as_base_exp()[0] == call else None
    if exponent is None or not exponent.is_Integer or exponent < 1:
        return None
    if coefficient.atoms(AppliedUndef) or coefficient.free_symbols & set(space):
        return None
    counts = dict(derivative.variable_count)
    return tuple(int(counts.get(symbol, 0)) for symbol in space), coefficient * call ** (exponent + 1) / (exponent + 1)
