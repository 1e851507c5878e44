"""Implicit Fourier neural operator with a U-Net."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from sciflow.operators.inputs import case_features, check_inputs, grid_channels, grid_features
from sciflow.operators.sizes import Requires, Sizes, require_whole
from sciflow.operators.spectral import spectral_conv
from sciflow.operators.unet import UNet


@final
class IUFNO(nn.Module):
    """One Fourier layer with a U-Net for the small scales, iterated.

        h_0 = P (x, inputs, mask, position) + Q (parameters, signals, dt) + b
        h_{l+1} = h_l + gelu(K h_l + W h_l + U(h_l - K h_l)) / L          l = 0 … L - 1
        y = R₂ gelu(R₁ h_L) + c

    K is a spectral convolution, W a map at each point, U a U-Net (:class:`~sciflow.operators.unet.UNet`, which is given
    parameters, signals and dt too) for what the kept wavenumbers leave over; all are the same in every iteration.
    Unlike the release, whose U-Net ran along the flattened sequence of points, U acts on the grid. It belongs to the
    grid of its training, as convolutions do.

    Args:
        sizes: what the problem needs.
        width: channels h.
        iterations: L.
        modes: wavenumbers 0 … modes - 1 kept on each axis (and their negatives); one number, or one per axis.
        padding: extension of axes that are not periodic for K, as a fraction of their length.
        unet_width: channels of the finest level of U.
        coordinates: whether the position in the domain is an input.

    Raises:
        InputError: an option out of range, an input of the wrong shape, or a grid with fewer than 8 points on an axis.

    Good values: width 32 to 80, 10 to 40 iterations, 12 modes in 2-D, 6 to 8 in 3-D; AdamW at 1e-3.

    Source: Li, Peng, Yuan, Wang, Long-term predictions of turbulence by implicit U-Net enhanced Fourier neural
    operator, Physics of Fluids 35, 075145, 2023 (arXiv:2305.10215).
    """

    name: ClassVar[str] = "iufno"
    requires: ClassVar[Requires] = Requires(dims=(1, 2, 3), periodic_only=False, regular_grid=True)

    def __init__(
        self,
        sizes: Sizes,
        *,
        width: int = 32,
        iterations: int = 10,
        modes: int | Sequence[int] = 12,
        padding: float = 0.25,
        unet_width: int = 16,
        coordinates: bool = True,
    ) -> None:
        super().__init__()
        require_whole("width", width, 1)
        require_whole("iterations", iterations, 1)
        self.sizes, self.coordinates, self.iterations = sizes, coordinates, iterations
        self.lift = nn.Linear(grid_channels(sizes, coordinates), width)
        self.condition = nn.Linear(sizes.conditions, width, bias=False)
        self.spectral = spectral_conv(sizes, width, modes, padding)
        self.pointwise = nn.Linear(width, width, bias=False)
        inner = Sizes(width, sizes.dims, parameters=sizes.conditions - 1, periodic=sizes.periodic)
        self.unet = UNet(inner, width=unet_width, coordinates=False)
        self.hidden = nn.Linear(width, 2 * width)
        self.project = nn.Linear(2 * width, sizes.channels_out)

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
        """The frames asked for; see :mod:`sciflow.operators` for the inputs."""
        if not torch.compiler.is_compiling():
            check_inputs(self.sizes, x, parameters, signals, mask, coordinates, dt, inputs)
        features = grid_features(self.sizes, x, inputs, mask, coordinates if self.coordinates else None)
        conditions = case_features(parameters, signals, dt)
        given = {
            "parameters": conditions[:, :-1],
            "signals": x.new_zeros(len(x), 2, 0),
            "mask": mask,
            "coordinates": coordinates,
            "dt": dt,
            "inputs": x.new_zeros(len(x), 0, *x.shape[3:]),
        }
        h = self.lift(features) + self.condition(conditions).view(len(x), *(1,) * self.sizes.dims, -1)
        for _ in range(self.iterations):
            smooth = self.spectral(h)
            rest = self.unet((h - smooth).movedim(-1, 1)[:, None], **given)[:, 0].movedim(1, -1)
            h = torch.add(h, functional.gelu(smooth + self.pointwise(h) + rest), alpha=1 / self.iterations)
        y = self.project(functional.gelu(self.hidden(h)))
        return y.movedim(-1, 1).unflatten(1, (self.sizes.frames_out, self.sizes.fields))
