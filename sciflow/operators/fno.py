"""Fourier neural operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from sciflow.core.errors import InputError
from sciflow.operators.inputs import case_features, check_inputs, grid_channels, grid_features
from sciflow.operators.sizes import Requires, Sizes, require_whole
from sciflow.operators.spectral import SpectralConv, Transform


@final
class FNO(nn.Module):
    """Fourier neural operator on a regular grid in 1, 2 or 3 dimensions.

        h₀ = P (x, inputs, mask, position) + Q (parameters, signals, dt) + b
        h_{l+1} = gelu(K_l h_l + W_l h_l + b_l)                  l = 0 … layers - 1
        y = R h_layers + c

    P, Q, R and W_l act at each point, K_l are spectral convolutions
    (:class:`~sciflow.operators.spectral.SpectralConv`) over the lowest ``modes`` wavenumbers, with the bias b_l.
    Parameters, signals and dt enter like channels that are constant in space. Every layer is activated and R is linear:
    when tried on 2-D turbulence, one more layer cost as much as the usual two-layer R and gained more.

    Axes that are not periodic are extended by zeros in every layer, half of ``padding`` on either side, so that their
    two ends do not act on each other; the output is cropped back. The weights do not depend on the resolution: the
    padding is a fraction of the domain, and the network gives nearly the same field on every grid fine enough for its
    inputs. With matrix products for the transforms the padding costs nothing.

    Without ``coordinates`` the network commutes with shifts along periodic axes.

    Args:
        sizes: what the problem needs.
        width: channels h of the hidden layers.
        layers: Fourier layers.
        modes: wavenumbers 0 … modes - 1 kept on each axis (and their negatives); one number, or one per axis.
        padding: extension of axes that are not periodic, as a fraction of their length.
        coordinates: whether the position in the domain is an input.
        transform: how to compute the Fourier transforms, "matmul", "fft" or "auto" (by size).

    Raises:
        InputError: an option out of range, or an input of the wrong shape.

    Good values: width 32, 4 or 5 layers, 12 modes, padding 0.25 for 2-D flow at 32² to 64², with AdamW at 2e-3 to 4e-3,
    gradients clipped at 1 and a cosine schedule; in 1-D width 64 and 16 modes, in 3-D 6 to 8 modes, since there are
    about layers · width² · (2 modes - 1)^D parameters.

    Source: Li et al., Fourier Neural Operator for Parametric Partial Differential Equations, ICLR 2021
    (arXiv:2010.08895), section 4.
    """

    name: ClassVar[str] = "fno"
    requires: ClassVar[Requires] = Requires(dims=(1, 2, 3), periodic_only=False, regular_grid=True)

    def __init__(
        self,
        sizes: Sizes,
        *,
        width: int = 32,
        layers: int = 4,
        modes: int | Sequence[int] = 12,
        padding: float = 0.25,
        coordinates: bool = True,
        transform: Transform = "auto",
    ) -> None:
        super().__init__()
        require_whole("width", width, 1)
        require_whole("layers", layers, 1)
        kept = tuple(modes) if isinstance(modes, Sequence) else (modes,) * sizes.dims
        if len(kept) != sizes.dims:
            raise InputError(f"modes must be one number or one for each of the {sizes.dims} axes, not {list(kept)}.")
        extension = [0.0 if periodic else padding for periodic in sizes.periodic]
        ends = [sizes.ends and not periodic for periodic in sizes.periodic]
        self.sizes, self.coordinates = sizes, coordinates
        self.lift = nn.Linear(grid_channels(sizes, coordinates), width, bias=False)
        self.condition = nn.Linear(sizes.conditions, width)
        self.spectral = nn.ModuleList(
            SpectralConv(width, width, kept, padding=extension, ends=ends, transform=transform) for _ in range(layers)
        )
        self.pointwise = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(layers))
        self.project = nn.Linear(width, sizes.channels_out)

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
        constant = self.condition(case_features(parameters, signals, dt))[:, None]
        matrix = self.lift.weight.mT.expand(x.shape[0], -1, -1)
        h = torch.baddbmm(constant, features.flatten(1, -2), matrix).view(*features.shape[:-1], -1)
        for spectral, pointwise in zip(self.spectral, self.pointwise, strict=True):
            h = functional.gelu(pointwise(h).add_(spectral(h)))
        return self.project(h).movedim(-1, 1).unflatten(1, (self.sizes.frames_out, self.sizes.fields))
