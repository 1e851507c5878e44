"""Auto-EDeepONet, a forecasting DeepONet of CFDBench with a branch for each kind of input."""

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
class AutoEDeepONet(nn.Module):
    """A DeepONet with two branches for the change of a frame.

        y_c(row, column) = x_c(row, column) + Σ_k a_ck b_ck t_k((row - 50) / 100, (column - 50) / 100) + d_c

    The branch a is a perceptron of all values of x, b one of the parameters. Each field has its own part of both; the
    trunk t is the same for all, and is evaluated once for all cases.

    Args:
        sizes: what the problem needs; the grid is fixed.
        width: of the hidden layers, and number of basis functions.
        depth: linear maps of each perceptron.

    Raises:
        InputError: an option out of range, or an input of the wrong shape or on another grid.

    Good values: the published ones, which are the defaults: 622 701 parameters on 64 x 64 points with 5 case
    parameters and one field.

    Source: Luo et al. 2023 (arXiv:2310.05963), Auto-EDeepONet.
    """

    name: ClassVar[str] = "auto-edeeponet"
    requires: ClassVar[Requires] = Requires(dims=(2,), context=True, fixed_grid=True)
    traits: ClassVar[Traits] = AUTOREGRESSIVE

    def __init__(self, sizes: Sizes, *, width: int = 100, depth: int = 8) -> None:
        super().__init__()
        require_whole("width", width, 1)
        require_whole("depth", depth, 1)
        values, outputs = sizes.channels_in * fixed_grid(sizes), sizes.channels_out
        hidden = [*[width] * (depth - 1), width * outputs]
        self.sizes = sizes
        self.of_values, self.of_case = Perceptron([values, *hidden]), Perceptron([sizes.parameters, *hidden])
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
        values = torch.cat((x.flatten(1), inputs.flatten(1)), 1)
        weights = self.of_values(values) * self.of_case(parameters)
        functions = self.trunk((lattice(x) - 50) / 100)
        change = weights.unflatten(1, (self.sizes.channels_out, -1)) @ functions.mT + self.bias
        return with_last_frame(change.unflatten(-1, x.shape[3:]), x, self.sizes)
