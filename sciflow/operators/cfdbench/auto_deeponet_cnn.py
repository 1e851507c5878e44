"""Auto-DeepONetCNN, the forecasting DeepONet of CFDBench with a convolutional branch."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from sciflow.core.errors import InputError
from sciflow.operators.cfdbench.layers import (
    Perceptron,
    channel_maps,
    fixed_grid,
    lattice,
    require_grid,
    with_last_frame,
)
from sciflow.operators.inputs import check_inputs
from sciflow.operators.sizes import Requires, Sizes, Traits, require_whole


@final
class AutoDeepONetCNN(nn.Module):
    """A DeepONet with a convolutional branch, and a perceptron in place of the sum over the basis.

        y(row, column) = x(row, column) + P( b ⊙ t((row - 50) / 100, (column - 50) / 100) )

    The branch b sees the frames, input fields, the mask and the parameters as maps: a convolution of 5 x 5 points, then
    ``depth`` times convolution, maximum of 2 x 2 points and max(h, 0), and a last convolution; its values are one
    vector. The trunk t is evaluated once for all cases; P acts at each point.

    The published network is given u and v and predicts u alone: so it has the published number of parameters where v is
    an input field, ``Sizes(fields=1, inputs=1)``, less a bias that was never used.

    Args:
        sizes: what the problem needs; the grid is fixed.
        channels: of the convolutions.
        width: of the hidden layers of the trunk.
        depth: halvings of the grid; the trunk has as many hidden layers of ``width``.

    Raises:
        InputError: an option out of range, a grid of fewer than 2^depth points on an axis, or an input of the wrong
            shape or on another grid.

    Good values: the published ones, which are the defaults: 742 729 parameters on 64 x 64 points with 5 case
    parameters. Nearly all of its cost is P at every point.

    Source: Luo et al. 2023 (arXiv:2310.05963), Auto-DeepONetCNN.
    """

    name: ClassVar[str] = "auto-deeponet-cnn"
    requires: ClassVar[Requires] = Requires(dims=(2,), context=True, fixed_grid=True)
    traits: ClassVar[Traits] = Traits(ignores=("signals", "dt"), residual=True)

    def __init__(self, sizes: Sizes, *, channels: int = 32, width: int = 100, depth: int = 4) -> None:
        super().__init__()
        for option, value in (("channels", channels), ("width", width), ("depth", depth)):
            require_whole(option, value, 1)
        fixed_grid(sizes)
        coarse = [points >> depth for points in sizes.grid]
        if min(coarse) == 0:
            raise InputError(
                f"Auto-DeepONetCNN halves the grid {depth} times and needs {2**depth} points on each axis, not "
                f"{list(sizes.grid)}; use a smaller depth."
            )
        latent = channels * coarse[0] * coarse[1]
        self.sizes = sizes
        self.first = nn.Conv2d(sizes.channels_in + 1 + sizes.parameters, channels, 5, padding=2)
        self.middle = nn.ModuleList(nn.Conv2d(channels, channels, 5, padding=2) for _ in range(depth))
        self.last = nn.Conv2d(channels, channels, 5, padding=2)
        self.trunk = Perceptron([2, *[width] * depth, latent])
        self.project = Perceptron([latent, latent, latent, sizes.channels_out])

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
            require_grid(self.sizes, x)
        h = self.first(channel_maps(x, inputs, mask, parameters))
        for convolution in self.middle:
            h = functional.max_pool2d(convolution(h), 2).relu()
        branch = self.last(h).flatten(1)
        change = self.project(branch[:, None] * self.trunk((lattice(x) - 50) / 100))
        return with_last_frame(change.mT.unflatten(-1, x.shape[3:]), x, self.sizes)
