"""Check of a declared symmetry: the moved solution solves the moved equations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import sympy
from sympy.core.function import AppliedUndef

from sciflow.testing import jets

if TYPE_CHECKING:
    from sciflow.problems import Problem
    from sciflow.problems.physics import Symmetry

_Change = Callable[[AppliedUndef, dict[sympy.Symbol, int]], sympy.Expr]
_Shift = dict[sympy.Symbol, sympy.Expr]
_C = sympy.Symbol("boost", real=True)  # how far, how fast: the number of the group's element


def remainders(problem: Problem, symmetry: Symmetry, values: Mapping[str, float]) -> dict[str, float]:
    """What is left of each equation for a solution that is moved, relative to its largest term; 0 for a symmetry.

    Every jet of a field is replaced by that of the moved field, in terms of the solution at the place where it came
    from; so are the coordinates that stand outside of fields, and the parameters that rise by c.
    """
    moves = {"translation": _translated, "galilean": _boosted, "rotation": _rotated}
    change, shift = moves[symmetry.kind](problem, symmetry, values)
    raised = {info.symbol: info.symbol + _C for info in problem.parameters if info.name in symmetry.velocities}
    reduction = jets.Reduction(problem)
    found = {}
    for name, equation in problem.equations.items():
        changed = jets.substitute(equation.doit(), change, {**shift, **raised})
        found[name] = jets.size(problem, reduction.apply(changed), values)
    return found


def _translated(problem: Problem, symmetry: Symmetry, values: Mapping[str, float]) -> tuple[_Change, _Shift]:
    axis = next(symbol for symbol in problem.space if symbol.name == symmetry.axis)
    return jets.differentiate, {axis: axis + _C}


def _boosted(problem: Problem, symmetry: Symmetry, values: Mapping[str, float]) -> tuple[_Change, _Shift]:
    """f'(t, x) = f(t, x - c t), plus c where f is the velocity; its time derivative is f_t - c f_x."""
    axis = next(symbol for symbol in problem.space if symbol.name == symmetry.axis)

    def change(field: AppliedUndef, orders: dict[sympy.Symbol, int]) -> sympy.Expr:
        expression = field + (_C if field.func.__name__ in symmetry.velocities else 0)
        for _ in range(orders.get(problem.t, 0)):
            expression = expression.diff(problem.t) - _C * expression.diff(axis)
        return jets.differentiate(expression, {symbol: n for symbol, n in orders.items() if symbol != problem.t})

    return change, {axis: axis + _C * problem.t}


def _rotated(problem: Problem, symmetry: Symmetry, values: Mapping[str, float]) -> tuple[_Change, _Shift]:
    """f'(t, p) = f(t, m + R(-c t) (p - m)) with the middle m of the domain."""
    x, y = (next(symbol for symbol in problem.space if symbol.name == name) for name in symmetry.axis)
    across, up = (symbol - sum(problem.bounds(values)[symbol.name]) / 2 for symbol in (x, y))
    cosine, sine = sympy.cos(_C * problem.t), sympy.sin(_C * problem.t)

    def change(field: AppliedUndef, orders: dict[sympy.Symbol, int]) -> sympy.Expr:
        expression: sympy.Expr = field
        for _ in range(orders.get(problem.t, 0)):
            turned = up * expression.diff(x) - across * expression.diff(y)
            expression = expression.diff(problem.t) + _C * turned
        # Sine and cosine depend on t alone: x and y derivatives do not see them.
        for _ in range(orders.get(x, 0)):
            expression = cosine * expression.diff(x) - sine * expression.diff(y)
        for _ in range(orders.get(y, 0)):
            expression = sine * expression.diff(x) + cosine * expression.diff(y)
        return jets.differentiate(expression, {s: n for s, n in orders.items() if s not in (problem.t, x, y)})

    return change, {
        x: x - across + cosine * across - sine * up,
        y: y - up + sine * across + cosine * up,
    }
