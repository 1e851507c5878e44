"""Spectral convolution: the integral operator of a Fourier layer, a multiplier of the lowest Fourier modes."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from sciflow.core.errors import InputError
from sciflow.operators import fourier
from sciflow.operators.sizes import Sizes, require_whole

Transform = Literal["auto", "matmul", "fft"]


@final
class SpectralConv(nn.Module):
    """Convolution with a learned periodic kernel, given by its Fourier coefficients at the lowest wavenumbers.

        y(n) = b + Σ_k W(k) X(k) exp(2πi k·n/L)        |k_j| < modes_j,   W(-k) = conj W(k)

    X are the Fourier coefficients of the input x, extended by zeros to the period L = (1 + padding) N on each axis.
    Where the points include both ends of an axis, the N points span N - 1 spacings: then L = (1 + padding) (N - 1), and
    the sum over points counts the ends by half (the trapezoidal rule), so that it converges with the square of the
    spacing. The weights belong to wavenumbers, not to grid points: the same layer acts on every resolution, and on a
    coarse grid the modes at and above its Nyquist wavenumber are left out.

    Only what a real kernel has is stored: one complex matrix for each pair ±k, as real pairs, and a real one for
    k = 0. So every number in the weights acts on the output, and their count per pair of channels is
    (2 modes_1 - 1) … (2 modes_D - 1). :meth:`multipliers` gives W for all wavenumbers.

    Shapes: x [batch, *space, channels_in] -> [batch, *space, channels_out]; ``weight`` [pairs, channels_in,
    channels_out, 2], pairs in lexicographic order; ``mean`` [channels_in, channels_out]; ``bias`` [channels_out].

    Computes in float32 under autocast and for half-precision input, in float64 for float64 modules, and returns the
    input's dtype.

    Args:
        channels_in: input channels.
        channels_out: output channels.
        modes: number of wavenumbers 0, 1, … kept on each space axis, counting 0, at least 2; 12 to 20 work well.
        padding: fraction by which each axis is extended by zeros, half of it on either side: 0 on a periodic axis;
            on others 0.25 keeps the two ends from acting on each other.
        ends: for each axis, whether the points include both its ends; False on periodic axes and for cell centres.
        transform: "matmul" (matrix products), "fft", or "auto", which chooses by size; they agree to rounding.

    Raises:
        InputError: a size out of range; in the forward pass an input of the wrong shape, or "fft" asked for where the
            period L is not a whole number of at least N.

    Source: Li et al., Fourier Neural Operator for Parametric Partial Differential Equations, ICLR 2021
    (arXiv:2010.08895), eq. (5).
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        modes: Sequence[int],
        *,
        padding: Sequence[float] | None = None,
        ends: Sequence[bool] | None = None,
        transform: Transform = "auto",
    ) -> None:
        super().__init__()
        self.modes = tuple(modes)
        self.padding = (0.0,) * len(self.modes) if padding is None else tuple(padding)
        self.ends = (False,) * len(self.modes) if ends is None else tuple(ends)
        self.channels_in, self.channels_out, self.transform = channels_in, channels_out, transform
        if len(self.modes) not in (1, 2, 3):
            raise InputError(f"modes must have an entry for each of 1 to 3 axes, not {len(self.modes)}.")
        for number in self.modes:
            require_whole("modes", number, 2)
        if len(self.ends) != len(self.modes):
            raise InputError(f"ends must be a truth value for each axis, not {list(self.ends)}.")
        if len(self.padding) != len(self.modes) or not all(_is_fraction(value) for value in self.padding):
            raise InputError(f"padding must be a number of at least 0 for each axis, not {list(self.padding)}.")
        if transform not in ("auto", "matmul", "fft"):
            raise InputError(f"transform must be 'auto', 'matmul' or 'fft', not {transform!r}.")
        pairs = math.prod(2 * m - 1 for m in self.modes) // 2
        scale = 0.25 / channels_in  # small, so that at first the point-wise maps lead: trains to a lower error
        self.mean = nn.Parameter(scale * torch.randn(channels_in, channels_out))
        self.weight = nn.Parameter(scale * torch.randn(pairs, channels_in, channels_out, 2))
        self.bias = nn.Parameter(torch.zeros(channels_out))

    def forward(self, x: Float[Tensor, "batch *space channels_in"]) -> Float[Tensor, "batch *space channels_out"]:
        """Apply the layer; see the class."""
        if not torch.compiler.is_compiling():
            self._check(x)
        space = x.shape[1:-1]
        lengths = self._lengths(space)
        top = [fourier.highest(modes, length) for modes, length in zip(self.modes, lengths, strict=True)]
        fft = self.transform == "fft" or (self.transform == "auto" and fourier.prefers_fft(space, top, lengths))
        with torch.autocast(x.device.type, enabled=False):
            dtype = torch.promote_types(self.weight.dtype, torch.float32)
            values = self._weighted(x.to(dtype))
            analyse = fourier.analyse_by_fft if fft else fourier.analyse_by_matmul
            synthesise = fourier.synthesise_by_fft if fft else fourier.synthesise_by_matmul
            return synthesise(self._multiply(analyse(values, top, lengths)), space, lengths).to(x.dtype)

    def multipliers(self) -> Tensor:
        """W(k) for all wavenumbers -K … K, complex [2K₁+1, …, 2K_D+1, channels_in, channels_out]."""
        half = torch.complex(*self.weight.detach().unbind(-1))
        full = torch.cat((half.flip(0).conj(), self.mean.detach()[None].to(half.dtype), half))
        return full.view(*(2 * m - 1 for m in self.modes), self.channels_in, self.channels_out)

    def extra_repr(self) -> str:
        """Sizes, for the printed form of the module."""
        return f"{self.channels_in}, {self.channels_out}, modes={self.modes}, padding={self.padding}"

    def _lengths(self, space: Sequence[int]) -> list[float]:
        """The period of each axis in grid spacings."""
        return [
            (size - int(end)) * (1 + padding) for size, end, padding in zip(space, self.ends, self.padding, strict=True)
        ]

    def _weighted(self, values: Tensor) -> Tensor:
        """Values with those at the ends of an axis halved, where the points include them."""
        for axis, end in enumerate(self.ends, start=1):
            if end:
                weights = values.new_ones(values.shape[axis])
                weights[0] = weights[-1] = 0.5
                values = values * weights.view(-1, *(1,) * (values.ndim - 1 - axis))
        return values

    def _multiply(self, spectrum: Tensor) -> Tensor:
        """W(k) X(k) for a spectrum [B, *half box, 2, C], where k = 0 is halved and one of ±k set (see fourier)."""
        batch, *box, _, channels = spectrum.shape
        zero = math.prod(box[1:]) // 2
        pairs = math.prod(box) - zero - 1
        weight, mean, bias = (values.to(spectrum.dtype) for values in (self.weight, self.mean, self.bias))
        if pairs < len(weight):
            weight = weight[_selection(self.modes, tuple(box), weight.device)]
        _, centre, x = spectrum.flatten(1, -3).split((zero, 1, pairs), 1)
        # Rows: the real, then the imaginary parts of all cases; columns: (output channel, part of the weight).
        rows = x.permute(1, 2, 0, 3).reshape(pairs, 2 * batch, channels)
        products = torch.bmm(rows, weight.flatten(2)).view(pairs, 2, batch, self.channels_out, 2)
        (rr, ri), (ir, ii) = (part.unbind(-1) for part in products.unbind(1))
        y = torch.stack((rr - ii, ri + ir), 1).permute(2, 0, 1, 3)
        constant = 0.5 * torch.addmm(bias, centre[:, 0, 0], mean)
        head = functional.pad(constant[:, None, None], (0, 0, 0, 1, zero, 0))
        return torch.cat((head, y), 1).view(batch, *box, 2, self.channels_out)

    def _check(self, x: Tensor) -> None:
        expected = f"[batch, {len(self.modes)} space axes, {self.channels_in} channels]"
        if x.ndim != len(self.modes) + 2 or x.shape[-1] != self.channels_in:
            raise InputError(f"A spectral convolution expects {expected}, not {list(x.shape)}.")
        lengths = self._lengths(x.shape[1:-1])
        if self.transform == "fft" and not fourier.allows_fft(x.shape[1:-1], lengths):
            raise InputError(
                f"The fast transform needs a whole number of points with padding, at least {list(x.shape[1:-1])}, not "
                f"{lengths}; use 'matmul'."
            )


