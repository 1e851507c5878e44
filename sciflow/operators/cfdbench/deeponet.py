"""The DeepONet of CFDBench for the parametric task."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciflow.operators.cfdbench.layers import Perceptron, fixed_grid, rows_and_columns
from sciflow.operators.inputs import check_inputs
from sciflow.operators.sizes import Requires, Sizes, Traits, require_whole


@final
class ParametricDeepONet(nn.Module):
    """Branch of the case parameters, trunk of place and time.

        y_c(s, t) = Σ_k b_ck(parameters) t_k(A t + B (row, column) + a) + d_c

    Row and column are counted in grid spacings from 0 and t in frames, not scaled, as published. Branch and trunk are
    perceptrons with the published normalised activation (:class:`~sciflow.operators.cfdbench.layers.Perceptron`); that
    of the trunk takes its mean over all points it is given. Each field has its own part of the branch. Where cases
    share their points the trunk is evaluated once for each different time.

    Args:
        sizes: what the problem needs; no context frames.
        width: of the hidden layers, and number of basis functions.
        depth: linear maps of the branch, and of the trunk with its first.

    Raises:
        InputError: an option out of range, or an input of the wrong shape.

    Good values: the published ones, which are the defaults: 142 501 parameters with 5 case parameters and one field.

    Source: Luo et al. 2023 (arXiv:2310.05963), DeepONet.
    """

    name: ClassVar[str] = "cfdbench-deeponet"
    requires: ClassVar[Requires] = Requires(dims=(2,), context=False, inputs=False, fixed_grid=True)
    traits: ClassVar[Traits] = Traits(ignores=("signals", "mask"), pointwise=True)

    def __init__(self, sizes: Sizes, *, width: int = 100, depth: int = 8) -> None:
        super().__init__()
        require_whole("width", width, 1)
        require_whole("depth", depth, 2)
        fixed_grid(sizes)
        self.sizes = sizes
        outputs = sizes.channels_out
        self.branch = Perceptron([sizes.parameters, *[width] * (depth - 1), width * outputs], normed=True)
        self.time, self.place = nn.Linear(1, width), nn.Linear(2, width)
        self.trunk = Perceptron([width] * depth, normed=True)
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
        """The fields at the time dt; see :mod:`sciflow.operators` for the inputs."""
        if not torch.compiler.is_compiling():
            check_inputs(self.sizes, x, parameters, signals, mask, coordinates, dt, inputs)
        places = rows_and_columns(self.sizes, coordinates)
        moments, owner = dt, None
        if not torch.compiler.is_compiling() and places.shape[0] == 1:  # which times are equal depends on the data
            moments, owner = torch.unique(dt, return_inverse=True)
        functions = self.trunk(self.time(moments[:, None])[:, None] + self.place(places))  # [times, points, k]
        weights = self.branch(parameters).unflatten(1, (self.sizes.channels_out, -1))
        y = weights @ (functions if owner is None else functions[owner]).mT + self.bias
        return y.unflatten(1, (self.sizes.frames_out, self.sizes.fields)).unflatten(-1, x.shape[3:])
