"""Truncated Fourier transforms of real, channel-last fields: to the few modes that a Fourier layer keeps, and back.

With positions n = 0 … N-1, period L ≥ N (in grid spacings; L > N extends the domain by zeros) and wavenumbers |k| ≤ K:

    analysis    X(k) = 1/(L₁…L_D) · Σₙ x(n) exp(-2πi k·n/L)
    synthesis   y(n) = 2 Re Σ_k Y(k) exp(+2πi k·n/L)          over the half box k₁ ≥ 0

The half box has the shape (K₁+1, 2K₂+1, …, 2K_D+1): wavenumbers 0 … K₁ on the first space axis, -K … K on the others.
In row-major order k = 0 stands at position (2K₂+1)…(2K_D+1) // 2, and exactly one of each pair ±k follows it.
Spectra are real arrays [batch, *half box, 2, channels], where the axis of 2 holds the real and the imaginary part.

Two implementations of both directions agree to rounding:

* products with real matrices of cosines and sines, axis by axis. Work ∝ N K; no complex numbers; L need not be a whole
  number and a longer period costs nothing;
* fast Fourier transforms, axis by axis, dropping at once the modes that are not kept. Work ∝ L log L.

A multiplier commutes with shifts, so that it makes no difference where in the longer period the N points lie: zeros on
one side, as written here, are the same as half of them on each side.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import torch
from torch import Tensor


def highest(modes: int, length: float) -> int:
    """The highest wavenumber K that is kept: the smaller of ``modes - 1`` and the largest integer below L/2.

    The Nyquist wavenumber L/2 is left out: a grid cannot tell +L/2 from -L/2, so that a multiplier for it would mean
    something else on a finer grid.
    """
    return max(0, min(modes - 1, math.ceil(length / 2 - 1e-6) - 1))


def is_whole(length: float) -> bool:
    """Whether a period is a whole number of points, as the fast transform needs."""
    return abs(length - round(length)) < 1e-6


def allows_fft(space: Sequence[int], lengths: Sequence[float]) -> bool:
    """Whether the fast transform can be used: every period is a whole number of points, and holds all of them."""
    return all(is_whole(length) and length > size - 0.5 for size, length in zip(space, lengths, strict=True))


def prefers_fft(space: Sequence[int], top: Sequence[int], lengths: Sequence[float]) -> bool:
    """Whether the fast transform is the faster of the two, judged by K / log₂ N as measured on a CPU.

    On 64 points per axis matrix products win with any number of modes; on 1024 points up to K = 60, on 256 x 256 points
    up to K = 64.
    """
    turn = 6 if len(space) == 1 else 8
    return allows_fft(space, lengths) and sum(top) > turn * sum(math.log2(size) for size in space)


# Matrix products


@functools.lru_cache(maxsize=256)
def _waves(size: int, length: float, low: int, high: int) -> tuple[Tensor, Tensor]:
    """cos and sin of 2π k n/L in float64, [high - low + 1, size]."""
    angle = torch.outer(torch.arange(low, high + 1).double(), torch.arange(size).double()) * (2 * math.pi / length)
    return angle.cos(), angle.sin()


@functools.lru_cache(maxsize=256)
def _from_real(size: int, length: float, top: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """[(K+1)·2, N]: real values to the real and imaginary part of Σ x exp(-2πi k n/L), k = 0 … K."""
    with torch.inference_mode(False):  # the cache must also serve a later backward pass
        cos, sin = _waves(size, length, 0, top)
        return torch.stack((cos, -sin), 1).flatten(0, 1).to(dtype).to(device)


@functools.lru_cache(maxsize=256)
def _from_complex(size: int, length: float, top: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """[(2K+1)·2, 2·N]: real, then imaginary parts of values to both parts of Σ z exp(-2πi k n/L), k = -K … K."""
    with torch.inference_mode(False):
        cos, sin = _waves(size, length, -top, top)
        real, imaginary = torch.cat((cos, sin), 1), torch.cat((-sin, cos), 1)
        return torch.stack((real, imaginary), 1).flatten(0, 1).to(dtype).to(device)


def _product(matrix: Tensor, x: Tensor) -> Tensor:
    """matrix [m, n] times x [batch, n, r] for every entry of the batch; the matrix is not copied."""
    return torch.bmm(matrix.expand(x.shape[0], -1, -1), x)


def analyse_by_matmul(x: Tensor, top: Sequence[int], lengths: Sequence[float]) -> Tensor:
    """Spectrum [B, *half box, 2, C] of x [B, *S, C] by matrix products, first axis first.

    Args:
        x: real field, channel last.
        top: highest wavenumber K kept on each axis.
        lengths: period L of each axis in grid spacings.
    """
    batch, *space, channels = x.shape
    box = [top[0] + 1, *(2 * k + 1 for k in top[1:])]
    matrix = _from_real(space[0], lengths[0], top[0], x.dtype, x.device) / math.prod(lengths)
    x = _product(matrix, x.reshape(batch, space[0], -1))
    for axis in range(1, len(space)):
        matrix = _from_complex(space[axis], lengths[axis], top[axis], x.dtype, x.device)
        x = _product(matrix, x.view(batch * math.prod(box[:axis]), 2 * space[axis], -1))
    return x.view(batch, *box, 2, channels)


def synthesise_by_matmul(spectrum: Tensor, space: Sequence[int], lengths: Sequence[float]) -> Tensor:
    """Field [B, *S, C] of a spectrum [B, *half box, 2, C] by matrix products, last axis first."""
    batch, *box, _, channels = spectrum.shape
    y = spectrum
    for axis in range(len(box) - 1, 0, -1):
        matrix = _from_complex(space[axis], lengths[axis], box[axis] // 2, y.dtype, y.device)
        y = _product(matrix.mT, y.reshape(batch * math.prod(box[:axis]), 2 * box[axis], -1))
    matrix = 2 * _from_real(space[0], lengths[0], box[0] - 1, y.dtype, y.device)
    return _product(matrix.mT, y.reshape(batch, 2 * box[0], -1)).view(batch, *space, channels)


# Fast Fourier transforms


def analyse_by_fft(x: Tensor, top: Sequence[int], lengths: Sequence[float]) -> Tensor:
    """As :func:`analyse_by_matmul`, by fast transforms; every period must be a whole number of points."""
    z = torch.fft.rfft(x, n=round(lengths[0]), dim=1, norm="forward").narrow(1, 0, top[0] + 1)
    for axis, (k, length) in enumerate(zip(top[1:], lengths[1:], strict=True), start=2):
        z = torch.fft.fft(z, n=round(length), dim=axis, norm="forward")
        z = torch.cat((z.narrow(axis, z.shape[axis] - k, k), z.narrow(axis, 0, k + 1)), axis)
    return torch.stack((z.real, z.imag), -2)


def synthesise_by_fft(spectrum: Tensor, space: Sequence[int], lengths: Sequence[float]) -> Tensor:
    """As :func:`synthesise_by_matmul`, by fast transforms."""
    z = torch.complex(*(part.contiguous() for part in spectrum.unbind(-2)))
    for axis in range(len(space), 1, -1):
        k, length = z.shape[axis] // 2, round(lengths[axis - 1])
        zeros = z.new_zeros(*z.shape[:axis], length - 2 * k - 1, *z.shape[axis + 1 :])
        z = torch.cat((z.narrow(axis, k, k + 1), zeros, z.narrow(axis, 0, k)), axis)
        z = torch.fft.ifft(z, dim=axis, norm="forward").narrow(axis, 0, space[axis - 1])
    # Libraries differ in what a real transform makes of an imaginary part at k₁ = 0: none must be left there.
    first = 2 * z.narrow(1, 0, 1).real
    z = torch.cat((torch.complex(first, torch.zeros_like(first)), z.narrow(1, 1, z.shape[1] - 1)), 1)
    return torch.fft.irfft(z, n=round(lengths[0]), dim=1, norm="forward").narrow(1, 0, space[0])
