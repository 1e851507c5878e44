"""The residual network of CFDBench."""

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
class BenchmarkResNet(nn.Module):
    """Residual blocks of convolutions of 7 x 7 points, at the full resolution.

        h ← S h + C₂ gelu(drop(C₁ h + b₁)) + b₂,           y = mask · (x + h_last)

    It sees the frames, input fields, the mask and the parameters as maps. There are ``blocks`` + 2 blocks; the skip S
    is the identity, in the first and the last a linear map at each point. Convolutions repeat the values at the edge.
    The published network also constructs batch normalisations (932 parameters) that it never uses.

    Args:
        sizes: what the problem needs.
        width: channels between blocks.
        hidden: channels inside them.
        blocks: blocks between the first and the last.
        dropout: part of the hidden values set to 0 while training.

    Raises:
        InputError: an option out of range, or an input of the wrong shape.

    Good values: the published ones, which are the defaults: 533 764 parameters with 5 case parameters and two fields.

    Source: Luo et al. 2023 (arXiv:2310.05963), ResNet.
    """

    name: ClassVar[str] = "cfdbench-resnet"
    requires: ClassVar[Requires] = Requires(dims=(2,), context=True)
    traits: ClassVar[Traits] = Traits(ignores=("signals", "dt"), residual=True)

    def __init__(
        self, sizes: Sizes, *, width: int = 16, hidden: int = 64, blocks: int = 4, dropout: float = 0.2
    ) -> None:
        super().__init__()
        for option, value in (("width", width), ("hidden", hidden), ("blocks", blocks)):
            require_whole(option, value, 1)
        if not 0 <= dropout < 1:
            raise InputError(f"dropout must be a part of at least 0 and below 1, not {dropout}.")
        self.sizes = sizes
        widths = [sizes.channels_in + 1 + sizes.parameters, *[width] * (blocks + 1), sizes.channels_out]
        last = len(widths) - 2
        self.blocks = nn.Sequential(
            *(
                _Block(before, after, hidden, dropout, mapped=number in (0, last))
                for number, (before, after) in enumerate(pairwise(widths))
            )
        )

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
        return with_last_frame(self.blocks(channel_maps(x, inputs, mask, parameters)), x, self.sizes) * mask[:, None]


@final
class _Block(nn.Module):
    """One residual block."""

    def __init__(self, before: int, after: int, hidden: int, dropout: float, *, mapped: bool) -> None:
        super().__init__()
        self.inner = nn.Conv2d(before, hidden, 7, padding=3, padding_mode="replicate")
        self.outer = nn.Conv2d(hidden, after, 7, padding=3, padding_mode="replicate")
        self.dropout = nn.Dropout(dropout)
        self.skip = nn.Conv2d(before, after, 1) if mapped else nn.Identity()

    def forward(self, h: Tensor) -> Tensor:
        return self.skip(h) + self.outer(functional.gelu(self.dropout(self.inner(h))))
