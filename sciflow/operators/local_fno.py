"""Fourier neural operator with local convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from sciflow.core.errors import InputError
from sciflow.operators.inputs import case_features, check_inputs, grid_channels, grid_features, wrap_around
from sciflow.operators.sizes import Requires, Sizes, require_whole
from sciflow.operators.spectral import SpectralConv

_CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


@final
class LocalFNO(nn.Module):
    """Residual layers that act globally by a spectral and locally by an ordinary convolution, for flows with walls.

        h₀ = P (x, inputs, mask, position)
        h_{l+1} = h_l + W_l gelu( (1 + a_l) ⊙ (K_l h_l + C_l h_l) + b_l )          l = 0 … layers - 1
        y = R (h_layers, x, inputs, mask, position) + c

    K_l is a spectral convolution (:class:`~sciflow.operators.spectral.SpectralConv`) of the lowest ``modes``
    wavenumbers, C_l a convolution of 3 points per axis; P, W_l, R act at each point. Scale a_l and shift b_l of every
    channel come from the parameters, signals and dt by a perceptron with one hidden layer (feature-wise linear
    modulation). The spectral part carries the pressure, which knows no distance; the local part resolves walls,
    boundary layers and the edges of obstacles, for which few wavenumbers are too coarse.

    Axes that are not periodic are extended by zeros for the spectral part, as in
    :class:`~sciflow.operators.fno.FNO`, and by one point of zeros for the local one. Local weights belong to grid
    points: on another grid than that of its training the network runs, but its answer is another one.

    Args:
        sizes: what the problem needs.
        width: channels h of the layers.
        layers: how many.
        modes: wavenumbers 0 … modes - 1 kept on each axis (and their negatives); one number, or one per axis.
        padding: extension of axes that are not periodic, as a fraction of their length.
        coordinates: whether the position in the domain is an input.

    Raises:
        InputError: an option out of range, or an input of the wrong shape.

    Good values: width 32, 4 layers, 12 modes for 2-D flow at 32² to 64², with AdamW at 2e-3, gradients clipped at 1 and
    a cosine schedule.

    Source: Liu-Schiaffini et al., Neural Operators with Localized Integral and Differential Kernels, ICML 2024
    (arXiv:2402.16845), for local beside spectral kernels; Perez et al., FiLM, AAAI 2018 (arXiv:1709.07871).
    """

    name: ClassVar[str] = "local-fno"
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
    ) -> None:
        super().__init__()
        require_whole("width", width, 1)
        require_whole("layers", layers, 1)
        kept = tuple(modes) if isinstance(modes, Sequence) else (modes,) * sizes.dims
        if len(kept) != sizes.dims:
            raise InputError(f"modes must be one number or one for each of the {sizes.dims} axes, not {list(kept)}.")
        extension = [0.0 if periodic else padding for periodic in sizes.periodic]
        ends = [sizes.ends and not periodic for periodic in sizes.periodic]
        margins = tuple(0 if periodic else 1 for periodic in sizes.periodic)
        channels = grid_channels(sizes, coordinates)
        self.sizes, self.coordinates, self.layers = sizes, coordinates, layers
        self.lift = nn.Linear(channels, width)
        self.condition = nn.Linear(sizes.conditions, 2 * width)
        self.modulate = nn.Linear(2 * width, layers * 2 * width)
        nn.init.zeros_(self.modulate.weight)
        self.spectral = nn.ModuleList(
            SpectralConv(width, width, kept, padding=extension, ends=ends) for _ in range(layers)
        )
        # Without bias: the modulation has one.
        self.local = nn.ModuleList(
            _CONV[sizes.dims](width, width, 3, padding=margins, bias=False) for _ in range(layers)
        )
        self.mix = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(layers))
        self.project = nn.Linear(width + channels, sizes.channels_out)

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
        hidden = functional.gelu(self.condition(case_features(parameters, signals, dt)))
        numbers = self.modulate(hidden).view(x.shape[0], self.layers, 2, *[1] * self.sizes.dims, -1)
        h = self.lift(features)
        for layer in range(self.layers):
            scale, shift = numbers[:, layer].unbind(1)
            around = wrap_around(h.movedim(-1, 1), self.sizes.periodic)
            both = self.spectral[layer](h) + self.local[layer](around).movedim(1, -1)
            h = h + self.mix[layer](functional.gelu(torch.addcmul(shift, both, 1 + scale)))
        y = self.project(torch.cat((h, features), -1))
        return y.movedim(-1, 1).unflatten(1, (self.sizes.frames_out, self.sizes.fields))
