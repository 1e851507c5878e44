"""U-Net."""

from __future__ import annotations

import math
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from sciflow.core.errors import InputError
from sciflow.operators.inputs import case_features, check_inputs, grid_channels, grid_features, wrap_around
from sciflow.operators.sizes import Requires, Sizes, require_whole

_CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_POOL = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}
_FORMAT = {1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d}


@final
class UNet(nn.Module):
    """U-Net on a regular grid in 1, 2 or 3 dimensions: three poolings, widths C, 2C, 2C, 4C.

    Every level has a block of two convolutions of three points per axis,

        h ← gelu(norm(conv(h)) + Q (parameters, signals, dt));   h ← gelu(norm(conv(h)))

    with group normalisation, which acts on each case alone. On the way down levels are averaged 2 by 2, on the way up
    repeated 2 by 2 and joined with the level of the same size. The output is a linear map, at each point, of the last
    level and of the inputs, so that the amplitude of the inputs, which the normalisation removes, is not lost.

    Convolutions wrap around periodic axes and see zeros beyond the ends of others. A grid whose sizes are not multiples
    of 8 is extended evenly on both sides, by wrapping around on periodic axes and by its end values on others, and the
    output is cropped; inside the network the ends of such an extended periodic axis do not match exactly.

    Args:
        sizes: what the problem needs.
        width: channels C of the finest level.
        coordinates: whether the position in the domain is an input; without, the network commutes with shifts by
            multiples of 8 points along periodic axes whose size is a multiple of 8.

    Raises:
        InputError: an option out of range, an input of the wrong shape, or a grid with fewer than 8 points on an axis.

    Good values: width 24 for 2-D flow at 32² to 64² (0.37 million parameters), with AdamW at 2e-3, gradients clipped
    at 1 and a cosine schedule.

    Source: Ronneberger, Fischer, Brox, U-Net, MICCAI 2015 (arXiv:1505.04597); group normalisation: Wu, He, ECCV 2018
    (arXiv:1803.08494).
    """

    name: ClassVar[str] = "unet"
    requires: ClassVar[Requires] = Requires(dims=(1, 2, 3), periodic_only=False, regular_grid=True)

    def __init__(self, sizes: Sizes, *, width: int = 24, coordinates: bool = True) -> None:
        super().__init__()
        require_whole("width", width, 1)
        self.sizes, self.coordinates = sizes, coordinates
        channels = grid_channels(sizes, coordinates)
        widths = [width, 2 * width, 2 * width, 4 * width]
        self.down = nn.ModuleList(
            _Block(before, after, sizes) for before, after in zip([channels, *widths], widths, strict=False)
        )
        self.up = nn.ModuleList(
            _Block(below + level, level, sizes) for below, level in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.project = _CONV[sizes.dims](width + channels, sizes.channels_out, 1)
        self.to(memory_format=_FORMAT[sizes.dims])

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
            if min(x.shape[3:]) < 8:
                raise InputError(f"A U-Net needs at least 8 points on each axis, not {list(x.shape[3:])}.")
        features = grid_features(self.sizes, x, inputs, mask, coordinates if self.coordinates else None).movedim(-1, 1)
        margins = [_margins(size) for size in x.shape[3:]]
        extended = _extend(features, margins, self.sizes.periodic)
        conditions = case_features(parameters, signals, dt)
        h, levels = extended, []
        for depth, block in enumerate(self.down):
            h = block(_POOL[self.sizes.dims](h, 2) if depth else h, conditions)
            levels.append(h)
        for block, level in zip(self.up, levels[-2::-1], strict=True):
            h = block(torch.cat((functional.interpolate(h, scale_factor=2.0), level), 1), conditions)
        y = self.project(torch.cat((h, extended), 1))
        for axis, (size, (before, _)) in enumerate(zip(x.shape[3:], margins, strict=True), start=2):
            y = y.narrow(axis, before, size)
        return y.unflatten(1, (self.sizes.frames_out, self.sizes.fields))


@final
class _Block(nn.Module):
    """Two convolutions, each with group normalisation and GELU; the first is shifted by the conditions."""

    def __init__(self, before: int, after: int, sizes: Sizes) -> None:
        super().__init__()
        self.periodic = sizes.periodic
        self.condition = nn.Linear(sizes.conditions, after, bias=False)
        conv = _CONV[sizes.dims]
        padding = tuple(0 if periodic else 1 for periodic in sizes.periodic)
        # Without bias: a normalisation over few channels would cancel it.
        self.first = conv(before, after, 3, padding=padding, bias=False)
        self.second = conv(after, after, 3, padding=padding, bias=False)
        groups = math.gcd(after, 8)
        self.norm_first, self.norm_second = nn.GroupNorm(groups, after), nn.GroupNorm(groups, after)

    def forward(self, h: Tensor, conditions: Tensor) -> Tensor:
        shift = self.condition(conditions).view(h.shape[0], -1, *(1,) * len(self.periodic))
        h = functional.gelu(self.norm_first(self.first(wrap_around(h, self.periodic))) + shift)
        return functional.gelu(self.norm_second(self.second(wrap_around(h, self.periodic))))


def _margins(size: int) -> tuple[int, int]:
    """Points to add before and after so that the size becomes a multiple of 8."""
    extra = -size % 8
    return extra // 2, extra - extra // 2


def _extend(h: Tensor, margins: list[tuple[int, int]], periodic: tuple[bool, ...]) -> Tensor:
    """Add the margins to each axis, wrapping around periodic ones and repeating the end values of others."""
    for axis, ((before, after), wraps) in enumerate(zip(margins, periodic, strict=True), start=2):
        if before or after:
            size = h.shape[axis]
            index = torch.arange(-before, size + after, device=h.device)
            h = h.index_select(axis, index % size if wraps else index.clamp(0, size - 1))
    return h
