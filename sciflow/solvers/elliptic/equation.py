"""From a declared steady equation to its coefficients: div(a grad u) + c u = f."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import sympy
from sympy.core.function import AppliedUndef

from sciflow.core.errors import InputError
from sciflow.problems.conditions import Dirichlet, Neumann, Robin
from sciflow.problems.geometry import Box

if TYPE_CHECKING:
    from sciflow.problems import Problem


@final
@dataclass(frozen=True)
class LinearEquation:
    r"""The equation :math:`\sum_i \partial_i (a_i \partial_i u) + c u = f` of one field.

    Attributes:
        field: name of u.
        diffusion: a_i for each axis in the order x, y; c and f: `reaction` and `source`. All are expressions of
            coordinates, parameters and input fields.
    """

    field: str
    diffusion: tuple[sympy.Expr, ...]
    reaction: sympy.Expr
    source: sympy.Expr

    @classmethod
    def of(cls, problem: Problem) -> LinearEquation:
        """The coefficients of a problem's steady equation.

        Raises:
            InputError: the problem has another form; the message is one sentence that begins with "it" or "its".
        """
        if problem.t is not None or len(problem.steady) != 1 or len(problem.fields) != 1 or problem.constraints:
            raise InputError("it needs one steady equation for one field, and nothing else.")
        name = problem.fields[0].name
        residual = sympy.expand(problem.equations[name].doit())
        field = problem.field(name).symbol
        slots = {atom: sympy.Dummy(real=True) for atom in _derivatives(residual, field)}
        plain = residual.xreplace(slots).xreplace({field: (itself := sympy.Dummy(real=True))})
        unknowns = {*slots.values(), itself}
        factors = {key: plain.diff(slot) for key, slot in [*slots.items(), (field, itself)]}
        if any(factor.free_symbols & unknowns for factor in factors.values()):
            raise InputError(f"its equation is not linear in '{name}'.")
        source = -plain.xreplace(dict.fromkeys(unknowns, sympy.Integer(0)))
        diffusion = []
        for axis in problem.space:
            second, first = field.diff(axis, 2), field.diff(axis)
            main = factors.pop(second, sympy.Integer(0))
            slope = factors.pop(first, sympy.Integer(0))
            if main == 0:
                raise InputError(f"its equation is not elliptic: it holds no second derivative along {axis}.")
            if sympy.simplify(slope - main.diff(axis)) != 0:
                raise InputError(
                    f"its equation holds a first derivative along {axis} that is not part of div(a grad {name})."
                )
            diffusion.append(main)
        reaction = factors.pop(field)
        if factors:
            raise InputError(f"its equation holds '{next(iter(factors))}', which is not part of div(a grad {name}).")
        for part in (*diffusion, reaction, source):
            loose = part.atoms(sympy.Derivative)
            if loose:
                raise InputError(f"its coefficients hold the derivative '{next(iter(loose))}' of an input field.")
        return cls(name, tuple(diffusion), reaction, source)


def reason_against(problem: Problem) -> str | None:
    """Why a problem is not a linear elliptic equation on a box with known sides, or None if it is."""
    if not isinstance(problem.domain, Box) or len(problem.axes) > 2:
        return "it takes a box in one or two dimensions."
    try:
        equation = LinearEquation.of(problem)
    except InputError as error:
        return str(error)
    given = problem.boundary.get(equation.field, {})
    for axis in problem.axes:
        for side in (axis + "-", axis + "+") if axis not in problem.periodic else ():
            condition = given.get(side)
            if not isinstance(condition, Dirichlet | Neumann | Robin):
                return f"side '{side}' needs a Dirichlet, Neumann or Robin condition."
            extra = (condition.a, condition.b) if isinstance(condition, Robin) else ()
            if any(part.atoms(AppliedUndef) for part in (*condition.value, *extra)):
                return f"the condition on side '{side}' holds a field; it takes coordinates and parameters."
    return None


def _derivatives(expression: sympy.Expr, field: AppliedUndef) -> list[sympy.Derivative]:
    """Derivatives of the field, in the order of their names."""
    return sorted((atom for atom in expression.atoms(sympy.Derivative) if atom.expr == field), key=str)
