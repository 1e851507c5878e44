"""The residual of a problem's equations at the targets of a neural process."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np
import sympy
import torch
from sympy.core.function import AppliedUndef
from torch import Tensor

from sciflow.core import InputError
from sciflow.problems.compile import Orders
from sciflow.problems.residual.autograd_torch import Derivatives
from sciflow.problems.residual.common import Equations

if TYPE_CHECKING:
    from sciflow.data import Dataset
    from sciflow.problems.problem import Problem

_SMALL = 1e-4  # of a field's spread: below it a field that must be positive counts as 0


@final
class Physics:
    """What the equations leave when the mean is put in, by automatic differentiation.

    A field of which a power that is not a positive whole number is taken (the porous medium's u^m) must be positive.
    Where a network's mean is not, it counts as constant in space and 0, which makes the diffusion max(u, 0)^m: what is
    left of u_t = (u^m u_x)_x is u_t.

    Args:
        problem: whose equations they are.
        train: the training cases, with the parameters of each.

    Raises:
        InputError: the problem has no equations, an input field or a field that the data lack, or positions differ by
            case.
    """

    def __init__(self, problem: Problem, train: Dataset) -> None:
        self._equations = Equations(problem, "torch")
        if not self._equations.names:
            raise InputError(f"The problem '{problem.name}' has no equations; leave out the option physics.")
        needed = {info.name for info in (*problem.fields, *problem.inputs)}
        if problem.inputs or not needed <= set(train.fields):
            raise InputError(
                f"The equations of '{problem.name}' need the fields {sorted(needed)}, but the data set has "
                f"{train.fields}; leave out the option physics."
            )
        if any(f"{axis}_of_case" in train.header for axis in train.space):
            raise InputError(f"Positions of '{problem.name}' differ by case; leave out the option physics.")
        self._column = {name: train.fields.index(name) for name in needed}
        names = [symbol.name for symbol in problem.coordinates]
        self._order = [("t", *train.space).index(name) for name in names]
        self._names, self._timed = names, "t" in names
        known = {info.name for info in (*problem.parameters, *problem.coefficients)}
        self._parameters = {
            name: np.asarray(train.header[name].values, np.float64) for name in sorted(known & set(train.header.coords))
        }
        self._positive = positive_fields(problem)

    def __call__(self, points: Tensor, fields: Tensor, cases: np.ndarray, spread: Tensor) -> Tensor:
        """Residuals [E, B, M] in physical units.

        Args:
            points: [B, M, 1 + D], seconds and positions in tensor order, which `fields` were computed from.
            fields: [B, M, C], physical units.
            cases: [B], positions in the training cases.
            spread: [B, 1, C], how large the fields are.
        """
        derivatives = Derivatives(fields, points, self._column)

        def derivative(name: str, orders: Orders) -> Tensor:
            own = [0] * points.shape[-1]
            for place, order in zip(self._order, orders, strict=True):
                own[place] = order
            value = derivatives(name, tuple(own))
            if name not in self._positive:
                return value
            least = _SMALL * spread[..., self._column[name]]
            present = fields[..., self._column[name]] > least
            if not any(orders):
                return torch.where(present, value, least)
            return torch.where(present, value, 0.0) if any(own[1:]) else value

        coordinates = {name: points[..., place] for name, place in zip(self._names, self._order, strict=True)}
        parameters = {
            name: torch.as_tensor(values[cases], device=points.device)[:, None]
            for name, values in self._parameters.items()
        }
        left = self._equations.evaluate(derivative, coordinates, parameters)
        return torch.stack(
            [torch.as_tensor(value, dtype=points.dtype, device=points.device).expand(points.shape[:-1])
             for value in left.values()]
        )  # fmt: skip


def positive_fields(problem: Problem) -> set[str]:
    """Fields with a power in the equations that is not a positive whole number, such as u^m or 1 / u."""
    found = set()
    for equation in problem.equations.values():
        for power in sympy.sympify(equation).doit().atoms(sympy.Pow):
            if not (power.exp.is_Integer and power.exp > 0):
                found |= {call.func.__name__ for call in power.base.atoms(AppliedUndef)}
    return found
