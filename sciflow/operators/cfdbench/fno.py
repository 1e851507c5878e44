"""The Fourier neural operator of CFDBench."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from sciflow.operators.cfdbench.layers import channel_maps
from sciflow.operators.inputs import check_inputs
from sciflow.operators.sizes import Requires, Sizes, Traits, require_whole


@final
class BenchmarkFNO(nn.Module):
    """The Fourier neural operator as CFDBench has it; sciflow's own is :class:`~sciflow.operators.fno.FNO`.

        h₀ = P (x, inputs, mask, row / (H - 1), column / (W - 1), parameters)
        h_{l+1} = gelu(K_l h_l + W_l h_l + b_l)                  l = 0 … layers - 1
        y = mask · (R₂ gelu(R₁ h_layers + c₁) + c₂)

    K_l multiplies the ``modes`` lowest columns of wavenumbers in the ``modes`` lowest and highest rows of the spectrum.
    The domain is taken as periodic and is not padded, and y is the frame, not its change, as published. Weights of K_l
    start uniform in [0, 1] times 1/width² in both parts, which are stored as pairs of real numbers. On a grid too small
    for them, modes are left out.

    Args:
        sizes: what the problem needs.
        width: channels of the hidden layers; the last has four times as many.
        layers: Fourier layers.
        modes: rows and columns of wavenumbers kept.

    Raises:
        InputError: an option out of range, or an input of the wrong shape.

    Good values: the published ones, which are the defaults: 1 188 706 parameters (complex ones counted once) with 5
    case parameters and two fields.

    Source: Luo et al. 2023 (arXiv:2310.05963), FNO; Li et al. 2021, ICLR (arXiv:2010.08895).
    """

    name: ClassVar[str] = "cfdbench-fno"
    requires: ClassVar[Requires] = Requires(dims=(2,), context=True)
    traits: ClassVar[Traits] = Traits(ignores=("signals", "dt"))

    def __init__(self, sizes: Sizes, *, width: int = 32, layers: int = 4, modes: int = 12) -> None:
        super().__init__()
        for option, value in (("width", width), ("layers", layers), ("modes", modes)):
            require_whole(option, value, 1)
        self.sizes = sizes
        self.lift = nn.Conv2d(sizes.channels_in + 3 + sizes.parameters, width, 1)
        self.spectral = nn.ModuleList(_Spectral(width, modes) for _ in range(layers))
        self.pointwise = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(layers))
        self.hidden, self.project = nn.Conv2d(width, 4 * width, 1), nn.Conv2d(4 * width, sizes.channels_out, 1)

    def forward(
        self,
        x: Float[Tensor, "batch frames_in fields *space"],
        *,
        parameters: Float[Tensor, "batch parameters"],
        signals: Float[Tensor, "batch frames signals"],
        mask: Float[Tensor, "batch 1 *space"],
        coordinates: Float[Tensor, "batch dims *space"],
        dt: Float[Tensor, "cases=batch"],
        inputs: Float[Tensor, "batch inputs *space"],
    ) -> Float[Tensor, "batch frames_out fields *space"]:
        """The next frames; see :mod:`sciflow.operators` for the inputs."""
        if not torch.compiler.is_compiling():
            check_inputs(self.sizes, x, parameters, signals, mask, coordinates, dt, inputs)
        rows, columns = (torch.linspace(0, 1, size, device=x.device, dtype=x.dtype) for size in x.shape[3:])
        place = torch.stack(torch.meshgrid(rows, columns, indexing="ij")).expand(x.shape[0], -1, -1, -1)
        h = self.lift(channel_maps(x, inputs, mask, place, parameters))
        for spectral, pointwise in zip(self.spectral, self.pointwise, strict=True):
            h = functional.gelu(pointwise(h) + spectral(h))
        y = self.project(functional.gelu(self.hidden(h))) * mask
        return y.unflatten(1, (self.sizes.frames_out, self.sizes.fields))


@final
class _Spectral(nn.Module):
    """Two blocks of multipliers, of rows 0 … modes - 1 and -modes … -1: weight [2, rows, columns, in, out, 2]."""

    def __init__(self, width: int, modes: int) -> None:
        super().__init__()
        self.modes = modes
        self.weight = nn.Parameter(torch.rand(2, modes, modes, width, width, 2) / width**2)

    def forward(self, h: Tensor) -> Tensor:
        with torch.autocast(h.device.type, enabled=False):
            dtype = torch.promote_types(self.weight.dtype, torch.float32)
            return self._filter(h.to(dtype), self.weight.to(dtype)).to(h.dtype)

    def _filter(self, h: Tensor, weight: Tensor) -> Tensor:
        batch, width, high, wide = h.shape
        rows, columns = min(self.modes, high // 2), min(self.modes, wide // 2 + 1)
        # Only the columns kept are transformed along the rows; both ways that is the transform of the whole grid.
        z = torch.fft.fft(torch.fft.rfft(h, dim=3)[..., :columns], dim=2)
        z = torch.view_as_real(torch.cat((z[:, :, :rows], z[:, :, high - rows :]), 2))
        low, top = weight[:, :, :columns].unbind()
        # One real product for both parts: complex ones of strided batches are up to a hundred times slower on a CPU.
        kernel = torch.cat((low[:rows], top[self.modes - rows :])).flatten(0, 1).flatten(2)
        z = z.permute(2, 3, 4, 0, 1).reshape(2 * rows * columns, 2 * batch, width)
        real, imag = torch.bmm(z, kernel).view(2 * rows, columns, 2, batch, width, 2).unbind(2)
        z = torch.complex(real[..., 0] - imag[..., 1], real[..., 1] + imag[..., 0]).permute(2, 3, 0, 1)
        gap = z.new_zeros(batch, width, high - 2 * rows, columns)
        z = torch.fft.ifft(torch.cat((z[:, :, :rows], gap, z[:, :, rows:]), 2), dim=2)
        # Libraries differ in what a real transform makes of an imaginary part of the mean: none must be left there.
        mean = torch.complex(z[..., :1].real, torch.zeros_like(z[..., :1].real))
        return torch.fft.irfft(torch.cat((mean, z[..., 1:]), 3), n=wide, dim=3)
