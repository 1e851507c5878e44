"""The conditions that a problem declares at the two ends of an axis, as what difference operators take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sympy
from sympy.core.function import AppliedUndef

from sciflow.core.errors import InputError
from sciflow.problems.conditions import Dirichlet, Neumann, Robin
from sciflow.problems.differences import Side
from sciflow.problems.geometry import evaluate

if TYPE_CHECKING:
    from sciflow.problems.problem import Problem


@dataclass(frozen=True)
class Edge:
    """a u + b du/dn = value on one side; a and b are expressions of parameters, value one of coordinates as well.

    Attributes:
        value: signals written out in t and their coefficients. It may hold the coordinate across the side, which
            there has the value of that end of the box.
    """

    a: sympy.Expr
    b: sympy.Expr
    value: sympy.Expr

    def side(self, values: Mapping[str, float]) -> Side:
        """The coefficients as numbers for these parameters."""
        return Side(evaluate(self.a, values), evaluate(self.b, values))


def edges(problem: Problem, field: str, axis: str) -> tuple[Edge | None, Edge | None]:
    """The conditions on a field at the low and the high end of an axis; None where there is none.

    A periodic axis has none; whether an axis is periodic only `problem.periodic` says, never the lack of conditions.

    Raises:
        InputError: a condition has no such form (Outflow), or its a or b is not constant.
    """
    if axis in problem.periodic:
        return None, None
    return edge(problem, field, axis + "-"), edge(problem, field, axis + "+")


def sides(
    problem: Problem, field: str, axis: str, values: Mapping[str, float] | None = None
) -> tuple[Side | None, Side | None]:
    """`edges` as coefficients for the given parameters (defaults elsewhere).

    Raises:
        InputError: as in `edges`, or a = b = 0 for these parameters.
    """
    known = problem.values(values)
    left, right = edges(problem, field, axis)
    return None if left is None else left.side(known), None if right is None else right.side(known)


def edge(problem: Problem, field: str, side: str) -> Edge | None:
    """The condition on a field on one side (``"x-"``), None where there is none; raises as `edges` does."""
    condition = problem.boundary.get(problem.field(field).name, {}).get(side)
    if condition is None:
        return None
    where = f"Problem '{problem.name}': the condition {condition.kind} of '{field}' on {side}"
    if isinstance(condition, Dirichlet):
        a, b = sympy.Integer(1), sympy.Integer(0)
    elif isinstance(condition, Neumann):
        a, b = sympy.Integer(0), sympy.Integer(1)
    elif isinstance(condition, Robin):
        a, b = condition.a, condition.b
    else:
        raise InputError(f"{where} has no form a u + b du/dn = g; use Dirichlet, Neumann or Robin.")
    value = problem.drive(condition.value[0])
    parameters = {info.symbol for info in (*problem.parameters, *problem.coefficients)}
    loose = sorted(str(symbol) for symbol in (a.free_symbols | b.free_symbols) - parameters)
    loose += sorted(str(call) for call in a.atoms(AppliedUndef) | b.atoms(AppliedUndef))
    if loose:
        raise InputError(f"{where} has a coefficient that depends on {', '.join(loose)}; a and b must be constant.")
    unknown = sorted(str(call) for call in value.atoms(AppliedUndef))
    if unknown:
        raise InputError(f"{where} depends on {', '.join(unknown)}; its value must be known beforehand.")
    return Edge(a, b, value)
