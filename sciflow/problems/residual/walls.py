"""The declared conditions of a problem on the sides of its box, as a residual on a grid uses them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sympy
import torch
from torch import Tensor

from sciflow.core.errors import InputError
from sciflow.problems.compile import Compiled, compile_expressions
from sciflow.problems.conditions import Outflow
from sciflow.problems.differences import Side
from sciflow.problems.edges import Edge, edge
from sciflow.problems.residual.grid import Frames

if TYPE_CHECKING:
    from sciflow.problems.problem import Problem

Sides = tuple[Side | None, Side | None]


class Walls:
    """Conditions by field and side (``"x-"``), their values and coefficients.

    Args:
        problem: gives the conditions.
        towards: (field, axis) pairs that are differentiated or need values at the ends; inputs may be among them, they
            are known and have no conditions.
        open_sides: take a side without a condition, or one with Outflow, as open (one-sided stencils).

    Raises:
        InputError: a side of `towards` has no condition that stencils can use, and `open_sides` is not set; or the box
            has a value or coefficient that is not known beforehand.
    """

    def __init__(self, problem: Problem, towards: Sequence[tuple[str, str]], open_sides: bool) -> None:
        self._problem = problem
        fields = {info.name for info in problem.fields}
        self._edges: dict[tuple[str, str], Edge] = {}
        for name, axis in dict.fromkeys(towards):
            if name not in fields or axis in problem.periodic:
                continue
            for side in (axis + "-", axis + "+"):
                condition = problem.boundary.get(name, {}).get(side)
                if condition is not None and not isinstance(condition, Outflow):
                    found = edge(problem, name, side)
                    assert found is not None
                    self._edges[name, side] = found
                elif not open_sides:
                    declared = "no condition" if condition is None else f"the condition {condition.kind}"
                    raise InputError(
                        f"Field '{name}' of '{problem.name}' is differentiated towards the side '{side}' and has "
                        f"{declared} there; declare Dirichlet, Neumann or Robin, or pass open_sides=True for one-sided "
                        "stencils."
                    )
        values = [found.value for found in self._edges.values()]
        factors = [factor for found in self._edges.values() for factor in (found.a, found.b)]
        self.compiled: Compiled = compile_expressions([*values, *factors], problem.coordinates, "torch")

    def has(self, name: str, side: str) -> bool:
        """Whether a condition on a field holds on a side."""
        return (name, side) in self._edges

    def sides(self, frames: Frames, name: str, axis: str) -> list[Sides]:
        """Coefficients of the conditions at both ends: one entry for each case, or one for all where none differs."""
        pair = [self._edges.get((name, axis + sign)) for sign in "-+"]
        used = set().union(*(_names(found) for found in pair if found is not None))
        rows = [{key: case[key] for key in used if key in case} for case in frames.cases]
        if all(row == rows[0] for row in rows):
            rows = rows[:1]
        known = [self._problem.values(row) for row in rows]
        return [tuple(None if found is None else found.side(row) for found in pair) for row in known]  # type: ignore[misc]

    def values(self, frames: Frames, name: str, axis: str) -> list[Tensor | None]:
        """g of both ends, broadcasting against [B, T, *S] with one entry along the axis; None on an open side."""
        out: list[Tensor | None] = []
        keys = list(self._edges)
        for sign, end in zip("-+", frames.bounds[axis], strict=True):
            if (name, axis + sign) not in self._edges:
                out.append(None)
                continue
            results = frames.call(self.compiled, (), self._problem.values(), **{axis: frames.along([end], axis)})
            out.append(_tensor(results[keys.index((name, axis + sign))], frames))
        return out

    def factors(self, frames: Frames, name: str, side: str) -> tuple[Tensor, Tensor]:
        """a and b of the condition a u + b du/dn = g, differentiable in the parameters they hold."""
        results = frames.call(self.compiled, (), self._problem.values())
        index = len(self._edges) + 2 * list(self._edges).index((name, side))
        return _tensor(results[index], frames), _tensor(results[index + 1], frames)


def _names(found: Edge) -> set[str]:
    return {symbol.name for symbol in (sympy.sympify(found.a).free_symbols | sympy.sympify(found.b).free_symbols)}


def _tensor(value: Any, frames: Frames) -> Tensor:
    """A tensor that broadcasts against the fields."""
    found = torch.as_tensor(value).to(frames.like)
    return found if found.ndim else found.reshape([1] * frames.like.ndim)
