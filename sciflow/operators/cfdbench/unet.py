"""The U-Net of CFDBench."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from sciflow.core.errors import InputError
from sciflow.operators.cfdbench.layers import channel_maps, with_last_frame
from sciflow.operators.inputs import check_inputs
from sciflow.operators.sizes import Requires, Sizes, Traits, require_whole


@final
class BenchmarkUNet(nn.Module):
    """The U-Net as CFDBench has it; sciflow's own is :class:`~sciflow.operators.unet.UNet`.

    It sees the frames, input fields, the mask and the parameters as maps. Every level has two convolutions of 3 x 3
    points that repeat the values at the edge, each with batch normalisation and max(h, 0); levels have ``width``,
    2 ``width``, ... channels. The maximum of 2 x 2 points goes down, a transposed convolution of 2 x 2 points goes up,
    where zeros fill the grid of the level if its size is odd. With the linear map R of the finest level h at each point

        y = mask · (x + R h + c)

    Args:
        sizes: what the problem needs.
        width: channels of the finest level.
        depth: halvings of the grid.

    Raises:
        InputError: an option out of range, an input of the wrong shape, or a grid of fewer than 2^depth points on an
            axis.

    Good values: the published ones, which are the defaults: 1 095 038 parameters with 5 case parameters and two fields.

    Source: Luo et al. 2023 (arXiv:2310.05963), U-Net; Ronneberger et al. 2015, MICCAI (arXiv:1505.04597).
    """

    name: ClassVar[str] = "cfdbench-unet"
    requires: ClassVar[Requires] = Requires(dims=(2,), context=True)
    traits: ClassVar[Traits] = Traits(ignores=("signals", "dt"), residual=True, batch_statistics=True)

    def __init__(self, sizes: Sizes, *, width: int = 12, depth: int = 4) -> None:
        super().__init__()
        require_whole("width", width, 1)
        require_whole("depth", depth, 1)
        widths = [width * 2**level for level in range(depth + 1)]
        self.sizes = sizes
        self.first = _double(sizes.channels_in + 1 + sizes.parameters, width)
        self.down = nn.ModuleList(_double(before, after) for before, after in pairwise(widths))
        upwards = list(pairwise(widths[::-1]))
        self.grow = nn.ModuleList(nn.ConvTranspose2d(below, level, 2, stride=2) for below, level in upwards)
        self.up = nn.ModuleList(_double(below, level) for below, level in upwards)
        self.project = nn.Conv2d(width, sizes.channels_out, 1)

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
            if min(x.shape[3:]) >> len(self.down) == 0:
                raise InputError(
                    f"This U-Net halves the grid {len(self.down)} times and needs {2 ** len(self.down)} points on each "
                    f"axis, not {list(x.shape[3:])}; use a smaller depth."
                )
        h = self.first(channel_maps(x, inputs, mask, parameters))
        levels = [h]
        for block in self.down:
            levels.append(block(functional.max_pool2d(levels[-1], 2)))
        h = levels.pop()
        for grow, block in zip(self.grow, self.up, strict=True):
            level = levels.pop()
            h = block(torch.cat((level, _filled(grow(h), level)), 1))
        return with_last_frame(self.project(h), x, self.sizes) * mask[:, None]


def _double(before: int, after: int) -> nn.Sequential:
    """Two convolutions with batch normalisation and max(h, 0)."""
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [
            nn.Conv2d(channels, after, 3, padding=1, padding_mode="replicate"),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


def _filled(h: Tensor, level: Tensor) -> Tensor:
    """h with zeros around it up to the size of a level."""
    high, wide = level.shape[2] - h.shape[2], level.shape[3] - h.shape[3]
    return functional.pad(h, (wide // 2, wide - wide // 2, high // 2, high - high // 2)) if high or wide else h
