"""The atoms of a declaration: coordinates, fields, parameters and signals.

Each atom is an ordinary SymPy object whose metadata (unit, range, ...) is part of its identity, so SymPy's caches
can never hand one problem's atom to another. A `Problem` copies the metadata out and keeps plain symbols.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sympy
from sympy.core.function import AppliedUndef, UndefinedFunction

from sciflow.core.errors import InputError

TIME = "t"  # the coordinate of this name is time; every other one is space


def coordinates(names: str) -> Any:
    """Real coordinates by name, as in `t, x = coordinates("t x")`; the one called ``t`` is time."""
    return sympy.symbols(names, real=True)


@dataclass(frozen=True)
class Field:
    """An unknown field; calling it with its coordinates gives the SymPy expression to write equations with.

    Args:
        name: name of the variable in equations and in data sets.
        unit: unit as pint reads it (``"m/s"``); ``""`` is dimensionless, None leaves units unchecked.
        components: names of the components of a vector field; the call then gives a SymPy column matrix.
        long_name: what axes and tables call it.

    Example: ``u = Field("u", unit="m/s")(t, x)``.
    """

    name: str
    unit: str | None = None
    components: tuple[str, ...] = ()
    long_name: str = ""

    def __call__(self, *arguments: sympy.Symbol) -> Any:
        for argument in arguments:
            if argument != sympy.Symbol(str(argument), real=True):
                raise InputError(
                    f"Field '{self.name}': '{argument}' is no coordinate; use t, x = coordinates(\"t x\")."
                )
        if not self.components:
            return _function(self.name, self)(*arguments)
        label = self.long_name or self.name
        parts = [
            _function(name, Field(name, self.unit, (), f"{label}, component {name}"), vector=self.name)(*arguments)
            for name in self.components
        ]
        return sympy.ImmutableDenseMatrix(parts)


@dataclass(frozen=True)
class Signal:
    """A known function of time that drives the problem, such as the speed of a lid; its value differs by case.

    Args:
        name: name of the variable in equations and in data sets.
        expression: its value as an expression of t, parameters and `coefficients`.
        coefficients: parameters of the signal alone. They are drawn per case and stored with it, so that the
            signal can be evaluated at any time; models see the signal's values, not its coefficients.
        unit: as for `Field`.
    """

    name: str
    expression: sympy.Expr
    coefficients: tuple[Parameter, ...] = ()
    unit: str | None = None
    long_name: str = ""

    def __call__(self, time: sympy.Symbol) -> Any:
        return _function(self.name, self)(time)


class Parameter(sympy.Symbol):
    """A scalar that differs by case: a SymPy symbol that knows its default, range, scale and unit.

    Args:
        name: symbol in equations, coordinate of the case axis in data sets.
        default: value used when nothing else is said.
        low, high: range that cases are drawn from; without a range the parameter stays at its default.
        scale: ``"linear"`` or ``"log"``: how it is drawn and how models see it.
        unit: as for `Field`.
        hidden: differs by case like any other, but methods are not told its value: a drift that a forecast must find
            in the frames it is given. Data sets store it; splits and tables by case may use it.

    Raises:
        InputError: the default lies outside the range, or a logarithmic range is not positive.
    """

    __slots__ = ("default", "description", "hidden", "high", "low", "scale", "unit")

    def __new__(
        cls,
        name: str,
        default: float,
        low: float | None = None,
        high: float | None = None,
        *,
        scale: str = "linear",
        unit: str | None = None,
        description: str = "",
        hidden: bool = False,
    ) -> Parameter:
        if (low is None) != (high is None):
            raise InputError(f"Parameter {name!r} has only one of low and high; give both or neither.")
        if low is not None and high is not None and not low <= default <= high:
            raise InputError(f"Parameter {name!r}: the default {default} lies outside its range {low} to {high}.")
        if scale not in ("linear", "log"):
            raise InputError(f"Parameter {name!r} has scale {scale!r}; expected 'linear' or 'log'.")
        if scale == "log" and low is not None and low <= 0:
            raise InputError(f"Parameter {name!r} has a logarithmic scale, so low must be positive, not {low}.")
        self = sympy.Symbol.__xnew__(cls, name, real=True)  # uncached: the cache knows names only
        self.default, self.low, self.high = float(default), low, high
        self.scale, self.unit, self.description, self.hidden = scale, unit, description, bool(hidden)
        return self

    def _hashable_content(self) -> tuple:
        mine = (self.default, self.low, self.high, self.scale, self.unit, self.description, self.hidden)
        return (*super()._hashable_content(), *(str(item) for item in mine))

    def __getnewargs_ex__(self) -> tuple:  # SymPy's own would rebuild a bare symbol
        names = ("scale", "unit", "description", "hidden")
        return ((self.name, self.default, self.low, self.high), {name: getattr(self, name) for name in names})

    def __reduce_ex__(self, protocol: Any) -> tuple:
        arguments, keywords = self.__getnewargs_ex__()
        return _rebuild_parameter, (arguments, keywords)


def _rebuild_parameter(arguments: tuple, keywords: dict) -> Parameter:
    return Parameter(*arguments, **keywords)


def _function(name: str, spec: Field | Signal, vector: str = "") -> UndefinedFunction:
    return UndefinedFunction(name, real=True, spec=spec, vector=vector)


def spec_of(atom: Any) -> Field | Signal:
    """The declaration behind an applied field or signal."""
    spec = getattr(getattr(atom, "func", None), "spec", None)
    if spec is None:
        raise InputError(f"{atom} is no declared field; write it as Field(name, unit=...)(t, x).")
    return spec


def plain(expression: Any) -> Any:
    """The same expression over bare SymPy functions and symbols, without metadata."""
    expression = sympy.sympify(expression)
    names: dict[Any, Any] = {atom: sympy.Symbol(atom.name, real=True) for atom in expression.atoms(Parameter)}
    for atom in expression.atoms(AppliedUndef):
        arguments = [argument.xreplace(names) for argument in atom.args]
        names[atom] = sympy.Function(atom.func.__name__, real=True)(*arguments)
    return expression.xreplace(names)


def flatten(items: Iterable[Any]) -> list[Any]:
    """Scalars and vectors (column matrices) as one list of scalars."""
    out: list[Any] = []
    for item in items:
        out.extend(list(item) if isinstance(item, sympy.MatrixBase) else [item])
    return out
