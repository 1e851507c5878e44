"""Solving in the frame that moves with the mean flow, so that Galilean invariance is exact whatever the time step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import sympy
from sympy.core.function import AppliedUndef

from sciflow.core.errors import InputError

if TYPE_CHECKING:
    from sciflow.problems import Problem
    from sciflow.problems.physics import Symmetry
    from sciflow.solvers.base import Grid

Fields = dict[str, np.ndarray]
_WHOLE = 1e-9  # cells; a shift that is so near to whole cells is one


class Comoving:
    """The Galilean symmetries of a periodic problem, used to solve it at rest and to move the answer.

    With f(t, x) the solution for velocities lowered by c, the solution is f(t, x - c (t - t0)), plus c where f is the
    velocity itself. Along each axis c is the first of the parameters that `galilean` names, or the mean of the field
    that it names at the start. Cases that differ by a boost alone are thus solved by the same operations, and their
    frames differ by a shift: whole cells by rolling, the rest by Fourier phases. Of the Nyquist mode, whose shift no
    grid holds, the part that the grid can show is kept: it is multiplied by the cosine of its phase.

    Raises:
        InputError: the problem declares no `galilean`, or its equations change under one.
    """

    def __init__(self, problem: Problem) -> None:
        self._boosts: dict[str, Symmetry] = {}
        for symmetry in problem.symmetries:
            if symmetry.kind == "galilean":
                self._boosts.setdefault(symmetry.axis, symmetry)
        if not self._boosts:
            raise InputError(
                f"Problem '{problem.name}' declares no galilean symmetry, so no frame moves with its flow; leave "
                "comoving out."
            )
        for symmetry in self._boosts.values():
            changed = _changed(problem, symmetry)
            if changed:
                raise InputError(
                    f"The equation of '{changed}' of '{problem.name}' is not the same in a frame that moves with "
                    f"{', '.join(symmetry.velocities)} along {symmetry.axis}; mend the symmetry or leave comoving out."
                )

    def at_rest(self, values: Fields, start: Fields) -> tuple[Fields, Fields, Fields]:
        """Velocity c of the frame by axis [case], and parameters [case] and start [case, ...] seen in it."""
        speeds: Fields = {}
        for axis, symmetry in self._boosts.items():
            first = symmetry.velocities[0]
            if first in start:
                speeds[axis] = start[first].mean(axis=tuple(range(1, start[first].ndim)))
                start = {**start, first: start[first] - _over(speeds[axis], start[first])}
            else:
                speeds[axis] = values[first]
                values = {**values, **{name: values[name] - values[first] for name in symmetry.velocities}}
        return speeds, values, start

    def moved(self, fields: Fields, speeds: Fields, times: np.ndarray, grid: Grid) -> Fields:
        """Fields [case, time, ...] as seen by who does not move; the frames coincide at the first of the times."""
        for axis, speed in speeds.items():
            points = grid.axes[axis]
            cells = np.multiply.outer(speed, times - times[0]) / (points[1] - points[0])
            place = -1 - list(grid.axes).index(axis)
            raised = self._boosts[axis].velocities
            fields = {
                name: shifted(values, cells, place) + (_over(speed, values) if name in raised else 0)
                for name, values in fields.items()
            }
        return fields


def shifted(values: np.ndarray, cells: np.ndarray, axis: int) -> np.ndarray:
    """Fields [case, time, ...] moved by a number of cells [case, time] along a periodic axis, counted from the end."""
    whole = np.round(cells)
    rest = cells - whole
    rest[np.abs(rest) <= _WHOLE * np.maximum(1, np.abs(cells))] = 0
    out = np.empty_like(values)
    for place in np.ndindex(cells.shape):
        rolled = np.roll(values[place], int(whole[place]), axis)
        out[place] = rolled if rest[place] == 0 else _by_phases(rolled, float(rest[place]), axis)
    return out


def _by_phases(values: np.ndarray, cells: float, axis: int) -> np.ndarray:
    count = values.shape[axis]
    phases = np.exp(-2j * np.pi * np.fft.rfftfreq(count) * cells)
    if count % 2 == 0:
        phases[-1] = phases[-1].real
    shape = [1] * values.ndim
    shape[axis] = -1
    return np.fft.irfft(np.fft.rfft(values, axis=axis) * phases.reshape(shape), count, axis)


def _over(numbers: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Numbers [case] that broadcast over values [case, ...]."""
    return numbers.reshape(-1, *[1] * (values.ndim - 1))


def _changed(problem: Problem, symmetry: Symmetry) -> str | None:
    """An equation that a boost changes: f_t = F where F(velocities + c) is not F(velocities) - c f_x, or holds x."""
    c = sympy.Dummy(real=True)
    axis = next(symbol for symbol in problem.space if symbol.name == symmetry.axis)
    symbols = [*(info.symbol for info in problem.parameters), *(info.symbol for info in problem.fields)]
    raised = {symbol: symbol + c for symbol in symbols if _label(symbol) in symmetry.velocities}
    for name, right in problem.evolution.items():
        carried = c * problem.field(name).symbol.diff(axis)
        if _differs(problem.drive(right), raised, carried, axis):
            return name
    for name, equation in problem.constraints.items():
        if _differs(problem.drive(equation.lhs - equation.rhs), raised, sympy.Integer(0), axis):
            return name
    return None


def _differs(
    expression: sympy.Expr, raised: Mapping[sympy.Expr, sympy.Expr], carried: sympy.Expr, axis: sympy.Symbol
) -> bool:
    left = sympy.expand((expression.subs(raised, simultaneous=True) - expression + carried).doit())
    return left != 0 or axis in _bare(expression.doit()).free_symbols


def _bare(expression: sympy.Expr) -> sympy.Expr:
    """The expression with a bare symbol for every field and derivative: what it holds of the coordinates itself."""
    for atoms in (sympy.Derivative, AppliedUndef):
        expression = expression.xreplace({atom: sympy.Dummy() for atom in expression.atoms(atoms)})
    return expression


def _label(symbol: sympy.Expr) -> str:
    return symbol.func.__name__ if isinstance(symbol, AppliedUndef) else str(symbol)
