"""Whether nothing flows through the boundary, from the boundary conditions that a problem declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sympy
from sympy.core.function import AppliedUndef

from sciflow.problems.conditions import Condition, Dirichlet, Neumann, NoSlip
from sciflow.problems.physics import Conservation

if TYPE_CHECKING:
    from sciflow.problems.problem import Problem


def is_closed(problem: Problem, law: Conservation) -> bool:
    """True if every axis is periodic, or the flux normal to each other side vanishes by the conditions there.

    Values (Dirichlet, no slip) and normal derivatives (Neumann) are put into the flux; what then is not 0, or has no
    condition, counts as open. At an obstacle, whose normal has any direction, the whole flux must vanish.
    """
    sides = getattr(problem.domain, "sides", ())
    for place, axis in enumerate(problem.axes):
        if axis in problem.periodic:
            continue
        for sign, side in ((-1, f"{axis}-"), (1, f"{axis}+")):
            if not _vanishes(problem, law.flux[place], side, axis, sign):
                return False
    others = [side for side in sides if side[:-1] not in problem.axes]
    return all(_vanishes(problem, part, side, None, 1) for side in others for part in law.flux)


def _vanishes(problem: Problem, flux: sympy.Expr, side: str, axis: str | None, sign: int) -> bool:
    """Whether a component of the flux is 0 on a side; `sign` of the outward normal along the axis."""
    flux = problem.drive(sympy.sympify(flux)).doit()
    known: dict[sympy.Basic, sympy.Expr] = {}
    for call in flux.atoms(AppliedUndef):
        condition = problem.boundary.get(str(call.func), {}).get(side)
        if not isinstance(condition, Condition):
            continue
        if isinstance(condition, Dirichlet | NoSlip):
            value = condition.value[0] if condition.value else sympy.Integer(0)
            known[call] = problem.drive(sympy.sympify(value))
        elif isinstance(condition, Neumann) and axis is not None:
            across = next(symbol for symbol in problem.space if symbol.name == axis)
            known[sympy.Derivative(call, across)] = sign * problem.drive(sympy.sympify(condition.value[0]))
    derivatives = {call: known[call] for call in flux.atoms(sympy.Derivative) if call in known}
    flux = flux.xreplace(derivatives)
    # A derivative whose value is not known must not become that of the value on the side.
    held = {derivative: sympy.Dummy(real=True) for derivative in flux.atoms(sympy.Derivative)}
    flux = flux.xreplace(held).xreplace(
        {call: value for call, value in known.items() if isinstance(call, AppliedUndef)}
    )
    if axis is not None:
        low, high = _ends(problem, axis)
        across = next(symbol for symbol in problem.space if symbol.name == axis)
        flux = flux.subs(across, high if sign > 0 else low)
    return bool(sympy.simplify(flux) == 0)


def _ends(problem: Problem, axis: str) -> tuple[sympy.Expr, sympy.Expr]:
    """Bounds of the box along an axis as expressions of parameters."""
    shape = problem.domain
    while hasattr(shape, "outer"):
        shape = shape.outer
    declared = {name: (low, high) for name, low, high in getattr(shape, "bounds", ())}
    low, high = declared[axis] if axis in declared else problem.bounds()[axis]
    return sympy.sympify(low), sympy.sympify(high)
