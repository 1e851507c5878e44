"""The feed-forward network of CFDBench for the parametric task."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from sciflow.operators.cfdbench.layers import fixed_grid, rows_and_columns
from sciflow.operators.inputs import check_inputs
from sciflow.operators.sizes import Requires, Sizes, Traits, require_whole


@final
class FeedForward(nn.Module):
    """One perceptron from the case parameters, the place and the time to the fields there.

        h₁ = W (parameters, row, column, t) + b,   h_{l+1} = W_l max(h_l, mean of h_l) + b_l,   y = h_{depth + 1}

    Row and column are counted in grid spacings from 0 and t in frames, not scaled, as published. The activation is the
    published normalised one (:class:`~sciflow.operators.cfdbench.layers.Perceptron`) over the features of one point.
    The part of the first layer that belongs to points is evaluated once for all cases that share them.

    Args:
        sizes: what the problem needs; no context frames.
        width: of the hidden layers.
        depth: hidden layers.

    Raises:
        InputError: an option out of range, or an input of the wrong shape.

    Good values: the published ones, which are the defaults: 71 701 parameters with 5 case parameters and one field.

    Source: Luo et al. 2023 (arXiv:2310.05963), FFN.
    """

    name: ClassVar[str] = "cfdbench-ffn"
    requires: ClassVar[Requires] = Requires(dims=(2,), context=False, inputs=False, fixed_grid=True)
    traits: ClassVar[Traits] = Traits(ignores=("signals", "mask"), pointwise=True)

    def __init__(self, sizes: Sizes, *, width: int = 100, depth: int = 8) -> None:
        super().__init__()
        require_whole("width", width, 1)
        require_whole("depth", depth, 1)
        fixed_grid(sizes)
        self.sizes = sizes
        self.first = nn.Linear(sizes.parameters + 3, width)
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
        """The fields at the time dt; see :mod:`sciflow.operators` for the inputs."""
        if not torch.compiler.is_compiling():
            check_inputs(self.sizes, x, parameters, signals, mask, coordinates, dt, inputs)
        of_case, of_point, of_time = self.first.weight.split((self.sizes.parameters, 2, 1), 1)
        case = functional.linear(parameters, of_case) + functional.linear(dt[:, None], of_time)
        points = functional.linear(rows_and_columns(self.sizes, coordinates), of_point, self.first.bias)
        h = points + case[:, None]
        for layer in (*self.others, self.last):
            h = layer(torch.maximum(h, h.mean(-1, keepdim=True)))
        return h.mT.unflatten(1, (self.sizes.frames_out, self.sizes.fields)).unflatten(-1, x.shape[3:])
