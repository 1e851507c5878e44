"""Positions on the axes of a grid, and what factorized attention makes of them: angles and quadrature weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sciflow.core.errors import InputError

_SHARPEST, _BASE = 64.0, 10000.0


@dataclass(frozen=True)
class Axes:
    """What a block needs to know of the grid.

    Args:
        angles: for each space axis, in tensor order, the rotary angles [1 or B, points, pairs] of its points.
        weights: for each axis quadrature weights [B, points], whose sum is 1; None where every point counts alike and
            kernels are summed without weights, as published.
    """

    angles: tuple[Tensor, ...]
    weights: tuple[Tensor, ...] | None = None

    def points(self) -> Tensor | None:
        """Weights of the points of the grid [B, N], products of those of the axes."""
        if self.weights is None:
            return None
        first, *others = self.weights
        for weights in others:
            first = (first[:, :, None] * weights[:, None, :]).flatten(1)
        return first


def published_axes(space: Sequence[int], lengths: Sequence[float], pairs: int, like: Tensor) -> Axes:
    """Axes as published: n points from 0 to ``lengths``, ends included, whatever the coordinates say.

    The angle of pair r at position s is 64 s 10000^{-r / pairs}: so sharp that kernels belong to the grid of training.
    """
    rates = _SHARPEST * _BASE ** (-torch.arange(pairs, dtype=torch.float64) / pairs)
    angles = (torch.outer(positions, rates) for positions in _even(space, lengths))
    return Axes(tuple(angle[None].to(like) for angle in angles))


def published_points(space: Sequence[int], lengths: Sequence[float], like: Tensor) -> Tensor:
    """The positions of :func:`published_axes` at every point, [1, *S, D]."""
    return torch.stack(torch.meshgrid(*_even(space, lengths), indexing="ij"), -1)[None].to(like)


def weighted_axes(coordinates: Tensor, periodic: Sequence[bool], pairs: int, waves: int) -> Axes:
    """Axes from the true coordinates 0 … 1, with angles of few waves and quadrature weights.

    The angle of pair r is 2π k s on a periodic axis and π k s on another, k = r mod ``waves``: the kernel is a function
    of the distance, periodic where the axis is, and the same function on every grid that resolves it.
    """
    numbers = torch.arange(pairs, device=coordinates.device) % waves
    angles, weights = [], []
    for axis, wraps in enumerate(periodic):
        positions = axis_positions(coordinates, axis)
        angles.append((2 if wraps else 1) * math.pi * positions[..., None] * numbers)
        weights.append(quadrature(positions, wraps))
    return Axes(tuple(angles), tuple(weights))


def axis_positions(coordinates: Tensor, axis: int) -> Tensor:
    """Positions [B, points] along one axis of a grid whose coordinates [B, D, *S] are a product of axes.

    Raises:
        InputError: a position changes along another axis, so that the grid is not a product of axes.
    """
    lines = coordinates[:, axis].movedim(axis + 1, 1).flatten(2)
    if lines.shape[-1] and not torch.compiler.is_compiling():
        spread = lines.detach().amax(-1) - lines.detach().amin(-1)
        if bool((spread > 1e-4).any()):
            raise InputError(
                "The weighted form needs a grid that is a product of axes, but the coordinates of one axis change "
                "along another; use weighted=False."
            )
    return lines[..., 0]


def quadrature(positions: Tensor, periodic: bool) -> Tensor:
    """Weights [B, n] of points at 0 ≤ s ≤ 1: the part of the axis that is nearer to a point than to its neighbours.

    Centres of equal cells weigh 1/n, nodes that include the ends follow the trapezoidal rule.
    """
    middles = (positions[:, 1:] + positions[:, :-1]) / 2
    if periodic:
        seam = (positions[:, :1] + 1 + positions[:, -1:]) / 2
        faces = torch.cat((seam - 1, middles, seam), 1)
    else:
        faces = torch.cat((torch.zeros_like(positions[:, :1]), middles, torch.ones_like(positions[:, :1])), 1)
    return faces.diff(dim=1)


def _even(space: Sequence[int], lengths: Sequence[float]) -> list[Tensor]:
    return [
        torch.linspace(0, length, points, dtype=torch.float64) for points, length in zip(space, lengths, strict=True)
    ]
