"""Residuals by finite differences on any box, aware of what holds on its sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sciflow.core.errors import InputError
from sciflow.problems.compile import Compiled, Orders
from sciflow.problems.differences import ACCURACIES
from sciflow.problems.residual import operators
from sciflow.problems.residual.common import Equations
from sciflow.problems.residual.grid import Frames, GridResidual
from sciflow.problems.residual.times import differentiate
from sciflow.problems.residual.walls import Walls

if TYPE_CHECKING:
    from sciflow.problems.problem import Problem


class Residual(GridResidual):
    """Residual of every equation by differences in space and time; called as every `GridResidual`.

    The conditions join the stencils near the sides, so that the error is of order `accuracy` in the maximum norm up to
    and on them. Input fields are known everywhere and are differentiated one-sidedly near the sides.

    - Nodes (a point lies on the side): the equation is evaluated at the side too. Where a Dirichlet condition
      holds, the stencil reads the field's own value on the side, not the datum, and a further variable
      ``FIELD_at_SIDE`` (``u_at_x-``; dimensions without that axis) is the residual of each condition: u - g,
      du/dn - g or a u + b du/dn - g with one-sided du/dn.
    - Cells (no point on the side): the condition is part of the stencils and has no rows of its own.

    A mixed derivative uses the conditions along its first axis only, since none are declared for derivatives.

    Args:
        problem: on a box, with Dirichlet, NoSlip, Neumann or Robin conditions or periodic axes.
        accuracy: order of the differences in space and time, 2, 4 or 6; a time derivative needs accuracy + 1 frames.
        open_sides: use one-sided stencils on sides without a condition, and on those with Outflow.

    Raises:
        InputError: a side has no condition that stencils can use; an input that is differentiated is discontinuous;
            what `GridResidual` refuses; a grid that does not cover the axis; too few points or frames.
    """

    def __init__(self, problem: Problem, accuracy: int = 4, open_sides: bool = False) -> None:
        super().__init__(problem)
        if accuracy not in ACCURACIES:
            raise InputError(f"The accuracy of differences is {accuracy!r}; use one of {ACCURACIES}.")
        self._accuracy = accuracy
        self._equations = Equations(problem, "torch")
        wanted = self._equations.compiled.derivatives
        towards = [
            (name, symbol.name)
            for name, orders in wanted
            for symbol, order in zip(problem.coordinates, orders, strict=True)
            if order and symbol != problem.t
        ]
        jumping = [
            info.name
            for info, value in problem.inputs.items()
            if getattr(value, "threshold", None) is not None and info.name in {name for name, _ in towards}
        ]
        if jumping:
            raise InputError(
                f"The input '{jumping[0]}' of '{problem.name}' is discontinuous and cannot be differentiated; use "
                "residual('volume'), which is in flux form."
            )
        self._walls = Walls(problem, towards, open_sides)
        # Conditions on fields that are not differentiated towards the side are checked on it all the same.
        names = dict.fromkeys(name for name, _ in wanted)
        self._rows = Walls(problem, [(name, axis) for name in names for axis in problem.axes], open_sides=True)

    @property
    def needs(self) -> tuple[Compiled, ...]:
        return self._equations.compiled, self._rows.compiled

    def evaluate(self, frames: Frames) -> dict[str, Tensor]:
        for axis in self._problem.axes:
            fields = [info.name for info in self._problem.fields]
            closed = [any(self._walls.has(name, axis + sign) for name in fields) for sign in "-+"]
            operators.check_extent(frames, axis, axis in self._problem.periodic, closed)

        known: dict[tuple[str, Orders], Tensor] = {}

        def derivative(name: str, orders: Orders) -> Tensor:
            if (name, orders) not in known:
                known[name, orders] = self._derivative(frames, name, orders)
            return known[name, orders]

        residuals = self._equations.evaluate(derivative, frames.positions, frames.parameters)
        out = {name: torch.as_tensor(value).to(frames.like) for name, value in residuals.items()}
        return {**out, **self._boundary_rows(frames)}

    def _derivative(self, frames: Frames, name: str, orders: Orders) -> Tensor:
        problem, array, first = self._problem, frames.fields[name], True
        steps = list(zip(problem.coordinates, orders, strict=True))
        for symbol, order in steps:
            if order and symbol != problem.t:
                array = self._along(frames, name if first else "", symbol.name, order, array)
                first = False
        if problem.t is not None and orders[0]:
            assert frames.times is not None
            array = differentiate(array, frames.times, orders[0], self._accuracy)
        return array

    def _along(self, frames: Frames, name: str, axis: str, order: int, array: Tensor) -> Tensor:
        """Derivative along an axis, by the conditions on the field `name`, or one-sided ones for no name."""
        periodic = axis in self._problem.periodic
        pairs = self._walls.sides(frames, name, axis)
        found = [operators.derivative(frames, axis, order, self._accuracy, periodic, pair) for pair in pairs]
        return operators.combine(frames, axis, array, found, self._walls.values(frames, name, axis))

    def _boundary_rows(self, frames: Frames) -> dict[str, Tensor]:
        """Residual of each condition whose side has nodes on it."""
        out = {}
        for name, array in frames.fields.items():
            for axis in self._problem.axes:
                dim, ends = frames.dim(axis), zip("-+", (0, -1), frames.bounds[axis], strict=True)
                values = self._rows.values(frames, name, axis)
                for (sign, index, bound), value in zip(ends, values, strict=True):
                    if value is None or frames.axes[axis][index] != bound:
                        continue
                    a, b = self._rows.factors(frames, name, axis + sign)
                    row = a * array.narrow(dim, index % array.shape[dim], 1) - value
                    if torch.any(b != 0):
                        matrix = operators.derivative(frames, axis, 1, self._accuracy, False)[0][[index]]
                        outwards = 1 if sign == "+" else -1
                        row = row + b * outwards * operators.contract(frames.tensor(matrix), array, dim)
                    out[f"{name}_at_{axis}{sign}"] = row.squeeze(dim)
        return out
