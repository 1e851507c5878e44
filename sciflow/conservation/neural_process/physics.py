"""The residual of a problem's equations at the targets of a neural process."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np
import torch
from torch import Tensor

from sciflow.core import InputError

if TYPE_CHECKING:
    from sciflow.data import Dataset
    from sciflow.problems.problem import Problem


@final
class Physics:
    """What the equations leave when a mean is put in, in physical units and with the parameters of each case.

    Args:
        problem: whose equations they are. Powers that only hold for positive values, such as the u^m of the porous
            medium, must be declared as `sciflow.problems.positive_power`: a network's mean may be negative.
        train: the training cases.

    Raises:
        InputError: the problem has no equations, an input field or a field that the data lack, or positions differ by
            case.
    """

    def __init__(self, problem: Problem, train: Dataset) -> None:
        fields = [info.name for info in problem.fields]
        if not problem.equations:
            raise InputError(f"The problem '{problem.name}' has no equations; leave out the option physics.")
        if problem.inputs or not set(fields) <= set(train.fields):
            needed = [*fields, *(info.name for info in problem.inputs)]
            raise InputError(
                f"The equations of '{problem.name}' need the fields {needed}, of which a neural process for this data "
                f"set gives {train.fields}; leave out the option physics."
            )
        if any(f"{axis}_of_case" in train.header for axis in train.space):
            raise InputError(f"Positions of '{problem.name}' differ by case; leave out the option physics.")
        self._residual = problem.residual("torch")
        self._columns = [train.fields.index(name) for name in fields]
        ours = ("t", *train.space)
        self._order = [ours.index(symbol.name) for symbol in problem.coordinates]
        self._parameters = {
            info.name: np.asarray(train.header[info.name].values, np.float64)
            for info in (*problem.parameters, *problem.coefficients)
            if info.name in train.header.coords
        }

    def freed(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Points [B, M, 1 + D] as a leaf [B M, D'] in the order of the problem, and anew as computed from this."""
        leaf = points[..., self._order].flatten(0, 1).requires_grad_(True)
        columns = list(points.unbind(dim=-1))
        for place, column in zip(self._order, leaf.unflatten(0, points.shape[:2]).unbind(dim=-1), strict=True):
            columns[place] = column
        return leaf, torch.stack(columns, dim=-1)

    def __call__(self, leaf: Tensor, fields: Tensor, cases: np.ndarray) -> Tensor:
        """Residuals [E, B M] of fields [B, M, C] that were computed from a leaf; `cases` [B] count from 0."""
        each = fields.shape[1]
        parameters = {
            name: torch.as_tensor(values[cases], device=fields.device).repeat_interleave(each)
            for name, values in self._parameters.items()
        }
        left = self._residual(lambda _: fields[..., self._columns].flatten(0, 1), leaf, **parameters)
        return torch.stack(list(left.values()))
