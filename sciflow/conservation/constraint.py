"""Linear constraints on a vector of values: G u = b + noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from sciflow.conservation.arrays import require_finite, returned, tensor
from sciflow.core.errors import InputError

_LONG = 4096


@final
@dataclass(frozen=True, eq=False)
class Constraint:
    """K linear conditions G u = b + e with e ~ N(0, diag(noise^2)) on values u of n points.

    Attributes:
        matrix: G [..., K, n]; leading dimensions broadcast against those of the values u [..., n].
        target: b [..., K].
        noise: standard deviation of each condition, in units of b; a number or [K]. 0: the conditions hold exactly.
        names: a name for each row, for messages.

    Raises:
        InputError: shapes do not fit, a value is not finite, or the noise is negative.
    """

    matrix: Any
    target: Any
    noise: Any = 0.0
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        matrix, target, noise = (
            tensor(self.matrix, "matrix of a constraint"),
            tensor(self.target, "target of a constraint"),
            tensor(self.noise, "noise of a constraint"),
        )
        if matrix.ndim < 2 or target.ndim < 1 or matrix.shape[-2] != target.shape[-1] or matrix.shape[-2] == 0:
            raise InputError(
                f"A constraint needs a matrix [..., K, n] and a target [..., K] of equal K, at least 1, not the shapes "
                f"{tuple(matrix.shape)} and {tuple(target.shape)}."
            )
        if noise.shape not in ((), (1,), (matrix.shape[-2],)):
            raise InputError(
                f"The noise of a constraint must be a number or [{matrix.shape[-2]}], one for each row, not an array "
                f"of the shape {tuple(noise.shape)}."
            )
        if not bool((noise >= 0).all() and torch.isfinite(noise).all()):
            raise InputError("The noise of a constraint is a standard deviation; give finite numbers of 0 or more.")
        try:
            torch.broadcast_shapes(matrix.shape[:-2], target.shape[:-1])
        except RuntimeError:
            raise InputError(
                f"The leading dimensions of a constraint's matrix {tuple(matrix.shape)} and target "
                f"{tuple(target.shape)} do not broadcast; insert dimensions of size 1 where one is missing."
            ) from None
        require_finite(matrix, "matrix of a constraint")
        require_finite(target, "target of a constraint")
        names = tuple(self.names) or tuple(f"row {row}" for row in range(matrix.shape[-2]))
        if len(names) != matrix.shape[-2]:
            raise InputError(f"A constraint of {matrix.shape[-2]} rows has {len(names)} names; give one for each row.")
        object.__setattr__(self, "names", names)

    @property
    def rows(self) -> int:
        """K, the number of conditions."""
        return int(self.matrix.shape[-2])

    @property
    def size(self) -> int:
        """n, the number of values."""
        return int(self.matrix.shape[-1])

    def residual(self, values: Any) -> Any:
        """G u - b, [..., K], of values u [..., n]; the kind of array follows the values."""
        found = products(tensor(values, "values"), self.tensors()[0]) - self.tensors()[1]
        return returned(found, isinstance(values, np.ndarray))

    def scale(self, values: Any) -> Any:
        """|b| + sum |G| |u|, [..., K]: what a residual is compared with; rounding leaves about 1e-16 of it."""
        matrix, target, _ = self.tensors()
        found = products(tensor(values, "values").abs(), matrix.abs()) + target.abs()
        return returned(found, isinstance(values, np.ndarray))

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """G, b and the noise [K] as float64 tensors."""
        matrix = tensor(self.matrix, "matrix of a constraint")
        noise = tensor(self.noise, "noise of a constraint").expand(self.rows)
        return matrix, tensor(self.target, "target of a constraint"), noise


def products(values: Tensor, matrix: Tensor) -> Tensor:
    """G u [..., K] of values [..., n] and rows [..., K, n]; dimensions of size 1 are not copied.

    Long sums are taken in a tree: the rounding of a plain one would grow with n, to 1e-12 and more.
    """
    if values.shape[-1] > _LONG:
        return torch.stack([(row * values).sum(-1) for row in matrix.unbind(-2)], dim=-1)
    return torch.einsum("...kn,...n->...k", matrix, values)


def combine(*constraints: Constraint) -> Constraint:
    """All rows of several constraints on the same values, as one constraint.

    Raises:
        InputError: the constraints are on different numbers of values.
    """
    sizes = {constraint.size for constraint in constraints}
    if len(sizes) != 1:
        raise InputError(f"Constraints to combine must be on the same values; these are on {sorted(sizes)} of them.")
    parts = [constraint.tensors() for constraint in constraints]
    lead = torch.broadcast_shapes(*(matrix.shape[:-2] for matrix, _, _ in parts))
    lead_target = torch.broadcast_shapes(*(target.shape[:-1] for _, target, _ in parts))
    matrix = torch.cat([m.expand(*lead, *m.shape[-2:]) for m, _, _ in parts], dim=-2)
    target = torch.cat([b.expand(*lead_target, b.shape[-1]) for _, b, _ in parts], dim=-1)
    noise = torch.cat([r for _, _, r in parts])
    names: Sequence[str] = [name for constraint in constraints for name in constraint.names]
    numpy = all(isinstance(constraint.matrix, np.ndarray) for constraint in constraints)
    return Constraint(returned(matrix, numpy), returned(target, numpy), returned(noise, numpy), tuple(names))


def joint(constraint: Constraint) -> Constraint:
    """The conditions of T frames as one constraint on the T n values of all frames together.

    G becomes block-diagonal, [..., T K, T n], its target [..., T K]; rows are named ``mass[0]``, ``mass[1]``, ... With
    a covariance that couples frames (`LowRank` or `Dense` over the T n values, frame after frame), conditioning then
    also corrects each frame by what the others say; without coupling it gives what frame by frame gives. Memory is
    that of T^2 K n numbers for each case.

    Args:
        constraint: target [..., T, K], matrix [..., T or 1, K, n].

    Raises:
        InputError: the constraint has no dimension of frames.
    """
    matrix, target, noise = constraint.tensors()
    if target.ndim < 2:
        raise InputError("A joint constraint over frames needs a target [..., T, K]; this one has no frames.")
    frames, rows = target.shape[-2:]
    if matrix.ndim == 2:
        matrix = matrix.unsqueeze(0)
    matrix = matrix.expand(*matrix.shape[:-3], frames, *matrix.shape[-2:])
    blocks = torch.einsum("...tkn,ts->...tksn", matrix, torch.eye(frames, dtype=matrix.dtype, device=matrix.device))
    whole = blocks.reshape(*matrix.shape[:-3], frames * rows, frames * constraint.size)
    numpy = isinstance(constraint.matrix, np.ndarray)
    return Constraint(
        returned(whole, numpy),
        returned(target.reshape(*target.shape[:-2], frames * rows), numpy),
        returned(noise.repeat(frames), numpy),
        tuple(f"{name}[{frame}]" for frame in range(frames) for name in constraint.names),
    )
