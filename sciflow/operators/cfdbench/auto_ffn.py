"""Auto-FFN, the point-wise forecasting network of CFDBench."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from sciflow.operators.cfdbench.layers import AUTOREGRESSIVE, fixed_grid, lattice, require_grid, with_last_frame
from sciflow.operators.inputs import check_inputs
from sciflow.operators.sizes import Requires, Sizes, Traits, require_whole


@final
class AutoFFN(nn.Module):
    """One perceptron from a whole frame, the case parameters and a place to the change there.

        h₁ = W (all values of x, parameters, row, column) + b,   h_{l+1} = W_l max(h_l, 0) + b_l
        y(row, column) = x(row, column) + h_{depth + 1}

    Every place is paired with the frame of its own case; the published code pairs it with frames of other cases of the
    batch, so that training learns nothing. The part of the first layer that belongs to the frame is evaluated once for
    each case and that of the places once for all; the result is the same.

    Args:
        sizes: what the problem needs; the grid is fixed.
        width: of the hidden layers.
        depth: hidden layers.

    Raises:
        InputError: an option out of range, or an input of the wrong shape or on another grid.

    Good values: the published ones, which are the defaults: 1 102 401 parameters on 64 x 64 points with 5 case
    parameters and one field.

    Source: Luo et al. 2023 (arXiv:2310.05963), Auto-FFN.
    """

    name: ClassVar[str] = "auto-ffn"
    requires: ClassVar[Requires] = Requires(dims=(2,), context=True, fixed_grid=True)
    traits: ClassVar[Traits] = AUTOREGRESSIVE

    def __init__(self, sizes: Sizes, *, width: int = 200, depth: int = 8) -> None:
        super().__init__()
        require_whole("width", width, 1)
        require_whole("depth", depth, 1)
        self.sizes, self.values = sizes, sizes.channels_in * fixed_grid(sizes) + sizes.parameters
        self.first = nn.Linear(self.values + 2, width)
        self.others = nn.ModuleList(nn.Linear(width, width) for _ in range(depth - 1))
        self.last = nn.Linear(width, sizes.channels_out)

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
        of_case, of_point = self.first.weight.split((self.values, 2), 1)
        case = functional.linear(torch.cat((x.flatten(1), inputs.flatten(1), parameters), 1), of_case)
        h = functional.linear(lattice(x), of_point, self.first.bias) + case[:, None]
        for layer in (*self.others, self.last):
            h = layer(h.relu())
        return with_last_frame(h.mT.unflatten(-1, x.shape[3:]), x, self.sizes)
