"""Recurrent cells with one slice of memory for each velocity."""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from sciflow.recurrent.convolution import (
    Activation,
    PeriodicConv,
    activated,
    convolve,
    initial_weight,
    recurrent_step,
)
from sciflow.recurrent.movers import Mover, around
from sciflow.recurrent.velocities import Velocities


class Cell(nn.Module, ABC):
    """One step of a memory h(nu, x), kept as rows [B, V N, C].

    Attributes:
        mover: moves the slices.
        width: channels C.
    """

    mover: Mover
    width: int

    @abstractmethod
    def forward(self, memory: Tensor | None, lifted: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The memory after a frame.

        Args:
            memory: h before, or None for zero.
            lifted: what the frame gives, U * f + b: [B, N, gates C] the same for all slices, or [B, V N, gates C].
            shape: points along each axis.
        """

    @property
    @abstractmethod
    def gates(self) -> int:
        """How many times C channels the lifted frame has."""


@final
class PlainCell(Cell):
    """``h'(nu) = sigma(W * psi_1(nu) h(nu) + a)``, with psi_1(nu) the move of slice nu by one frame.

    With mixing, W also sees the slices of nearby velocities: ``W * psi_1(nu) h(nu)`` becomes the sum over offsets d of
    ``W_d * psi_1(nu) h(nu + d)``, at most ``mixing`` steps of the set away along each axis. On a truncated set slices
    outside of it count as zero, so that the equivariance is lost from its edge inwards, one slice further each frame.

    The kernel starts as ``identity`` times the one that keeps h, plus (1 - identity) times torch's random one, so that
    memory fades slowly from the start.

    Source: Keller, Flow Equivariant Recurrent Neural Networks, NeurIPS 2025, arXiv:2507.14793; start near the identity:
    Le, Jaitly and Hinton, arXiv:1504.00941.

    Args:
        mover: how slices move.
        width: channels.
        kernel: points of W along each axis, odd.
        activation: sigma.
        identity: share of the identity in the initial W.
        mixing: how many steps of the velocity set W reaches.
        spacing: between neighbouring velocities of the set.
    """

    def __init__(
        self,
        mover: Mover,
        width: int,
        kernel: int,
        activation: Activation,
        identity: float,
        mixing: int = 0,
        spacing: float = 1.0,
    ) -> None:
        super().__init__()
        self.mover, self.width, self.activation = mover, width, activation
        self.mixing, self.spacing = mixing, spacing
        dims = mover.velocities.dims
        self.kernel, self.halo = (kernel,) * dims, (kernel // 2,) * dims
        self.offsets = tuple(itertools.product(*_steps(mover.velocities, mixing)))
        weight = (1 - identity) * initial_weight(width * len(self.offsets), width, self.kernel)
        own = self.offsets.index((0,) * dims) * width
        middle = (slice(None), slice(own, own + width), *self.halo)
        weight[middle] += identity * torch.eye(width)
        self.weight = nn.Parameter(weight)

    @property
    def gates(self) -> int:
        return 1

    def forward(self, memory: Tensor | None, lifted: Tensor, shape: tuple[int, ...]) -> Tensor:
        slices = len(self.mover.velocities)
        if memory is None:
            start = activated(lifted, self.activation)
            return start if start.shape[1] == slices * math.prod(shape) else start.repeat(1, slices, 1)
        moves = self.mover.exact_moves(shape, self.halo, lifted.device)
        if moves is not None and not self.mixing and self.activation != "gelu":
            return recurrent_step(memory, lifted, self.weight, moves, self.activation)
        if self.mixing:
            memory = self._neighbours(memory, shape)
        padded, moves = self.mover.padded(memory, shape, self.halo)
        inner = convolve(padded, self.weight, moves.padded).view(lifted.shape[0], slices, -1, self.width)
        return activated(inner + lifted.view(lifted.shape[0], -1, inner.shape[2], self.width), self.activation).flatten(
            1, 2
        )

    def _neighbours(self, memory: Tensor, shape: tuple[int, ...]) -> Tensor:
        """[B, V N, D C]: beside each slice those of the D velocities nearby."""
        velocities = self.mover.velocities
        slices = memory.view(memory.shape[0], len(velocities), -1, self.width)
        every = torch.cat([slices, torch.zeros_like(slices[:, :1])], 1)
        columns = []
        for offset in self.offsets:
            away = velocities.after([-self.spacing * step for step in offset], shape)
            numbers = [len(velocities) if number is None else number for number in away]
            columns.append(every[:, numbers])
        return torch.cat(columns, -1).flatten(1, 2)


@final
class GatedCell(Cell):
    """Gated recurrent unit in each slice, on the moved memory g = psi_1(nu) h(nu)::

        z = sigmoid(W_z * g + a_z),  r = sigmoid(W_r * g + a_r),  n = tanh(W_n * (r g) + a_n),  h' = z g + (1 - z) n

    Every operation acts on each slice alone and commutes with moves, so that it is as equivariant as the plain cell. z
    starts near one half plus: a bias of 1, so that memory is kept.

    Source: Cho et al., arXiv:1406.1078; convolutional: Ballas et al., arXiv:1511.06432; along flows: Keller,
    arXiv:2507.14793.

    Args:
        mover: how slices move.
        width: channels.
        kernel: points of the kernels along each axis, odd.
    """

    def __init__(self, mover: Mover, width: int, kernel: int) -> None:
        super().__init__()
        self.mover, self.width = mover, width
        dims = mover.velocities.dims
        self.halo = (kernel // 2,) * dims
        self.gate = nn.Parameter(initial_weight(width, 2 * width, (kernel,) * dims))
        self.candidate = nn.Parameter(initial_weight(width, width, (kernel,) * dims))
        self.keep = nn.Parameter(torch.ones(width))

    @property
    def gates(self) -> int:
        return 3

    def forward(self, memory: Tensor | None, lifted: Tensor, shape: tuple[int, ...]) -> Tensor:
        slices, width = len(self.mover.velocities), self.width
        lifted = lifted.view(lifted.shape[0], -1, math.prod(shape), 3 * width)
        if memory is None:
            fresh = torch.sigmoid(-lifted[..., :width] - self.keep) * lifted[..., 2 * width :].tanh()
            return fresh.expand(-1, slices, -1, -1).flatten(1, 2)
        padded, moves = self.mover.padded(memory, shape, self.halo)
        moved = self.mover.move(memory, shape)
        gates = convolve(padded, self.gate, moves.padded).view(lifted.shape[0], slices, -1, 2 * width)
        gates = torch.sigmoid(gates + lifted[..., : 2 * width] + torch.cat([self.keep, torch.zeros_like(self.keep)]))
        keep, reset = gates.flatten(1, 2).chunk(2, -1)
        padded, moves = around(reset * moved, slices, shape, self.halo)
        inner = convolve(padded, self.candidate, moves.padded).view(lifted.shape[0], slices, -1, width)
        new = (inner + lifted[..., 2 * width :]).tanh().flatten(1, 2)
        return torch.lerp(new, moved, keep)


@final
class Lift(nn.Module):
    """What a frame gives to the memory: U * f, and a linear map of what is constant in space.

    Args:
        channels: of a frame.
        width: channels of the result.
        dims: space axes.
        kernel: points of U along each axis, odd.
        conditions: numbers per frame that do not depend on space.
        bias: add a number to each channel.
    """

    def __init__(self, channels: int, width: int, dims: int, kernel: int, conditions: int, *, bias: bool) -> None:
        super().__init__()
        self.convolution = PeriodicConv(channels, width, dims, kernel, bias=bias)
        self.condition = nn.Linear(conditions, width, bias=False) if conditions else None

    def forward(self, frame: Tensor, condition: Tensor, shape: tuple[int, ...]) -> Tensor:
        """[B, N, width] of a frame [B, N, C] and its conditions [B, K]."""
        lifted = self.convolution(frame, shape)
        return lifted if self.condition is None else lifted + self.condition(condition)[:, None]


def _steps(velocities: Velocities, mixing: int) -> Sequence[range]:
    """Offsets along each axis; none along those that no velocity moves on."""
    moving = velocities.moving()
    return [range(-mixing, mixing + 1) if axis in moving else range(1) for axis in range(velocities.dims)]
