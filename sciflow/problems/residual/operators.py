"""Difference operators along an axis, applied to tensors [B, T, *S]."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from torch import Tensor

from sciflow.core.errors import InputError
from sciflow.problems.differences import Line, Side
from sciflow.problems.residual.grid import Frames


def contract(matrix: Tensor, array: Tensor, dim: int) -> Tensor:
    """Apply matrices [m, n], or [B, m, n] by case, along one dimension of [B, T, *S]."""
    moved = array.movedim(dim, -1)
    transposed = matrix.transpose(-1, -2)
    if matrix.ndim == 3:  # one for each case
        transposed = transposed.reshape(-1, *[1] * (moved.ndim - 3), *transposed.shape[1:])
    return (moved @ transposed).movedim(-1, dim)


def combine(
    frames: Frames,
    axis: str,
    array: Tensor,
    operators: Sequence[tuple[np.ndarray, np.ndarray]],
    values: Sequence[Tensor | None] = (None, None),
) -> Tensor:
    """A u + B g along an axis, with one pair (A, B) for each case or one for all."""
    many = len(operators) > 1
    matrices = np.stack([a for a, _ in operators]) if many else operators[0][0]
    data = np.stack([b for _, b in operators])  # [B or 1, m, 2]
    out = contract(frames.tensor(matrices), array, frames.dim(axis))
    for end, value in enumerate(values):
        if value is not None and np.any(data[..., end]):
            column = frames.tensor(data[:, :, end])
            shape = [len(data), *[1] * (array.ndim - 1)]
            shape[frames.dim(axis)] = data.shape[1]
            out = out + column.reshape(shape) * value
    return out


def derivative(
    frames: Frames,
    axis: str,
    order: int,
    accuracy: int,
    periodic: bool,
    sides: tuple[Side | None, Side | None] = (None, None),
) -> tuple[np.ndarray, np.ndarray]:
    """(A, B) of a derivative along an axis of the grid; cached, since a loss asks for the same ones at each step."""
    return _derivative(frames.axes[axis].tobytes(), *frames.bounds[axis], *sides, periodic, accuracy, order)


def check_extent(frames: Frames, axis: str, periodic: bool, closed: Sequence[bool]) -> None:
    """Refuse a grid that stops short of a side with a condition, or of the period, where it would be taken for whole.

    Raises:
        InputError: more than 1.5 spacings are missing.
    """
    points, (low, high) = frames.axes[axis], frames.bounds[axis]
    gaps, steps = (points[0] - low, high - points[-1]), np.diff(points)
    if min(gaps) < -1e-9 * (high - low):
        raise InputError(f"The grid along '{axis}' leaves the domain, which is [{low:g}, {high:g}] there.")
    wrong = periodic and not 0.5 * steps.min() < sum(gaps) < 1.5 * steps.max()
    wrong = wrong or any(end and gap > 1.5 * step for end, gap, step in zip(closed, gaps, steps[[0, -1]], strict=True))
    if wrong:
        kind = "period" if periodic else "axis up to its sides"
        raise InputError(
            f"The residual needs the whole {kind} along '{axis}', [{low:g}, {high:g}]; this grid covers "
            f"[{points[0]:g}, {points[-1]:g}]."
        )


@lru_cache(maxsize=512)
def _derivative(
    points: bytes,
    low: float,
    high: float,
    left: Side | None,
    right: Side | None,
    periodic: bool,
    accuracy: int,
    order: int,
) -> tuple[np.ndarray, np.ndarray]:
    return Line(np.frombuffer(points), low, high, left, right, periodic, accuracy).derivative(order)
