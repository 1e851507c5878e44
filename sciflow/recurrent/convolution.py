"""Periodic convolutions of fields kept as rows [B, N, C], and the recurrent step fused into one operation."""

from __future__ import annotations

import math
from typing import Any, Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from sciflow.recurrent.moves import Moves, at_rest, plan, select

Activation = Literal["relu", "tanh", "gelu"]
_FUNCTIONS = {"relu": torch.relu, "tanh": torch.tanh, "gelu": functional.gelu}
_FEW = 4  # channels below which a matrix product is faster
_CONVOLUTIONS = {2: functional.conv2d, 3: functional.conv3d}


def activated(rows: Tensor, activation: Activation) -> Tensor:
    """The activation of every number."""
    return _FUNCTIONS[activation](rows)


def convolve(padded: Tensor, weight: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Convolution of padded rows [B, M, C_in] with [C_out, C_in, *K]: [B, N, C_out].

    Rows are the memory layout "channels last" of an image, so that nothing is rearranged.

    Args:
        padded: fields with their halo.
        weight: the kernel.
        shape: points along each axis with the halo.
    """
    image, kernel = _as_image(padded, shape), _as_kernel(weight)
    result = _CONVOLUTIONS[image.ndim - 2](image, kernel)
    return result.movedim(1, -1).reshape(padded.shape[0], -1, weight.shape[0]).contiguous()


def _as_image(padded: Tensor, shape: tuple[int, ...]) -> Tensor:
    """[B, C, *S] of rows; one axis becomes two, since torch knows the layout for two and three alone."""
    space = (1, *shape) if len(shape) == 1 else shape
    return padded.view(padded.shape[0], *space, padded.shape[-1]).movedim(-1, 1)


def _as_kernel(weight: Tensor) -> Tensor:
    return weight.unsqueeze(2) if weight.ndim == 3 else weight


def initial_weight(channels: int, width: int, kernel: tuple[int, ...]) -> Tensor:
    """A kernel [width, channels, *K] drawn as torch draws those of its convolutions."""
    bound = 1 / math.sqrt(channels * math.prod(kernel))
    return torch.empty(width, channels, *kernel).uniform_(-bound, bound)


@final
class PeriodicConv(nn.Module):
    """Convolution of fields on a periodic grid, rows [B, N, C_in] to rows [B, N, C_out].

    Args:
        channels: C_in.
        width: C_out.
        dims: space axes.
        kernel: points of the kernel along each axis, odd.
        bias: add a number to each channel.
    """

    def __init__(self, channels: int, width: int, dims: int, kernel: int, *, bias: bool) -> None:
        super().__init__()
        self.kernel = (kernel,) * dims
        self.weight = nn.Parameter(initial_weight(channels, width, self.kernel))
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None

    @property
    def halo(self) -> tuple[int, ...]:
        """Cells that the kernel reaches beyond its point."""
        return tuple(size // 2 for size in self.kernel)

    def forward(self, rows: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The convolution of fields on a grid of the given points."""
        moves = plan(at_rest(len(shape)), shape, self.halo, rows.device)
        padded = select(rows, moves)
        few = rows.shape[-1] < _FEW
        result = self._as_product(padded, moves) if few else convolve(padded, self.weight, moves.padded)
        return result if self.bias is None else result + self.bias

    def _as_product(self, padded: Tensor, moves: Moves) -> Tensor:
        """For the few channels of a frame: torch's convolutions are slow there, one matrix product is not."""
        image = padded.view(padded.shape[0], *moves.padded, padded.shape[-1])
        for axis, size in enumerate(self.kernel, start=1):
            image = image.unfold(axis, size, 1)
        patches = image.reshape(padded.shape[0], math.prod(moves.shape), -1)
        return patches @ self.weight.flatten(1).mT


def recurrent_step(
    rows: Tensor, lifted: Tensor, weight: Tensor, moves: Moves, activation: Literal["relu", "tanh"]
) -> Tensor:
    """``sigma(W * psi_1(nu) h(nu) + a)`` for all slices: one copy, one convolution, and the rest in place.

    Only h and the result are kept for the gradient; the moved and padded copy is made again when it is needed.

    Args:
        rows: h, [B, V N, C].
        lifted: a, [B, N, C], the same for all slices, or [B, V N, C].
        weight: W, [C, C, *K].
        moves: how the slices move, with a halo as wide as the kernel needs.
        activation: sigma.

    Returns:
        [B, V N, C]
    """
    if torch.compiler.is_compiling() or not torch.is_grad_enabled():
        return _step(rows, lifted, weight, moves, activation)
    return _Step.apply(rows, lifted, weight, moves, activation)


def _step(rows: Tensor, lifted: Tensor, weight: Tensor, moves: Moves, activation: str) -> Tensor:
    batch, channels, points = rows.shape[0], rows.shape[-1], math.prod(moves.shape)
    padded = rows.index_select(1, moves.source).view(-1, math.prod(moves.padded), channels)
    result = convolve(padded, weight, moves.padded).view(batch, -1, points, weight.shape[0])
    result += lifted.view(batch, -1, points, weight.shape[0])
    result = result.relu_() if activation == "relu" else result.tanh_()
    return result.view(batch, -1, weight.shape[0])


@final
class _Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, lifted: Tensor, weight: Tensor, moves: Moves, activation: str) -> Tensor:
        result = _step(rows, lifted, weight, moves, activation)
        ctx.save_for_backward(rows, result, weight)
        ctx.moves, ctx.activation, ctx.shared = moves, activation, lifted.shape[1] != result.shape[1]
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        rows, result, weight = ctx.saved_tensors
        moves, batch, points = ctx.moves, rows.shape[0], math.prod(ctx.moves.shape)
        inner = _before(gradients[0].contiguous(), result, ctx.activation)
        lifted = inner.view(batch, -1, points, weight.shape[0]).sum(1) if ctx.shared else inner
        below = kernels = None
        if ctx.needs_input_grad[0]:  # the adjoint of a periodic convolution is one with the kernel turned round
            padded = inner.index_select(1, moves.back).view(-1, math.prod(moves.padded), weight.shape[0])
            below = convolve(padded, weight.transpose(0, 1).flip(list(range(2, weight.ndim))), moves.padded).view_as(
                rows
            )
        if ctx.needs_input_grad[2]:
            padded = rows.index_select(1, moves.source).view(-1, math.prod(moves.padded), rows.shape[-1])
            kernels = _kernel_gradient(padded, inner.view(padded.shape[0], points, weight.shape[0]), weight, moves)
        return below, lifted, kernels, None, None


def _kernel_gradient(padded: Tensor, gradient: Tensor, weight: Tensor, moves: Moves) -> Tensor:
    """The gradient of a kernel from that of what it gave."""
    image, outer, kernel = _as_image(padded, moves.padded), _as_image(gradient, moves.shape), _as_kernel(weight)
    none, one = [0] * (image.ndim - 2), [1] * (image.ndim - 2)
    result: Tensor = torch.ops.aten.convolution_backward(
        outer, image, kernel, None, one, none, one, False, none, 1, [False, True, False]
    )[1]
    return result.view_as(weight)


def _before(gradient: Tensor, result: Tensor, activation: str) -> Tensor:
    """The gradient before the activation, which follows from the result of it."""
    if activation == "relu":
        return torch.ops.aten.threshold_backward(gradient, result, 0)
    return torch.ops.aten.tanh_backward(gradient, result)
