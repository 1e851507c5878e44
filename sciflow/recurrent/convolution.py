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
_CACHED = 2**19  # numbers that a product of matrices takes at a time, so that they stay in the processor's cache
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
    if torch.is_autocast_enabled(padded.device.type):  # the gradient is written out for one number format
        with torch.autocast(padded.device.type, enabled=False):
            return convolve(padded.to(weight.dtype), weight, shape)
    if torch.compiler.is_compiling() or not torch.is_grad_enabled():
        return _convolve(padded, weight, shape)
    return _Convolution.apply(padded, weight, shape)


def _convolve(padded: Tensor, weight: Tensor, shape: tuple[int, ...]) -> Tensor:
    image, kernel = _as_image(padded, shape), _as_kernel(weight)
    result = _CONVOLUTIONS[image.ndim - 2](image, kernel)
    return result.movedim(1, -1).reshape(padded.shape[0], -1, weight.shape[0]).contiguous()


@final
class _Convolution(torch.autograd.Function):
    """The convolution with the weight gradient of `correlate`."""

    @staticmethod
    def forward(ctx: Any, padded: Tensor, weight: Tensor, shape: tuple[int, ...]) -> Tensor:
        ctx.save_for_backward(padded, weight)
        ctx.shape = shape
        return _convolve(padded, weight, shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        padded, weight = ctx.saved_tensors
        gradient, below, kernels = gradients[0].contiguous(), None, None
        if ctx.needs_input_grad[0]:
            image = _gradients(gradient, padded, _as_kernel(weight), ctx.shape, 0)
            below = image.movedim(1, -1).reshape_as(padded)
        if ctx.needs_input_grad[1]:
            kernels = correlate(padded, gradient, ctx.shape, weight.shape[2:]).transpose(0, 1)
        return below, kernels, None


def correlate(padded: Tensor, rows: Tensor, shape: tuple[int, ...], kernel: tuple[int, ...]) -> Tensor:
    """Sums over points x of ``padded(x + k) rows(x)``, for each k of a kernel: [C_padded, C_rows, *K].

    On a processor as matrix products, of copies moved along the last axis with copies moved along the one before: two
    times three of them for a kernel of 3 x 3 in place of nine.

    Args:
        padded: [B, M, C_padded], fields with their halo.
        rows: [B, N, C_rows], fields without.
        shape: points along each axis with the halo.
        kernel: points along each axis.
    """
    if rows.device.type != "cpu" or len(kernel) > 2:
        weight = _as_kernel(rows.new_empty(rows.shape[-1], padded.shape[-1], *kernel))
        return _gradients(rows, padded, weight, shape, 1).view(-1, padded.shape[-1], *kernel).transpose(0, 1)
    last, wide = kernel[-1], shape[-1]
    lines, points = rows.shape[1] // (wide - last + 1), wide - last + 1
    before = shape[0] - lines + 1 if len(shape) > 1 else 1
    numbers = lines * wide * (before * padded.shape[-1] + last * rows.shape[-1])
    fields = max(1, min(len(rows), _CACHED // numbers))
    parts = math.gcd(fields * lines, len(rows) % fields * lines, torch.get_num_threads())
    above = padded.new_empty(fields, lines, wide, before, padded.shape[-1])
    beside = rows.new_zeros(fields, lines, wide, last, rows.shape[-1])  # zero where a copy has no row
    sums = padded.new_zeros(parts, before * padded.shape[-1], last * rows.shape[-1])
    for some, inner in zip(padded.split(fields), rows.split(fields), strict=True):
        count = len(some)
        for line in range(before):
            above[:count, :, :, line] = some.view(count, -1, wide, some.shape[-1])[:, line : line + lines]
        for offset in range(last):
            beside[:count, :, offset : offset + points, offset] = inner.view(count, lines, points, -1)
        sums.baddbmm_(above[:count].view(parts, -1, sums.shape[1]).mT, beside[:count].view(parts, -1, sums.shape[2]))
    return (
        sums.sum(0)
        .view(before, padded.shape[-1], last, -1)
        .permute(1, 3, 0, 2)
        .reshape(padded.shape[-1], rows.shape[-1], *kernel)
    )


def _gradients(gradient: Tensor, padded: Tensor, weight: Tensor, shape: tuple[int, ...], which: int) -> Tensor:
    """Torch's gradient of a convolution to its image (0) or its kernel (1), from the rows of that of its result."""
    inner = tuple(points - size + 1 for points, size in zip(shape, weight.shape[-len(shape) :], strict=True))
    image, outer = _as_image(padded, shape), _as_image(gradient, inner)
    none, one, mask = [0] * (image.ndim - 2), [1] * (image.ndim - 2), [which == 0, which == 1, False]
    result: Tensor = torch.ops.aten.convolution_backward(
        outer, image, weight, None, one, none, one, False, none, 1, mask
    )[which]
    return result


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
    if torch.is_autocast_enabled(rows.device.type):
        with torch.autocast(rows.device.type, enabled=False):
            return recurrent_step(rows.to(weight.dtype), lifted.to(weight.dtype), weight, moves, activation)
    if torch.compiler.is_compiling() or not torch.is_grad_enabled():
        return _step(rows, lifted, weight, moves, activation)
    return _Step.apply(rows, lifted, weight, moves, activation)


def _step(rows: Tensor, lifted: Tensor, weight: Tensor, moves: Moves, activation: str) -> Tensor:
    batch, channels, points = rows.shape[0], rows.shape[-1], math.prod(moves.shape)
    padded = rows.index_select(1, moves.source).view(-1, math.prod(moves.padded), channels)
    result = _convolve(padded, weight, moves.padded).view(batch, -1, points, weight.shape[0])
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
        if ctx.needs_input_grad[0] or ctx.needs_input_grad[2]:
            padded = inner.index_select(1, moves.back).view(-1, math.prod(moves.padded), weight.shape[0])
        if ctx.needs_input_grad[0]:  # the adjoint of a periodic convolution is one with the kernel turned round
            below = _convolve(padded, _turned(weight.transpose(0, 1)), moves.padded).view_as(rows)
        if ctx.needs_input_grad[2]:
            slices = rows.view(padded.shape[0], points, rows.shape[-1])
            kernels = _turned(correlate(padded, slices, moves.padded, weight.shape[2:]))
        return below, lifted, kernels, None, None


def _turned(kernel: Tensor) -> Tensor:
    """A kernel [C, C, *K] mirrored along all axes of space."""
    return kernel.flip(list(range(2, kernel.ndim)))


def _before(gradient: Tensor, result: Tensor, activation: str) -> Tensor:
    """The gradient before the activation, which follows from the result of it."""
    if activation == "relu":
        return torch.ops.aten.threshold_backward(gradient, result, 0)
    return torch.ops.aten.tanh_backward(gradient, result)
