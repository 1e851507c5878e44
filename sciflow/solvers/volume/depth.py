"""Recognising the shallow-water equations in a declaration."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from typing import TYPE_CHECKING, final

import sympy

from sciflow.core.errors import InputError
from sciflow.problems.geometry import Box

if TYPE_CHECKING:
    from sciflow.problems import Problem


@final
@dataclass(frozen=True)
class ShallowWaterForm:
    r"""The parts of :math:`h_t + \nabla\cdot q = 0,\; q_t + \nabla\cdot(q q / h) + g h \nabla(h + b) = 0`.

    Attributes:
        depth: name of h; momentum: names of q along each axis in the order x, y.
        gravity: g, an expression of parameters; bed: name of the input field b, or None for a flat bed.
    """

    depth: str
    momentum: tuple[str, ...]
    gravity: sympy.Expr
    bed: str | None

    @staticmethod
    def of(problem: Problem) -> ShallowWaterForm:
        """The parts in a problem.

        Raises:
            InputError: the problem has another form; the message is one sentence that begins with "it" or "its".
        """
        return _form(problem)


def reason_against(problem: Problem) -> str | None:
    """Why a problem is not shallow water on a box, or None if it is."""
    if not isinstance(problem.domain, Box) or len(problem.axes) > 2:
        return "it takes a box in one or two dimensions."
    try:
        ShallowWaterForm.of(problem)
    except InputError as error:
        return str(error)
    return None


@lru_cache(maxsize=16)  # simplifying takes a noticeable time, and a solver asks more than once
def _form(problem: Problem) -> ShallowWaterForm:
    names = list(problem.evolution)
    if len(names) != len(problem.axes) + 1 or len(problem.fields) != len(names) or problem.constraints:
        raise InputError("it needs a depth and a momentum along each axis, and nothing else.")
    depth, momentum = _continuity(problem, names)
    found = {_momentum(problem, depth, momentum, axis) for axis in range(len(momentum))}
    if len(found) > 1:
        raise InputError("its momentum equations differ in gravity or bed.")
    gravity, bed = found.pop()
    return ShallowWaterForm(depth, momentum, gravity, bed)


def _continuity(problem: Problem, names: list[str]) -> tuple[str, tuple[str, ...]]:
    """The depth and the momentum: h_t = -div q."""
    for depth, *momentum in permutations(names):
        outflow = sympy.Add(
            *(problem.field(q).symbol.diff(axis) for q, axis in zip(momentum, problem.space, strict=True))
        )
        if sympy.expand(problem.evolution[depth] + outflow) == 0:
            return depth, tuple(momentum)
    raise InputError("it holds no equation h_t = -div(q) of a depth and its momentum.")


def _momentum(problem: Problem, depth: str, momentum: tuple[str, ...], axis: int) -> tuple[sympy.Expr, str | None]:
    """Gravity and bed in one momentum equation."""
    h, q = problem.field(depth).symbol, [problem.field(name).symbol for name in momentum]
    place = problem.space[axis]
    carried = sympy.Add(*((q[axis] * other / h).diff(along) for other, along in zip(q, problem.space, strict=True)))
    rest = sympy.simplify(sympy.expand((problem.evolution[momentum[axis]] + carried).doit()))
    slope = sympy.Dummy()
    gravity = sympy.simplify(-sympy.expand(rest).xreplace({h.diff(place): slope}).diff(slope) / h)
    names = {info.symbol for info in problem.parameters}
    if gravity == 0 or not gravity.free_symbols <= names or gravity.atoms(sympy.Function):
        raise InputError(f"the equation of '{momentum[axis]}' holds no pressure g h grad(h) with constant g.")
    rest = sympy.simplify(rest + gravity * h * h.diff(place))
    if rest == 0:
        return gravity, None
    for info in problem.inputs:
        if sympy.simplify(rest + gravity * h * info.symbol.diff(place)) == 0:
            return gravity, info.name
    raise InputError(f"the equation of '{momentum[axis]}' holds '{rest}' besides pressure, transport and bed slope.")
