r"""Conditions that hold by construction, and those that are left to the loss.

A field is :math:`u = A + B\,N` with a network N, where A meets the initial and the Dirichlet conditions and B vanishes
where they hold: :math:`B = \frac{t - t_0}{T} \prod_s d_s`, d the distance to a side over the length of its axis
(Lagaris, Likas and Fotiadis (1998), IEEE Trans. Neural Netw. 9, 987). Conditions that this form cannot hold, such as a
jump between start and wall, prescribed slopes, the surface of an obstacle, or a start with a break inside, become
terms of the loss.

A start that is not smooth where a period closes needs care. The network is smooth there, so that a jump of the slope in
A would stay for ever; no collocation point sees it, and the loss of a wrong answer would vanish. Diffusion spreads the
kink :math:`\tfrac s2 |d|`, s the jump of the slope and d the distance to the seam, to

.. math:: \tfrac s2\, E|d + \sigma Z|, \qquad \sigma^2 = 2 D (t - t_0), \qquad Z \sim N(0, 1),

which A then holds instead; every other such start is left to the loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import sympy
from sympy.core.function import AppliedUndef

from sciflow.pinn.functions import Known, Values, drawn, expression
from sciflow.pinn.series import Series
from sciflow.problems import Dirichlet
from sciflow.problems.compile import Orders, numeric
from sciflow.problems.distributions import Distribution
from sciflow.problems.geometry import evaluate
from sciflow.problems.symbols import TIME

if TYPE_CHECKING:
    from sciflow.problems import Case, Problem
    from sciflow.problems.conditions import Condition


_TRIED = 1024  # places and times at which values are compared
_HELD = 1e-10  # of the largest value: what prescribed values may differ by from the start's to be met by construction
_SMOOTH = 1e-6  # of the largest value: what a start may jump by where a period closes

# Functions that break, or whose slope does; relational conditions come with Piecewise alone.
BROKEN = (
    sympy.Piecewise,
    sympy.Abs,
    sympy.Min,
    sympy.Max,
    sympy.sign,
    sympy.Heaviside,
    sympy.floor,
    sympy.ceiling,
    sympy.Mod,
)

_TIME = sympy.Symbol(TIME, real=True)

Interval = tuple[float, float]


@dataclass(frozen=True)
class Soft:
    """A condition that the loss holds: on a side, or at the start (side ``"t-"``)."""

    field: str
    side: str
    condition: Condition | None = None


@dataclass(frozen=True)
class Ansatz:
    """A and B of every field, and the conditions that they do not hold.

    Attributes:
        starts: the part of A that is the start at first; of fields that have one and whose start is held.
        offsets: the rest of A, which carries prescribed values into the domain.
        factors: B.
    """

    starts: Mapping[str, Known]
    offsets: Mapping[str, Known]
    factors: Mapping[str, Known]
    soft: tuple[Soft, ...] = field(default=())

    def __call__(
        self, values: Values, orders: tuple[Orders, ...], outputs: Series, start: Mapping[str, Series] | None = None
    ) -> dict[str, Series]:
        """Fields from the rows of a network, in the order of the problem.

        Args:
            start: known fields at the beginning in place of `starts`.
        """
        fields = {}
        for row, name in enumerate(self.factors):
            fields[name] = outputs[row : row + 1] * self.factors[name](values, orders)
            if name in self.starts:
                fields[name] = fields[name] + (self.starts[name](values, orders) if start is None else start[name])
            if name in self.offsets:
                fields[name] = fields[name] + self.offsets[name](values, orders)
        return fields


def ansatz_of(
    problem: Problem,
    case: Case,
    time: Interval | None,
    *,
    hard: bool = True,
    mirrors: Mapping[str, Mapping[str, int]] | None = None,
) -> Ansatz:
    """The ansatz of one case on a time interval.

    Args:
        hard: False leaves every condition but the period to the loss.
        mirrors: signs of the fields by axis, about whose middle B is then even or odd; the network is even there.

    Raises:
        InputError: a start is drawn at random and is not smooth.
    """
    starts: dict[str, Known] = {}
    offsets: dict[str, Known] = {}
    factors: dict[str, Known] = {}
    soft: list[Soft] = []
    for name in (info.name for info in problem.fields):
        sides = {side: condition for side, condition in problem.boundary.get(name, {}).items() if side != "gauge"}
        begins = time is not None and name in problem.evolution
        if not hard:
            soft += [Soft(name, side, condition) for side, condition in sides.items()]
            soft += [Soft(name, "t-")] if begins else []
            factors[name] = expression(problem, _odd(problem, case, name, mirrors or {}))
            continue
        value = _start(problem, name, time) if time is not None and begins else None
        if time is not None and isinstance(value, sympy.Expr) and _spread(problem, case, name, value, time) is None:
            soft.append(Soft(name, "t-"))
            value = None
        held, correction = _held(problem, case, sides, value, time)
        soft += [Soft(name, side, condition) for side, condition in sides.items() if side not in held]
        factor = _vanishing(problem, case, held)
        if time is not None and value is not None:
            factor *= (_TIME - time[0]) / (time[1] - time[0])
            starts[name] = start_of(problem, case, name, time)
        factors[name] = expression(problem, factor * _odd(problem, case, name, mirrors or {}))
        if correction != 0:
            offsets[name] = expression(problem, correction)
    return Ansatz(starts, offsets, factors, tuple(soft))


def _odd(problem: Problem, case: Case, name: str, mirrors: Mapping[str, Mapping[str, int]]) -> sympy.Expr:
    """What is odd about the middle of the axes along which a field is, and even elsewhere."""
    factor = sympy.Integer(1)
    for axis in (axis for axis, signs in mirrors.items() if signs[name] < 0):
        symbol, low, high = _axis(problem, case, axis)
        unit = (2 * symbol - low - high) / (high - low)  # -1 to 1
        factor *= sympy.sin(sympy.pi * unit) if axis in problem.periodic else unit
    return factor


def _start(problem: Problem, name: str, time: Interval) -> sympy.Expr | Distribution:
    value = problem.initial.get(name, sympy.Integer(0))
    return value if isinstance(value, Distribution) else problem.drive(value).subs(problem.t, time[0])


def start_of(problem: Problem, case: Case, name: str, time: Interval) -> Known:
    """The start of an evolving field as a function; its kinks where a period closes spread in time.

    Raises:
        InputError: it is drawn at random and is not smooth.
    """
    value = _start(problem, name, time)
    if isinstance(value, Distribution):
        return drawn(problem, value, case, list(problem.evolution).index(name))
    return expression(problem, value + (_spread(problem, case, name, value, time) or 0))


def closes_smoothly(problem: Problem, case: Case, name: str, time: Interval) -> bool:
    """Whether a start has no break, and no jump of a derivative that matters where a period closes."""
    value = _start(problem, name, time)
    return isinstance(value, Distribution) or _spread(problem, case, name, value, time) == 0


def _spread(problem: Problem, case: Case, name: str, start: sympy.Expr, time: Interval) -> sympy.Expr | None:
    """What spreads the kinks of a start where periods close; None where the ansatz cannot hold the start.

    A jump of a derivative counts if its order is below that of the equations: theirs is then infinite at the seam.
    Every break inside the domain counts: no collocation point would see one that A holds.
    """
    if any(start.atoms(*BROKEN)) and any(_highest(problem, name, axis) for axis in start.free_symbols):
        return None
    total, size = sympy.Integer(0), _largest(problem, case, start, time)
    for label in problem.periodic:
        axis, low, high = _axis(problem, case, label)
        length, highest = high - low, _highest(problem, name, axis)
        jumps = [start.diff(axis, k).subs(axis, low) - start.diff(axis, k).subs(axis, high) for k in range(highest)]
        sizes = [_largest(problem, case, jump, time) * length**k for k, jump in enumerate(jumps)]
        rough = [k for k, found in enumerate(sizes) if not found <= _SMOOTH * size]
        if not rough:
            continue
        diffusivity = _diffusivity(problem, case, name, axis)
        if rough != [1] or highest != 2 or diffusivity is None:
            return None
        # Not quite zero at the beginning, where the layers would be singular.
        passed = sympy.sqrt((_TIME - time[0]) ** 2 + (1e-12 * (time[1] - time[0])) ** 2)
        sigma = sympy.sqrt(2 * diffusivity * passed)
        distances = [distance + image * length for distance in (axis - low, high - axis) for image in range(3)]
        total += jumps[1] / 2 * sum(_layer(distance, sigma) for distance in distances)
    return total


def _layer(distance: sympy.Expr, sigma: sympy.Expr) -> sympy.Expr:
    """E|d + sigma Z| - d, Z normal, for d >= 0."""
    z = distance / (sympy.sqrt(2) * sigma)
    return sigma * sympy.sqrt(2 / sympy.pi) * sympy.exp(-(z**2)) - distance * sympy.erfc(z)


def _highest(problem: Problem, name: str, axis: sympy.Symbol) -> int:
    """The highest order of a field's derivatives along an axis in any equation."""
    symbol = problem.field(name).symbol
    found = {atom for equation in problem.equations.values() for atom in equation.doit().atoms(sympy.Derivative)}
    return max((int(dict(d.variable_count).get(axis, 0)) for d in found if d.expr == symbol), default=0)


