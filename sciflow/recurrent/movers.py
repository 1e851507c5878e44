"""How the memory of each velocity moves from one frame to the next."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from sciflow.recurrent.moves import Moves, at_rest, fractional, plan, select
from sciflow.recurrent.velocities import Velocities


class Mover(nn.Module, ABC):
    """Moves the V slices of a memory [B, V N, C], each in its own way.

    Attributes:
        velocities: the set V, one velocity for each slice.
    """

    velocities: Velocities

    @abstractmethod
    def exact_moves(self, shape: tuple[int, ...], halo: tuple[int, ...], device: torch.device) -> Moves | None:
        """Row numbers that move and pad in one copy, where moving is no more than that; else None."""

    @abstractmethod
    def move(self, rows: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The moved slices, [B, V N, C]."""

    def padded(self, rows: Tensor, shape: tuple[int, ...], halo: tuple[int, ...]) -> tuple[Tensor, Moves]:
        """The moved slices with a periodic halo, [B V, M, C], and how they lie."""
        moves = self.exact_moves(shape, halo, rows.device)
        if moves is None:
            return around(self.move(rows, shape), len(self.velocities), shape, halo)
        return select(rows, moves).view(-1, math.prod(moves.padded), rows.shape[-1]), moves


def around(rows: Tensor, slices: int, shape: tuple[int, ...], halo: tuple[int, ...]) -> tuple[Tensor, Moves]:
    """Slices [B, V N, C] with a periodic halo, [B V, M, C], and how they lie."""
    moves = plan(at_rest(len(shape)), shape, halo, rows.device)
    apart = rows.reshape(rows.shape[0] * slices, -1, rows.shape[-1])
    return select(apart, moves), moves


@final
class Drift(Mover):
    """Slice nu moves by nu: ``(psi_1(nu) h)(x) = h(x - nu)``.

    Whole velocities are exact; others go through Fourier modes, see `sciflow.recurrent.moves.fractional`.
    """

    def __init__(self, velocities: Velocities) -> None:
        super().__init__()
        self.velocities = velocities

    def exact_moves(self, shape: tuple[int, ...], halo: tuple[int, ...], device: torch.device) -> Moves | None:
        return plan(self.velocities, shape, halo, device) if self.velocities.whole else None

    def move(self, rows: Tensor, shape: tuple[int, ...]) -> Tensor:
        if not self.velocities.whole:
            return fractional(rows, self.velocities, shape)
        return select(rows, plan(self.velocities, shape, (0,) * len(shape), rows.device))


@final
class LearnedMover(Mover):
    """Slice nu is convolved with a learned kernel of its own, the same for all channels.

    As many slices and the same cost as a `Drift`, whose kernels would be one at the place nu and zero elsewhere, but no
    equivariance: the control "G-RNN+" of the paper, arXiv:2507.14793. Kernels start near those that leave a slice where
    it is, and apart by what is random in them; kernels that are random alone lose or blow up memory at the start.

    Args:
        velocities: says how many slices, and how far the kernels reach.
        identity: share of the kernel that leaves a slice where it is.
    """

    def __init__(self, velocities: Velocities, identity: float) -> None:
        super().__init__()
        self.velocities = velocities
        vectors = velocities.vectors
        reach = [math.ceil(max(abs(vector[axis]) for vector in vectors)) for axis in range(velocities.dims)]
        self.reach = tuple(reach)
        size = [2 * width + 1 for width in reach]
        kernels = (1 - identity) * math.prod(size) ** -0.5 * torch.randn(len(velocities), *size)
        kernels[:, *reach] += identity
        self.kernels = nn.Parameter(kernels)

    def exact_moves(self, shape: tuple[int, ...], halo: tuple[int, ...], device: torch.device) -> Moves | None:
        return None

    def move(self, rows: Tensor, shape: tuple[int, ...]) -> Tensor:
        slices, batch, channels = len(self.velocities), rows.shape[0], rows.shape[-1]
        padded, moves = around(rows, slices, shape, self.reach)
        image = padded.view(batch, slices, *moves.padded, channels).movedim(-1, 1).flatten(0, 1)
        convolve = (functional.conv1d, functional.conv2d, functional.conv3d)[len(shape) - 1]
        moved = convolve(image, self.kernels[:, None], groups=slices)
        return moved.unflatten(0, (batch, channels)).movedim(1, -1).reshape(batch, -1, channels)
