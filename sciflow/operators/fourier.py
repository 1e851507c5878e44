"""Truncated Fourier transforms of real, channel-last fields: the few modes a Fourier layer keeps, and back.

With positions n = 0 … N-1, period L ≥ N (in grid spacings; L > N extends the domain by zeros) and wavenumbers |k| ≤ K:

    analysis    X(k) = 1/L₁…L_D · Σₙ x(n) exp(-2πi k·n/L)
    synthesis   y(n) = 2 Re Σ_k Y(k) exp(+2πi k·n/L)          over the half box k₁ ≥ 0

The half box has shape (K₁+1, 2K₂+1, …, 2K_D+1): wavenumbers 0…K₁ on the first space axis and -K…K on the others, so that
in row-major order the wavenumber 0 stands at position ((2K₂+1)…(2K_D+1) - 1) / 2, and what follows it is exactly one of
each pair ±k. Spectra are real arrays [batch, *half box, 2, channels]; the axis of 2 holds real and imaginary part.

Two implementations of both directions agree to rounding: real matrix products (cost ∝ N K, no complex arithmetic,
zero padding and non-integer L cost nothing) and fast Fourier transforms, axis by axis, which drop the modes that are not
kept at once (cost ∝ L log L).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import torch
from torch import Tensor


def extended_length(size: int, padding: float) -> float:
    """Period L = (1 + padding) N in grid spacings."""
    return size * (1.0 + padding)


def kept(modes: int, length: float) -> int:
    """The largest wavenumber that can be kept on a period of ``length`` points: min(modes, largest k < L/2).

    The Nyquist wavenumber k = L/2 is never kept: a grid cannot tell +k from -k there, so that a multiplier for it has no
    meaning on a finer grid.
    """
    return max(0, min(modes, math.ceil(length / 2 - 1e-9) - 1))


def prefers_fft(size: int, modes: int, length: float) -> bool:
    """Whether the fast transform is expected to be the faster one; it needs a period of a whole number of points."""
    return is_whole(length) and modes > 8 * math.log2(max(size, 2))


def is_whole(length: float) -> bool:
    """Whether the period is a whole number of points, as the fast transform needs."""
    return abs(length - round(length)) < 1e-6


# Real matrix products


@functools.lru_cache(maxsize=128)
def _waves(size: int, length: float, low: int, high: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """cos and sin of 2π k n / L, each [high - low + 1, size], computed in float64."""
    with torch.inference_mode(False), torch.no_grad():
        k = torch.arange(low, high + 1, dtype=torch.float64)[:, None]
        n = torch.arange(size, dtype=torch.float64)[None, :]
        angle = torch.remainder(k * n, length) * (2 * math.pi / length)
        return angle.cos().to(device, dtype), angle.sin().to(device, dtype)


@functools.lru_cache(maxsize=128)
def _real_matrix(size: int, length: float, modes: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """[2(K+1), N], rows (k, part): x -> real and imaginary part of Σ x exp(-2πi k n/L)."""
    with torch.inference_mode(False), torch.no_grad():
        cos, sin = _waves(size, length, 0, modes, dtype, device)
        return torch.stack((cos, -sin), 1).reshape(2 * (modes + 1), size)


@functools.lru_cache(maxsize=128)
def _complex_matrix(size: int, length: float, modes: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """[(2K+1)·2, 2·N], rows (k, part), columns (part, n): complex x -> Σ x exp(-2πi k n/L), k = -K … K."""
    with torch.inference_mode(False), torch.no_grad():
        cos, sin = _waves(size, length, -modes, modes, dtype, device)
        real = torch.stack((cos, sin), 1)
        imaginary = torch.stack((-sin, cos), 1)
        return torch.stack((real, imaginary), 1).reshape(2 * (2 * modes + 1), 2 * size)


def _apply(matrix: Tensor, x: Tensor) -> Tensor:
    """matrix [m, n] times x [batch, n, p] for every entry of the batch, without copying either."""
    return torch.bmm(matrix.expand(x.shape[0], -1, -1), x)


def analyse_matmul(x: Tensor, modes: Sequence[int], lengths: Sequence[float]) -> Tensor:
    """Spectrum [B, *half box, 2, C] of x [B, *S, C] by matrix products, first axis first."""
    batch, *space, channels = x.shape
    scale = 1.0 / math.prod(lengths)
    done = batch
    x = x.reshape(batch, space[0], -1)
    x = _apply(_real_matrix(space[0], lengths[0], modes[0], x.dtype, x.device) * scale, x)
    done *= modes[0] + 1
    for size, k, length in zip(space[1:], modes[1:], lengths[1:], strict=True):
        x = _apply(_complex_matrix(size, length, k, x.dtype, x.device), x.reshape(done, 2 * size, -1))
        done *= 2 * k + 1
    return x.reshape(batch, modes[0] + 1, *(2 * k + 1 for k in modes[1:]), 2, channels)


def synthesise_matmul(spectrum: Tensor, space: Sequence[int], modes: Sequence[int], lengths: Sequence[float], add=None) -> Tensor:
    """Field [B, *S, C] of a spectrum [B, *half box, 2, C] by matrix products, last axis first."""
    batch, channels = spectrum.shape[0], spectrum.shape[-1]
    y, rest = spectrum, channels
    done = spectrum.shape[:-2].numel()
    for size, k, length in reversed(list(zip(space[1:], modes[1:], lengths[1:], strict=True))):
        done //= 2 * k + 1
        matrix = _complex_matrix(size, length, k, y.dtype, y.device)
        y = _apply(matrix.mT, y.reshape(done, 2 * (2 * k + 1), rest))
        rest *= size
    matrix = _real_matrix(space[0], lengths[0], modes[0], y.dtype, y.device)
    if add is not None:
        return add.view(batch, space[0], -1).baddbmm_(2 * matrix.mT.expand(batch,-1,-1), y.reshape(batch, 2 * (modes[0] + 1), rest)).reshape(batch, *space, channels)
    return _apply(2 * matrix.mT, y.reshape(batch, 2 * (modes[0] + 1), rest)).reshape(batch, *space, channels)


# Fast Fourier transforms


def analyse_fft(x: Tensor, modes: Sequence[int], lengths: Sequence[float]) -> Tensor:
    """Spectrum [B, *half box, 2, C] of x [B, *S, C] by fast transforms; every period must be a whole number of points."""
    z = torch.fft.rfft(x, n=round(lengths[0]), dim=1, norm="forward").narrow(1, 0, modes[0] + 1)
    for axis, (k, length) in enumerate(zip(modes[1:], lengths[1:], strict=True), start=2):
        z = torch.fft.fft(z, n=round(length), dim=axis, norm="forward")
        z = torch.cat((z.narrow(axis, z.shape[axis] - k, k), z.narrow(axis, 0, k + 1)), axis)
    return torch.stack((z.real, z.imag), -2)


def synthesise_fft(spectrum: Tensor, space: Sequence[int], modes: Sequence[int], lengths: Sequence[float]) -> Tensor:
    """Field [B, *S, C] of a spectrum [B, *half box, 2, C] by fast transforms."""
    z = torch.complex(spectrum.select(-2, 0), spectrum.select(-2, 1))
    for axis in range(len(space), 1, -1):
        k, length = modes[axis - 1], round(lengths[axis - 1])
        zeros = z.new_zeros(*z.shape[:axis], length - 2 * k - 1, *z.shape[axis + 1 :])
        z = torch.cat((z.narrow(axis, k, k + 1), zeros, z.narrow(axis, 0, k)), axis)
        z = torch.fft.ifft(z, dim=axis, norm="forward").narrow(axis, 0, space[axis - 1])
    # The row k₁ = 0 stands for its own conjugate too; its imaginary part must not reach the real transform, since
    # libraries differ in what they make of it.
    first = 2 * z.narrow(1, 0, 1).real
    z = torch.cat((torch.complex(first, torch.zeros_like(first)), z.narrow(1, 1, modes[0])), 1)
    return torch.fft.irfft(z, n=round(lengths[0]), dim=1, norm="forward").narrow(1, 0, space[0])
