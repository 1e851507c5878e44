"""Auto-DeepONet, a forecasting DeepONet of CFDBench."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciflow.operators.cfdbench.layers import (
    AUTOREGRESSIVE,
    Perceptron,
    fixed_grid,
    lattice,
    require_grid,
    with_last_frame,
)
from sciflow.operators.inputs import check_inputs
from sciflow.operators.sizes import Requires, Sizes, Traits, require_whole


@final
class AutoDeepONet(nn.Module):
    """A DeepONet for the change of a frame.

        y_c(row, column) = x_c(row, column) + Σ_k b_ck t_k((row - 50) / 100, (column - 50) / 100) + d_c

    The branch b is a perceptron of all values of x and the parameters. Each field has its own part of the branch; the
    trunk t is the same for all, and is evaluated once for all cases.

    Args:
        sizes: what the problem needs; the grid is fixed.
        width: of the hidden layers, and number of basis functions.
        depth: linear maps of each perceptron.

    Raises:
        InputError: an option out of range, or an input of the wrong shape or on another grid.

    Good values: the published ones, which are the defaults: 551 901 parameters on 64 x 64 points with 5 case
    parameters and one field.

    Source: Luo et al. 2023 (arXiv:2310.05963), Auto-DeepONet.
    """

    name: ClassVar[str] = "auto-deeponet"
    requires: ClassVar[Requires] = Requires(dims=(2,), context=True, fixed_grid=True)
    traits: ClassVar[Traits] = AUTOREGRESSIVE

    def __init__(self, sizes: Sizes, *, width: int = 100, depth: int = 8) -> None:
        super().__init__()
        require_whole("width", width, 1)
        require_whole("depth", depth, 1)
        values, outputs = sizes.channels_in * fixed_grid(sizes), sizes.channels_out
        self.sizes = sizes
        self.branch = Perceptron([values + sizes.parameters, *[width] * (depth - 1), width * outputs])
        self.trunk = Perceptron([2, *[width] * depth])
        self.bias = nn.Parameter(torch.zeros(outputs, 1))

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
        weights = self.branch(torch.cat((x.flatten(1), inputs.flatten(1), parameters), 1))
        functions = self.trunk((lattice(x) - 50) / 100)
        change = weights.unflatten(1, (self.sizes.channels_out, -1)) @ functions.mT + self.bias
        return with_last_frame(change.unflatten(-1, x.shape[3:]), x, self.sizes)
