"""Implicit Fourier neural operator."""

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


@final
class IFNO(nn.Module):
    """One Fourier layer, iterated.

        h_0 = P (x, inputs, mask, position) + Q (parameters, signals, dt) + b
        h_{l+1} = h_l + gelu(K h_l + W h_l + a) / L          l = 0 … L - 2
        h_L = h_{L-1} + (K h_{L-1} + W h_{L-1} + a) / L
        y = R₂ gelu(R₁ h_L) + c

    K is a spectral convolution (:class:`~sciflow.operators.spectral.SpectralConv`), W a map at each point; they are the
    same in every iteration, so that the number of weights does not depend on L. Axes that are not periodic are extended
    by zeros as in :class:`~sciflow.operators.fno.FNO`, and as there the weights do not depend on the resolution.

    Args:
        sizes: what the problem needs.
        width: channels h.
        iterations: L.
        modes: wavenumbers 0 … modes - 1 kept on each axis (and their negatives); one number, or one per axis.
        padding: extension of axes that are not periodic, as a fraction of their length.
        coordinates: whether the position in the domain is an input.

    Raises:
        InputError: an option out of range, or an input of the wrong shape.

    Good values: width 32 to 80, 10 iterations, 12 modes in 2-D, 6 to 8 in 3-D; AdamW at 1e-3.

    Source: You, Zhang, Ross, Lee, Yu, Learning deep implicit Fourier neural operators (IFNOs), CMAME 398, 2022
    (arXiv:2203.08205), eq. (9).
    """

    name: ClassVar[str] = "ifno"
    requires: ClassVar[Requires] = Requires(dims=(1, 2, 3), periodic_only=False, regular_grid=True)

    def __init__(
        self,
        sizes: Sizes,
        *,
        width: int = 32,
        iterations: int = 10,
        modes: int | Sequence[int] = 12,
        padding: float = 0.25,
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
        constant = self.condition(case_features(parameters, signals, dt))
        h = self.lift(features) + constant.view(len(x), *(1,) * self.sizes.dims, -1)
        for left in reversed(range(self.iterations)):
            change = self.pointwise(h).add_(self.spectral(h))
            h = torch.add(h, functional.gelu(change) if left else change, alpha=1 / self.iterations)
        y = self.project(functional.gelu(self.hidden(h)))
        return y.movedim(-1, 1).unflatten(1, (self.sizes.frames_out, self.sizes.fields))