def _diffusivity(problem: Problem, case: Case, name: str, axis: sympy.Symbol) -> sympy.Expr | None:
    """D of u_t = D u_xx + ..., if that is a positive number and the problem has one axis."""
    right = sympy.expand(problem.drive(problem.evolution[name]).doit())
    found = right.coeff(problem.field(name).symbol.diff(axis, 2))
    if len(problem.space) > 1 or found.atoms(AppliedUndef) or found.free_symbols & set(problem.coordinates):
        return None
    return found if evaluate(found, problem.values(case.values)) > 0 else None


def _held(
    problem: Problem,
    case: Case,
    sides: Mapping[str, Condition],
    start: sympy.Expr | Distribution | None,
    time: Interval | None,
) -> tuple[list[str], sympy.Expr]:
    """The sides whose Dirichlet values the ansatz can hold, and what it needs for that beside the start.

    On one axis the difference between the prescribed values and the start's is carried into the domain linearly; it
    must be zero at the beginning. On more axes it must be zero at all times.
    """
    held: list[str] = []
    correction = sympy.Integer(0)
    if isinstance(start, Distribution):  # it has no formula that could be compared
        return held, correction
    begins = sympy.Integer(0) if start is None else start
    for side, condition in sides.items():
        if not isinstance(condition, Dirichlet) or side[:-1] not in problem.axes:
            continue
        axis, low, high = _axis(problem, case, side[:-1])
        end = low if side.endswith("-") else high
        wanted = problem.drive(condition.value[0])
        missing = (wanted - begins).subs(axis, end)
        allowed = _HELD * max(_largest(problem, case, part, time) for part in (wanted, begins))
        if _largest(problem, case, missing, time) <= allowed:
            held.append(side)
            continue
        first = sympy.Integer(0) if start is None or time is None else missing.subs(problem.t, time[0])
        if len(problem.space) == 1 and _largest(problem, case, first, time) <= allowed:
            correction += missing * ((high - axis) if side.endswith("-") else (axis - low)) / (high - low)
            held.append(side)
    return held, correction


