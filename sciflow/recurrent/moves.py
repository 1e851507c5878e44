"""Moving slices of a field by their velocities, with the halo that a periodic convolution needs, in one copy.

Fields are kept as rows: [B, V N, C], the N points of each of V slices one after the other, channels last. Moving slice
v by its velocity and padding it with a halo of its periodic neighbours is then one selection of rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sciflow.recurrent.velocities import Velocities


@final
@dataclass(frozen=True, eq=False)
class Moves:
    """Row numbers that move and pad V slices of N points.

    Attributes:
        shape: points along each axis.
        padded: points along each axis with the halo.
        source: [V M] the row that each of the M points with halo of each slice comes from.
        back: [V M] the same for the opposite velocities.
        home: [V N] where each row goes in the interior of the padded slices, the inverse of `source` there.
        halo: padded rows outside of the interior.
        origin: the rows that those come from.
    """

    shape: tuple[int, ...]
    padded: tuple[int, ...]
    source: Tensor
    back: Tensor
    home: Tensor
    halo: Tensor
    origin: Tensor


def plan(velocities: Velocities, shape: tuple[int, ...], halo: tuple[int, ...], device: torch.device) -> Moves:
    """The row numbers for whole velocities on a grid.

    Args:
        velocities: whole numbers of cells.
        shape: points along each axis.
        halo: cells added on both sides of each axis.
        device: where the numbers are kept.
    """
    # While torch traces a program, tensors are stand-ins that must not reach the cache.
    build = _plan.__wrapped__ if torch.compiler.is_compiling() else _plan
    return build(velocities, shape, halo, device)


@lru_cache(maxsize=128)
def _plan(velocities: Velocities, shape: tuple[int, ...], halo: tuple[int, ...], device: torch.device) -> Moves:
    padded = tuple(points + 2 * width for points, width in zip(shape, halo, strict=True))
    points, spread = math.prod(shape), math.prod(padded)
    interior = _numbers(padded, [np.arange(width, width + n) for width, n in zip(halo, shape, strict=True)])
    outside = np.setdiff1d(np.arange(spread), interior)
    source: list[NDArray[np.int64]] = []
    back: list[NDArray[np.int64]] = []
    home: list[NDArray[np.int64]] = []
    for number, vector in enumerate(velocities.vectors):
        whole = [round(part) for part in vector]
        for sign, rows in ((1, source), (-1, back)):
            axes = [
                (np.arange(-width, n + width) - sign * part) % n
                for width, n, part in zip(halo, shape, whole, strict=True)
            ]
            rows.append(number * points + _numbers(shape, axes).ravel())
        returned = np.roll(interior, [-part for part in whole], tuple(range(len(shape))))
        home.append(number * spread + returned.ravel())
    around = (np.arange(len(velocities))[:, None] * spread + outside).ravel()
    every = np.concatenate(source)
    with torch.inference_mode(False):  # the cache must also serve a later backward pass
        numbers = (every, np.concatenate(back), np.concatenate(home), around, every[around])
        return Moves(tuple(shape), padded, *(torch.from_numpy(part).to(device) for part in numbers))


def select(rows: Tensor, moves: Moves) -> Tensor:
    """Moved and padded slices [B, V M, C] of rows [B, V N, C]."""
    if torch.compiler.is_compiling() or not (torch.is_grad_enabled() and rows.requires_grad):
        return rows.index_select(1, moves.source)
    return _Select.apply(rows, moves)


def gathered(gradient: Tensor, moves: Moves) -> Tensor:
    """The adjoint of `select`: each row receives the sum over its copies.

    A selection for the interior and a sum over the few rows of the halo.
    """
    result = gradient.index_select(1, moves.home)
    if moves.halo.numel():
        result.index_add_(1, moves.origin, gradient.index_select(1, moves.halo))
    return result


@final
class _Select(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, moves: Moves) -> Tensor:
        ctx.moves = moves
        return rows.index_select(1, moves.source)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gathered(gradients[0], ctx.moves), None


def at_rest(dims: int) -> Velocities:
    """The set of the velocity zero alone."""
    return Velocities(((0.0,) * dims,))


def fractional(rows: Tensor, velocities: Velocities, shape: Sequence[int]) -> Tensor:
    """Slices [B, V N, C] moved by any velocities: f(x - v), by the phases exp(-i k v) of their Fourier modes.

    The mode of the shortest wave on an even number of points is set to zero: its sine is not on the grid, so that the
    phases would be no group. All others are moved exactly, but pointwise functions of what was moved alias.
    """
    batch, channels = rows.shape[0], rows.shape[-1]
    slices = rows.view(batch, len(velocities), *shape, channels)
    axes = tuple(range(2, 2 + len(shape)))
    spectrum = torch.fft.rfftn(slices, dim=axes)
    build = _phases.__wrapped__ if torch.compiler.is_compiling() else _phases
    phase = build(velocities, tuple(shape), rows.device, spectrum.dtype)
    moved = torch.fft.irfftn(spectrum * phase, s=tuple(shape), dim=axes)
    return moved.reshape(batch, -1, channels)


@lru_cache(maxsize=64)
def _phases(velocities: Velocities, shape: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    """[V, *modes, 1]"""
    result = np.ones((len(velocities), *[1] * len(shape)), complex)
    for axis, points in enumerate(shape):
        waves = np.fft.rfftfreq(points) if axis == len(shape) - 1 else np.fft.fftfreq(points)
        speeds = np.array([vector[axis] for vector in velocities.vectors])
        phase = np.exp(-2j * np.pi * speeds[:, None] * waves)
        if points % 2 == 0:
            phase[:, points // 2] = 0
        result = result * phase.reshape(len(phase), *[-1 if other == axis else 1 for other in range(len(shape))])
    with torch.inference_mode(False):
        return torch.from_numpy(result[..., None]).to(device, dtype)


def _numbers(shape: Sequence[int], axes: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Row numbers on a grid of the points with the given numbers along each axis."""
    rows = axes[0]
    for points, numbers in zip(shape[1:], axes[1:], strict=True):
        rows = rows[..., None] * points + numbers
    return rows


def moved(frames: Tensor, shifts: Tensor) -> Tensor:
    """Frames [B, T, F, \\*S] moved by their shifts [B, T, D] in cells, f(x - s), by the phases of their Fourier modes.

    The shortest wave on an even number of points takes the real part of its phase: exact for whole cells.
    """
    axes = tuple(range(3, frames.ndim))
    spectrum = torch.fft.fftn(frames, dim=axes)
    for number, axis in enumerate(axes):
        points = frames.shape[axis]
        wave = torch.fft.fftfreq(points, device=frames.device, dtype=frames.dtype)
        angle = -2 * math.pi * shifts[:, :, number, None] * wave
        phase = torch.polar(torch.ones_like(angle), angle)
        if points % 2 == 0:
            phase = torch.where(wave == -0.5, phase.real.to(phase.dtype), phase)
        spectrum = spectrum * phase.view(
            *phase.shape[:2], *[-1 if other == axis else 1 for other in range(2, axes[-1] + 1)]
        )
    return torch.fft.ifftn(spectrum, dim=axes).real
