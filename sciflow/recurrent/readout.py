"""From slices of memory to one frame: pooling over velocities, and decoding."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, final

import torch
from torch import Tensor, nn

from sciflow.recurrent.convolution import Activation, PeriodicConv, activated
from sciflow.recurrent.moves import Moves, gathered


@final
class Decoder(nn.Module):
    """Periodic convolutions from features [B, N, C] to the fields of a frame [B, N, F], linear at the end.

    Args:
        width: channels C.
        fields: F.
        dims: space axes.
        kernel: points along each axis, odd.
        layers: convolutions of C channels before the last.
        activation: between them.
        bias: add a number to each channel.
    """

    def __init__(
        self, width: int, fields: int, dims: int, kernel: int, layers: int, activation: Activation, *, bias: bool
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(PeriodicConv(width, width, dims, kernel, bias=bias) for _ in range(layers))
        self.last = PeriodicConv(width, fields, dims, kernel, bias=bias)
        self.activation = activation

    def forward(self, rows: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Fields [B, N, F]."""
        for layer in self.layers:
            rows = activated(layer(rows, shape), self.activation)
        return self.last(rows, shape)


class Pooling(nn.Module, ABC):
    """One field for all slices of features, [B, V, N, C] -> [B, N, C]."""

    @abstractmethod
    def forward(self, slices: Tensor) -> Tensor:
        """The pooled features."""


@final
class Largest(Pooling):
    """The largest value over the velocities, at each point and in each channel.

    Right where a slice that does not match the motion is near zero, as for bright objects on a dark ground; on dense
    fields the slices that do not match disturb the maximum, and velocities that were never seen fail.
    """

    def forward(self, slices: Tensor) -> Tensor:
        return slices.amax(1)


def moved_maximum(rows: Tensor, moves: Moves) -> Tensor:
    """The largest value over slices [B, V N, C] after they have moved, [B, N, C].

    For the gradient only the slices before the move are kept, which the next step of the memory keeps anyway.

    Args:
        rows: of the slices.
        moves: without a halo.
    """
    if torch.compiler.is_compiling() or not torch.is_grad_enabled():
        return _moved(rows, moves).amax(1)
    result: Tensor = _MovedMaximum.apply(rows, moves)
    return result


def _moved(rows: Tensor, moves: Moves) -> Tensor:
    return rows.index_select(1, moves.source).unflatten(1, (-1, math.prod(moves.shape)))


@final
class _MovedMaximum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, moves: Moves) -> Tensor:
        result = _moved(rows, moves).amax(1)
        ctx.save_for_backward(rows, result)
        ctx.moves = moves
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        rows, result = ctx.saved_tensors
        shares = _moved(rows, ctx.moves).eq_(result[:, None])  # slices that are equally large share the gradient
        shares *= (gradients[0] / shares.sum(1))[:, None]
        return gathered(shares.flatten(1, 2), ctx.moves), None


@final
class Mean(Pooling):
    """The mean over the velocities."""

    def forward(self, slices: Tensor) -> Tensor:
        return slices.mean(1)


@final
class Evidence(nn.Module):
    """Weights of the slices from their own errors on the context frames.

    Slice nu predicts each context frame from those before it; e(nu) is the mean square of its errors. The frames that
    the slices predict are then averaged with::

        w(nu) = softmax over nu of  -beta e(nu) / min e,          beta = exp(a learned number)

    The errors move with the slices, so that the weighted frame is equivariant to every flow whose slices are in the
    set, and slices that match nothing get no weight: the set may be widened after training. With ``local`` the errors
    are kept at each point, smoothed over about so many cells, and carried along with their slice, so that places with
    different drifts choose different slices.

    Args:
        local: standard deviation of the smoothing in cells; None takes one error for the whole field.
        learned: whether beta is; else it stays at 4.
    """

    def __init__(self, local: float | None, *, learned: bool = True) -> None:
        super().__init__()
        self.local = local
        self.log_beta = nn.Parameter(torch.tensor(math.log(4.0)), requires_grad=learned)

    def errors(self, predicted: Tensor, frame: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Square errors of the slices' frames [B, V, N, F] against the true one [B, N, F]: [B, V, 1 or N]."""
        square = (predicted - frame[:, None]).square().mean(-1)
        return square.mean(-1, keepdim=True) if self.local is None else smoothed(square, shape, self.local)

    def forward(self, errors: Tensor) -> Tensor:
        """Weights [B, V, 1 or N] of the sums of errors of the same shape."""
        least = errors.amin(1, keepdim=True).clamp(min=torch.finfo(errors.dtype).tiny)
        return torch.softmax(-self.log_beta.exp() * errors / least, 1)


def smoothed(values: Tensor, shape: tuple[int, ...], width: float) -> Tensor:
    """Values [..., N] of a periodic grid, smoothed with a Gaussian of so many cells; never below zero."""
    field = values.unflatten(-1, shape)
    axes = tuple(range(field.ndim - len(shape), field.ndim))
    spectrum = torch.fft.rfftn(field, dim=axes)
    for axis, points in zip(axes, shape, strict=True):
        frequencies = torch.fft.rfftfreq if axis == axes[-1] else torch.fft.fftfreq
        wave = frequencies(points, dtype=torch.float64)
        decay = torch.exp(-0.5 * (2 * math.pi * width * wave) ** 2).to(values)
        spectrum = spectrum * decay.view(-1, *[1] * (field.ndim - 1 - axis))
    return torch.fft.irfftn(spectrum, s=shape, dim=axes).clamp(min=0).flatten(-len(shape))