def _axis(problem: Problem, case: Case, name: str) -> tuple[sympy.Symbol, float, float]:
    low, high = problem.bounds(case.parameters)[name]
    return next(symbol for symbol in problem.space if symbol.name == name), low, high


def _largest(problem: Problem, case: Case, value: sympy.Expr, time: Interval | None) -> float:
    """The largest size of an expression at random places of the domain, and times up to the problem's end."""
    ends = dict(problem.bounds(case.parameters))
    if time is not None:
        ends["t"] = (time[0], max(time[1], (problem.time or time)[1]))
    random = np.random.default_rng(0)
    known = {**problem.values(case.values), **{name: random.uniform(*end, _TRIED) for name, end in ends.items()}}
    symbols = sorted(value.free_symbols, key=lambda symbol: symbol.name)
    return float(np.max(np.abs(numeric(symbols, value)(*(known[symbol.name] for symbol in symbols)))))


def _vanishing(problem: Problem, case: Case, held: list[str]) -> sympy.Expr:
    """Product of the distances to the sides, each from 0 to 1."""
    factor = sympy.Integer(1)
    for name in problem.axes:
        symbol, low, high = _axis(problem, case, name)
        below, above = (symbol - low) / (high - low), (high - symbol) / (high - low)
        ends = "".join(sign for sign in "-+" if name + sign in held)
        factor *= {"": 1, "-": below, "+": above, "-+": 4 * below * above}[ends]
    return factor
