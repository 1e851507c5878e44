"""Algebra of derivatives: whether an expression vanishes for every solution of the equations.

Time derivatives are written out by the evolution equations, and of each constraint the highest derivative by the rest.
What is left is a function of independent derivatives, which is zero if it is zero at random values of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy
from sympy.core.function import AppliedUndef

from sciflow.problems.compile import numeric

if TYPE_CHECKING:
    from sciflow.problems import Problem

_ROUNDS = 40  # rewriting ends long before; more would be a circle in the constraints


@dataclass(frozen=True)
class _Rule:
    """``d^orders field = right``, from which every higher derivative of the field follows."""

    field: AppliedUndef
    orders: Mapping[sympy.Symbol, int]
    right: sympy.Expr

    def apply(self, field: AppliedUndef, orders: Mapping[sympy.Symbol, int]) -> sympy.Expr | None:
        rest = {symbol: orders.get(symbol, 0) - self.orders.get(symbol, 0) for symbol in {*orders, *self.orders}}
        if field != self.field or min(rest.values(), default=0) < 0:
            return None
        return differentiate(self.right, rest)


def differentiate(expression: sympy.Expr, orders: Mapping[sympy.Symbol, int]) -> sympy.Expr:
    """The expression differentiated so often along each coordinate."""
    for symbol, order in orders.items():
        if order:
            expression = expression.diff(symbol, order)
    return expression


def jets(expression: sympy.Expr) -> dict[sympy.Expr, tuple[AppliedUndef, dict[sympy.Symbol, int]]]:
    """Derivatives and fields that an expression is a function of, with the field and how often along what."""
    found: dict[sympy.Expr, Any] = {}
    for derivative in expression.atoms(sympy.Derivative):
        found[derivative] = (derivative.expr, {symbol: int(n) for symbol, n in derivative.variable_count})
    bare = expression.xreplace({derivative: sympy.Dummy() for derivative in found})
    return found | {call: (call, {}) for call in bare.atoms(AppliedUndef)}


class Reduction:
    """Rewrites expressions with the equations of a problem."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._rules = [
            _Rule(problem.field(name).symbol, {problem.t: 1}, problem.drive(right))
            for name, right in problem.evolution.items()
        ]
        for name in (*problem.constraints, *problem.steady):
            rule = self._solved(problem.equations[name])
            if rule is not None:
                self._rules.append(rule)

    def _solved(self, equation: sympy.Expr) -> _Rule | None:
        """The equation solved for its highest derivative, if that stands in it linearly."""
        equation = sympy.expand(equation.doit())
        known = {info.symbol for info in self._problem.inputs}
        ranked = [(self._rank(orders), jet) for jet, (field, orders) in jets(equation).items() if field not in known]
        if not ranked:
            return None
        lead = max(ranked, key=lambda item: (item[0], str(item[1])))[1]
        dummy = sympy.Dummy(real=True)
        replaced = equation.xreplace({lead: dummy})
        factor, rest = replaced.coeff(dummy, 1), replaced.coeff(dummy, 0)
        if sympy.expand(replaced - factor * dummy - rest) != 0:
            return None
        field, orders = jets(lead)[lead]
        return _Rule(field, orders, -rest / factor)

    def _rank(self, orders: Mapping[sympy.Symbol, int]) -> tuple[int, ...]:
        return (sum(orders.values()), *(orders.get(symbol, 0) for symbol in reversed(self._problem.coordinates)))

    def apply(self, expression: sympy.Expr) -> sympy.Expr:
        """The expression in independent derivatives."""
        expression = self._problem.drive(expression).doit()
        for _ in range(_ROUNDS):
            replacements = {}
            for jet, (field, orders) in jets(expression).items():
                results = (rule.apply(field, orders) for rule in self._rules)
                result = next((result for result in results if result is not None), None)
                if result is not None:
                    replacements[jet] = result
            if not replacements:
                break
            expression = expression.xreplace(replacements).doit()
        return sympy.expand(expression)


def substitute(expression: sympy.Expr, change: Callable[[AppliedUndef, dict[sympy.Symbol, int]], sympy.Expr],
               shift: Mapping[sympy.Symbol, sympy.Expr]) -> sympy.Expr:  # fmt: skip
    """Every jet replaced by ``change(field, orders)``, and coordinates that stand outside of fields by `shift`."""
    found = jets(expression)
    dummies = {jet: sympy.Dummy(real=True) for jet in found}
    bare = expression.xreplace(dummies).subs(shift, simultaneous=True)
    return bare.xreplace({dummies[jet]: change(field, orders) for jet, (field, orders) in found.items()})


def size(problem: Problem, expression: sympy.Expr, values: Mapping[str, float]) -> float:
    """Largest value of an expression, against its largest term, at random derivatives and points; rounding is 1e-15."""
    terms = sympy.Add.make_args(sympy.expand(expression))
    dummies = {jet: sympy.Dummy(real=True) for jet in jets(sympy.Tuple(*terms))}
    replaced = [term.xreplace(dummies) for term in terms]
    rng = np.random.default_rng(0)
    given: dict[str, Any] = {**problem.values(values)}
    intervals = {"t": problem.time or (0.0, 1.0), **problem.bounds(values)}
    given |= {name: rng.uniform(*interval, 16) for name, interval in intervals.items()}
    # Fields themselves are positive, so that their roots and logarithms exist.
    numbers = {dummy: rng.uniform(0.5 if jet.is_Function else -1.0, 1.5, 16) for jet, dummy in dummies.items()}
    numbers |= {symbol: given.get(symbol.name, 0.7) for symbol in sympy.Tuple(*replaced).free_symbols - set(numbers)}
    values_ = numeric(list(numbers), replaced)(*numbers.values())
    array = np.stack([np.broadcast_to(np.asarray(value, dtype=float), 16) for value in values_])
    largest = float(np.abs(array).max())
    return float(np.abs(array.sum(axis=0)).max()) / largest if largest else 0.0
