r"""Conditions that hold by construction, and those that are left to the loss.

A field is :math:`u = A + B\,N` with a network N, where A meets the initial and the Dirichlet conditions and B vanishes
where they hold: :math:`B = \frac{t - t_0}{T} \prod_s d_s`, d the distance to a side over the length of its axis (Lagaris,
Likas and Fotiadis (1998), IEEE Trans. Neural Netw. 9, 987). Conditions that this form cannot hold, such as a jump
between start and wall, prescribed slopes, or the surface of an obstacle, become terms of the loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import sympy

from sciflow.pinn.functions import Known, Values, drawn, expression
from sciflow.pinn.series import Series
from sciflow.problems import Dirichlet
from sciflow.problems.compile import Orders, numeric
from sciflow.problems.distributions import Distribution

if TYPE_CHECKING:
    from sciflow.problems import Case, Problem
    from sciflow.problems.conditions import Condition


@dataclass(frozen=True)
class Soft:
    """A condition that the loss holds: on a side, or at the start (side ``"t-"``)."""

    field: str
    side: str
    condition: Condition | None = None


@dataclass(frozen=True)
class Ansatz:
    """A and B of every field, and the conditions that they do not hold."""

    offsets: Mapping[str, Known]
    factors: Mapping[str, Known]
    soft: tuple[Soft, ...] = field(default=())

    def __call__(self, values: Values, orders: tuple[Orders, ...], outputs: Series) -> dict[str, Series]:
        """Fields from the rows of a network, in the order of the problem."""
        fields = {}
        for row, name in enumerate(self.factors):
            fields[name] = outputs[row : row + 1] * self.factors[name](values, orders)
            if name in self.offsets:
                fields[name] = fields[name] + self.offsets[name](values, orders)
        return fields


def ansatz_of(
    problem: Problem,
    case: Case,
    time: tuple[float, float] | None,
    *,
    start: Mapping[str, Known] | None = None,
    hard: bool = True,
) -> Ansatz:
    """The ansatz of one case on a time interval.

    Args:
        start: known fields at the beginning, instead of the problem's initial conditions.
        hard: False leaves every condition but the period to the loss.

    Raises:
        InputError: a start is drawn at random on an axis that is not periodic.
    """
    offsets: dict[str, Known] = {}
    factors: dict[str, Known] = {}
    soft: list[Soft] = []
    for name in (info.name for info in problem.fields):
        sides = {side: condition for side, condition in problem.boundary.get(name, {}).items() if side != "gauge"}
        begins = time is not None and name in problem.evolution
        if not hard:
            soft += [Soft(name, side, condition) for side, condition in sides.items()]
            soft += [Soft(name, "t-")] if begins else []
            factors[name] = expression(problem, sympy.Integer(1))
            continue
        value = _start(problem, case, name, start) if begins else None
        held, correction = _held(problem, case, sides, value, time)
        soft += [Soft(name, side, condition) for side, condition in sides.items() if side not in held]
        factor = _vanishing(problem, case, held)
        if begins:
            assert time is not None
            factor = factor * (problem.t - time[0]) / (time[1] - time[0])
        factors[name] = expression(problem, factor)
        parts = [part for part in (_known(problem, case, name, value), correction) if part is not None]
        if parts:
            offsets[name] = _summed(parts)
    return Ansatz(offsets, factors, tuple(soft))


def _start(
    problem: Problem, case: Case, name: str, start: Mapping[str, Known] | None
) -> Known | sympy.Expr | Distribution:
    if start is not None:
        return start[name]
    value = problem.initial.get(name, sympy.Integer(0))
    return value if isinstance(value, Distribution) else sympy.sympify(problem.drive(value))


def _known(
    problem: Problem, case: Case, name: str, value: Known | sympy.Expr | Distribution | None
) -> Known | None:
    if isinstance(value, Distribution):
        return drawn(problem, value, case, list(problem.evolution).index(name))
    if isinstance(value, sympy.Expr):
        return None if value == 0 else expression(problem, value)
    return value


def _held(
    problem: Problem,
    case: Case,
    sides: Mapping[str, Condition],
    start: Known | sympy.Expr | Distribution | None,
    time: tuple[float, float] | None,
) -> tuple[list[str], Known | None]:
    """The sides whose Dirichlet values the ansatz can hold, and what it needs for that beside the start.

    On one axis the difference between the prescribed values and the start's is carried into the domain linearly; it must
    be zero at the beginning. On more axes it must be zero at all times.
    """
    held, correction = [], sympy.Integer(0)
    for side, condition in sides.items():
        if not isinstance(condition, Dirichlet) or side[:-1] not in problem.axes:
            continue
        axis, low, high = _axis(problem, case, side[:-1])
        end = low if side.endswith("-") else high
        wanted = sympy.sympify(problem.drive(condition.value[0]))
        if start is None or isinstance(start, sympy.Expr):
            missing = wanted - (0 if start is None else start.subs(axis, end))
        else:  # a network or a draw: no formula, so that only a value that stays can be held
            continue
        always = _vanishes(problem, case, missing)
        first = missing if time is None else missing.subs(problem.t, time[0])
        if not always and (len(problem.space) > 1 or (time is not None and not _vanishes(problem, case, first))):
            continue
        if not always:
            correction += missing * ((high - axis) if side.endswith("-") else (axis - low)) / (high - low)
        held.append(side)
    return held, None if correction == 0 else expression(problem, correction)


def _axis(problem: Problem, case: Case, name: str) -> tuple[sympy.Symbol, float, float]:
    low, high = problem.bounds(case.parameters)[name]
    return next(symbol for symbol in problem.space if symbol.name == name), low, high


def _vanishes(problem: Problem, case: Case, value: sympy.Expr) -> bool:
    """Whether an expression is zero, to rounding, at random places and times."""
    written = sympy.sympify(value).subs({key: number for key, number in problem.values(case.values).items()})
    symbols = sorted(written.free_symbols, key=lambda symbol: symbol.name)
    drawn_points = np.random.default_rng(0).uniform(0, 1, (16, len(symbols)))
    function = numeric(symbols, written)
    return all(abs(float(function(*row))) < 1e-10 for row in drawn_points)


def _vanishing(problem: Problem, case: Case, held: list[str]) -> sympy.Expr:
    """Product of the distances to the sides, each from 0 to 1."""
    factor = sympy.Integer(1)
    for name in problem.axes:
        symbol, low, high = _axis(problem, case, name)
        below, above = (symbol - low) / (high - low), (high - symbol) / (high - low)
        ends = "".join(sign for sign in "-+" if name + sign in held)
        factor *= {"": 1, "-": below, "+": above, "-+": 4 * below * above}[ends]
    return factor


def _summed(parts: list[Known]) -> Known:
    def evaluate(values: Values, orders: tuple[Orders, ...]) -> Series:
        total = parts[0](values, orders)
        for part in parts[1:]:
            total = total + part(values, orders)
        return total

    return evaluate
