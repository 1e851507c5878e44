"""Dimensional analysis of a declaration: the terms of every equation must have equal units (pint)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import sympy
from sympy.core.function import AppliedUndef

from sciflow.core.errors import InputError
from sciflow.problems.conditions import Dirichlet, Neumann, Robin
from sciflow.problems.symbols import TIME

if TYPE_CHECKING:
    from sciflow.problems.problem import Problem


def check(problem: Problem) -> None:
    """Raise InputError for an equation, law or boundary value whose terms differ in dimension.

    Fields and parameters need a unit for this (``""`` is dimensionless); a problem in which none has one is
    dimensionless as a whole and passes. Coordinates are in seconds and metres.
    """
    registry = _registry()
    infos: tuple[Any, ...] = (
        *problem.fields,
        *problem.inputs,
        *problem.parameters,
        *problem.signals,
        *problem.coefficients,
    )
    if all(not info.unit for info in infos):
        return
    table: dict[str, Any] = {s.name: registry("s" if s.name == TIME else "m").units for s in problem.coordinates}
    for info in infos:
        if info.unit is None:
            raise InputError(
                f"Problem '{problem.name}': '{info.name}' has no unit while others have; give it one ('' = none)."
            )
        try:
            table[info.name] = registry.parse_units(info.unit)
        except Exception as error:
            raise InputError(
                f"Problem '{problem.name}': '{info.unit}' of '{info.name}' is no unit that pint knows."
            ) from error
    measure = _Measure(registry, table, problem.name)
    for name, residual in problem.equations.items():
        measure.of(residual, f"the equation of {name}")
    for law in problem.conserves:
        rate = measure.of(law.density, f"the density of {law.name}") / registry.second
        where = f"the flux of {law.name}"
        for component in law.flux:
            if component != 0 and law.density != 0:
                measure.same(measure.of(component, where) / registry.meter, rate, where)
    for axis, velocity in problem.characteristic.items():
        measure.value(velocity, registry.meter / registry.second, f"the characteristic velocity along {axis}")
    for signal in problem.signals:
        measure.value(signal.expression, table[signal.name], f"the signal {signal.name}")
    for name, sides in problem.boundary.items():
        for side, condition in sides.items():
            _boundary(measure, condition, table[name], registry.meter, f"the boundary {side} of {name}")


@cache
def _registry() -> Any:
    """pint's units; reading them takes a noticeable time."""
    import pint

    return pint.UnitRegistry()


def _boundary(measure: _Measure, condition: Any, unit: Any, meter: Any, where: str) -> None:
    if isinstance(condition, Dirichlet):
        measure.value(condition.value[0], unit, where)
    elif isinstance(condition, Neumann):
        measure.value(condition.value[0], unit / meter, where)
    elif isinstance(condition, Robin) and not (condition.a.is_number or condition.b.is_number):
        first = measure.of(condition.a, where) * unit
        measure.same(measure.of(condition.b, where) * unit / meter, first, where)
        measure.value(condition.value[0], first, where)


class _Measure:
    """Dimension of an expression; anything goes with a bare zero."""

    def __init__(self, registry: Any, table: dict[str, Any], problem: str) -> None:
        self.one = registry.dimensionless
        self.table, self.problem = table, problem

    def same(self, first: Any, second: Any, where: str) -> None:
        if first.dimensionality != second.dimensionality:
            raise InputError(
                f"Problem '{self.problem}': {where} adds terms in '{first}' and '{second}'; check the units."
            )

    def value(self, expression: sympy.Expr, unit: Any, where: str) -> None:
        """A prescribed value has the given unit; one without dimension, as a bare number, is taken to be in it."""
        found = self.of(expression, where)
        if not found.dimensionless:
            self.same(found, unit, where)

    def of(self, expression: sympy.Expr, where: str) -> Any:
        if expression.is_number:
            return self.one
        if isinstance(expression, AppliedUndef):
            return self.table[expression.func.__name__]
        if expression.is_Symbol:
            return self.table[expression.name]
        if isinstance(expression, sympy.Derivative):
            units = self.of(expression.expr, where)
            for symbol, count in expression.variable_count:
                units = units / self.table[symbol.name] ** int(count)
            return units
        if isinstance(expression, sympy.Piecewise):
            pieces = [piece for piece, _ in expression.args if piece != 0]
            return self.of(sympy.Add(*pieces, evaluate=False), where)
        parts = [argument for argument in expression.args if not getattr(argument, "is_Boolean", False)]
        return self._combine(expression, parts, where)

    def _combine(self, expression: sympy.Expr, parts: list[Any], where: str) -> Any:
        if expression.is_Mul:
            units = self.one
            for argument in parts:
                units = units * self.of(argument, where)
            return units
        if expression.is_Pow:
            return self.of(expression.base, where) ** float(expression.exp) if expression.exp.is_number else self.one
        if expression.is_Add or isinstance(expression, sympy.Max | sympy.Min):
            terms = [argument for argument in parts if not argument.is_number or expression.is_Add]
            first = self.of(terms[0], where)
            for argument in terms[1:]:
                self.same(self.of(argument, where), first, where)
            return first
        units = [self.of(argument, where) for argument in parts]
        return units[0] if isinstance(expression, sympy.Abs) else self.one