def spectral_conv(sizes: Sizes, width: int, modes: int | Sequence[int], padding: float) -> SpectralConv:
    """A spectral convolution of ``width`` channels on the grid of ``sizes``.

    Args:
        sizes: sizes of the network; its axes that are not periodic are extended.
        width: channels in and out.
        modes: one number for all axes, or one per axis.
        padding: extension as a fraction of the length.

    Raises:
        InputError: a value out of range, or another number of modes than axes.
    """
    kept = tuple(modes) if isinstance(modes, Sequence) else (modes,) * sizes.dims
    if len(kept) != sizes.dims:
        raise InputError(f"modes must be one number or one for each of the {sizes.dims} axes, not {list(kept)}.")
    extension = [0.0 if periodic else padding for periodic in sizes.periodic]
    ends = [sizes.ends and not periodic for periodic in sizes.periodic]
    return SpectralConv(width, width, kept, padding=extension, ends=ends)


@functools.lru_cache(maxsize=64)
def _selection(modes: tuple[int, ...], box: tuple[int, ...], device: torch.device) -> Tensor:
    """Which of the stored pairs belong to a smaller half box."""
    sizes = [2 * m - 1 for m in modes]
    with torch.inference_mode(False):  # the cache must also serve a later backward pass
        places = torch.arange(math.prod(sizes)).view(sizes)
        for axis, (m, size) in enumerate(zip(modes, (2 * box[0] - 1, *box[1:]), strict=True)):
            places = places.narrow(axis, m - 1 - size // 2, size)
        return (places.flatten()[places.numel() // 2 + 1 :] - math.prod(sizes) // 2 - 1).to(device)


def _is_fraction(value: object) -> bool:
    return isinstance(value, (int, float)) and 0 <= value < math.inf
