"""The diffusive part of a flux, and its Kirchhoff potential."""

from __future__ import annotations

import sympy
from sympy.core.function import AppliedUndef

from sciflow.core.errors import InputError
from sciflow.problems.special import positive_power


def split(flux: sympy.Expr, field: AppliedUndef, axis: sympy.Symbol) -> tuple[sympy.Expr, sympy.Expr]:
    """F and D of a flux ``F - D field_x``; a flux that is not linear in ``field_x`` keeps the derivative in D."""
    slope = sympy.Dummy(real=True)
    plain = flux.xreplace({field.diff(axis): slope})
    diffusivity = sympy.simplify(-plain.diff(slope)).xreplace({slope: field.diff(axis)})
    return plain.xreplace({slope: sympy.Integer(0)}), diffusivity


def potential(diffusivity: sympy.Expr, field: AppliedUndef) -> sympy.Expr:
    r"""The Kirchhoff potential :math:`\Phi(u) = \int D(u)\,du`, continuous where D jumps.

    Its differences between cells are the flux; means of D itself would stop a front that runs into D = 0.

    Raises:
        InputError: there is no closed form; the message begins with "the".
    """
    u = sympy.Dummy(field.func.__name__, real=True)
    total = sympy.Integer(0)
    for term in sympy.Add.make_args(sympy.expand(diffusivity.xreplace({field: u}))):
        factor, part = term.as_independent(u, as_Add=False)
        if isinstance(part, positive_power) and part.args[0].diff(u) == 1 and not part.args[1].has(u):
            total += factor * part.integral()
        else:
            total += factor * sympy.integrate(part, u)
    if total.has(sympy.Integral):
        raise InputError(f"the diffusivity '{diffusivity}' has no integral in closed form.")
    return total.xreplace({u: field})
