"""Vector calculus on declared fields; the space coordinates are read from the fields themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy
from sympy.core.function import AppliedUndef

from sciflow.core.errors import InputError
from sciflow.problems.symbols import TIME


def space_of(expression: Any) -> tuple[sympy.Symbol, ...]:
    """The space coordinates that the fields of an expression depend on, in the order of the longest call."""
    calls = sympy.sympify(expression).atoms(AppliedUndef)
    longest = max((call.args for call in calls), key=len, default=())
    space = tuple(argument for argument in longest if argument.name != TIME)
    if not space:
        raise InputError(f"'{expression}' holds no field of space, so it has no gradient or divergence.")
    return space


def grad(expression: Any) -> sympy.ImmutableDenseMatrix:
    """Gradient of a scalar: the column of its space derivatives."""
    return sympy.ImmutableDenseMatrix([expression.diff(coordinate) for coordinate in space_of(expression)])


def div(vector: sympy.MatrixBase) -> sympy.Expr:
    """Divergence of a column vector with as many components as there are space coordinates."""
    space = space_of(vector)
    if len(vector) != len(space):
        raise InputError(f"div expects {len(space)} components, one for each of {space}, and was given {len(vector)}.")
    return sympy.Add(*(component.diff(coordinate) for component, coordinate in zip(vector, space, strict=True)))


def laplacian(expression: Any) -> Any:
    """Sum of the second space derivatives, of a scalar or of each component of a vector."""
    if isinstance(expression, sympy.MatrixBase):
        return expression.applyfunc(laplacian)
    return sympy.Add(*(expression.diff(coordinate, 2) for coordinate in space_of(expression)))


def dot(vector: sympy.MatrixBase, other: Any) -> Any:
    """Inner product of two vectors; `dot(velocity, grad)` is the operator velocity . grad."""
    if other is grad:
        return _convective(vector)
    return sympy.Add(*(a * b for a, b in zip(vector, other, strict=True)))


def _convective(vector: sympy.MatrixBase) -> Callable[[Any], Any]:
    def apply(expression: Any) -> Any:
        if isinstance(expression, sympy.MatrixBase):
            return expression.applyfunc(apply)
        return sympy.Add(*(a * b for a, b in zip(vector, grad(expression), strict=True)))

    return apply


def ramp(time: Any, duration: Any = 1) -> sympy.Expr:
    """A smooth start from 0 to 1, ``1 - exp(-5 (t / duration)^2)``: 0.993 at ``t = duration``, all derivatives exist.

    An impulsive start leaves a vortex sheet that no grid resolves.
    """
    return 1 - sympy.exp(-5 * (sympy.sympify(time) / duration) ** 2)
