"""Truncated Fourier transforms of real, channel-last fields: to the few modes that a Fourier layer keeps, and back.

With positions n = 0 … N-1, period L ≥ N (in grid spacings; L > N extends the domain by zeros) and wavenumbers |k| ≤ K:

    analysis    X(k) = 1/(L₁…L_D) · Σₙ x(n) exp(-2πi k·n/L)
    synthesis   y(n) = 2 Re Σ_k Y(k) exp(+2πi k·n/L)          over the half box k₁ ≥ 0

The half box has the shape (K₁+1, 2K₂+1, …, 2K_D+1): wavenumbers 0 … K₁ on the first space axis and, in this order,
0, 1 … K, -1 … -K on the others. Spectra are real arrays [batch, 2, *half box, channels], where the axis of 2 holds the
real and the imaginary part.

Two implementations of both directions agree to rounding:

* matrix products: every axis is multiplied by its cosines and sines, real and imaginary part apart, and sums and
  differences of the small results give ±k. Work ∝ N K; no complex numbers; L need not be a whole number and a longer
  period costs nothing;
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


def prefers_fft(space: Sequence[int], top: Sequence[int], lengths: Sequence[float]) -> bool:
    """Whether the fast transform is the faster of the two, judged by K / log₂ N as measured on a CPU.

    Up to 64 points matrix products win with any number of modes, on 1024 points up to K = 60 in 1-D and 100 in 2-D.
    """
    turn = 6 if len(space) == 1 else 10
    return all(is_whole(length) for length in lengths) and sum(top) > turn * sum(math.log2(size) for size in space)


# Matrix products


@functools.lru_cache(maxsize=256)
def _waves(size: int, length: float, top: int, sine_of_zero: bool, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Rows cos(2π k n/L), k = 0 … K, then sin(2π k n/L), k = 0 or 1 … K, by columns n = 0 … N-1."""
    with torch.inference_mode(False), torch.no_grad():  # the cache must also serve a later backward pass
        k = torch.cat((torch.arange(top + 1), torch.arange(0 if sine_of_zero else 1, top + 1)))
        angle = torch.outer(k.double(), torch.arange(size).double()) * (2 * math.pi / length)
        rows = torch.cat((angle[: top + 1].cos(), angle[top + 1 :].sin()))
        return rows.to(dtype).to(device)


def _product(matrix: Tensor, x: Tensor) -> Tensor:
    """matrix [m, n] times x [batch, n, r] for every entry of the batch; the matrix is not copied."""
    return torch.bmm(matrix.expand(x.shape[0], -1, -1), x)


def _turn(z: Tensor) -> Tensor:
    """-i z for z [batch, 2, …]."""
    return torch.cat((z[:, 1:], -z[:, :1]), 1)


def analyse_by_matmul(x: Tensor, top: Sequence[int], lengths: Sequence[float]) -> Tensor:
    """Spectrum [B, 2, *half box, C] of x [B, *S, C] by matrix products, first axis first.

    Args:
        x: real field, channel last.
        top: highest wavenumber K kept on each axis.
        lengths: period L of each axis in grid spacings.
    """
    batch, *space, channels = x.shape
    real = _waves(space[0], lengths[0], top[0], True, x.dtype, x.device) / math.prod(lengths)
    real = torch.cat((real[: top[0] + 1], -real[top[0] + 1 :]))
    x = _product(real, x.reshape(batch, space[0], -1))
    done = [batch, 2, top[0] + 1]
    for size, k, length in zip(space[1:], top[1:], lengths[1:], strict=True):
        both = _waves(size, length, k, False, x.dtype, x.device)
        x = _product(both, x.reshape(math.prod(done), size, -1)).view(*done, 2 * k + 1, -1)
        zero, cosine, sine = x.split((1, k, k), -2)
        sine = _turn(sine)
        x = torch.cat((zero, cosine + sine, cosine - sine), -2)
        done.append(2 * k + 1)
    return x.view(*done, channels)


def synthesise_by_matmul(spectrum: Tensor, space: Sequence[int], lengths: Sequence[float]) -> Tensor:
    """Field [B, *S, C] of a spectrum [B, 2, *half box, C] by matrix products, last axis first."""
    batch, _, *box, channels = spectrum.shape
    y = spectrum
    for axis in range(len(box) - 1, 0, -1):
        k = box[axis] // 2
        zero, plus, minus = y.reshape(batch, 2, math.prod(box[:axis]), 2 * k + 1, -1).split((1, k, k), -2)
        y = torch.cat((zero, plus + minus, _turn(minus - plus)), -2)
        both = _waves(space[axis], lengths[axis], k, False, y.dtype, y.device)
        y = _product(both.mT, y.flatten(0, 2))
    real = 2 * _waves(space[0], lengths[0], box[0] - 1, True, y.dtype, y.device)
    real = torch.cat((real[: box[0]], -real[box[0] :]))
    return _product(real.mT, y.reshape(batch, 2 * box[0], -1)).view(batch, *space, channels)


# Fast Fourier transforms


def analyse_by_fft(x: Tensor, top: Sequence[int], lengths: Sequence[float]) -> Tensor:
    """As :func:`analyse_by_matmul`, by fast transforms; every period must be a whole number of points."""
    z = torch.fft.rfft(x, n=round(lengths[0]), dim=1, norm="forward").narrow(1, 0, top[0] + 1)
    for axis, (k, length) in enumerate(zip(top[1:], lengths[1:], strict=True), start=2):
        z = torch.fft.fft(z, n=round(length), dim=axis, norm="forward")
        z = torch.cat((z.narrow(axis, 0, k + 1), z.narrow(axis, z.shape[axis] - k, k).flip(axis)), axis)
    return torch.stack((z.real, z.imag), 1)


def synthesise_by_fft(spectrum: Tensor, space: Sequence[int], lengths: Sequence[float]) -> Tensor:
    """As :func:`synthesise_by_matmul`, by fast transforms."""
    z = torch.complex(*(part.contiguous() for part in spectrum.unbind(1)))
    for axis in range(len(space), 1, -1):
        k, length = z.shape[axis] // 2, round(lengths[axis - 1])
        zeros = z.new_zeros(*z.shape[:axis], length - 2 * k - 1, *z.shape[axis + 1 :])
        z = torch.cat((z.narrow(axis, 0, k + 1), zeros, z.narrow(axis, k + 1, k).flip(axis)), axis)
        z = torch.fft.ifft(z, dim=axis, norm="forward").narrow(axis, 0, space[axis - 1])
    # Libraries differ in what a real transform makes of an imaginary part at k₁ = 0: none must be left there.
    first = 2 * z.narrow(1, 0, 1).real
    z = torch.cat((torch.complex(first, torch.zeros_like(first)), z.narrow(1, 1, z.shape[1] - 1)), 1)
    return torch.fft.irfft(z, n=round(lengths[0]), dim=1, norm="forward").narrow(1, 0, space[0])
