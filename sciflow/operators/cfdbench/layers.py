"""What the published networks share: perceptrons, channels, positions of points, and their demands on the grid."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn

from sciflow.core.errors import InputError
from sciflow.operators.sizes import Sizes, Traits

AUTOREGRESSIVE = Traits(ignores=("signals", "dt", "mask"), residual=True)


@final
class Perceptron(nn.Module):
    """Linear maps with an activation between them, none after the last.

    The activation is max(h, 0), or with ``normed`` the published "normalised activation",

        s relu((h - m) / s) + m = max(h, m)

    with the mean m and the standard deviation s of h over all axes but the first: the deviation cancels.

    Args:
        widths: of input, hidden layers and output.
        normed: which activation.
    """

    def __init__(self, widths: Sequence[int], *, normed: bool = False) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(widths))
        self.normed = normed

    def forward(self, h: Tensor) -> Tensor:
        """[batch, ..., widths[0]] to [batch, ..., widths[-1]]."""
        for number, layer in enumerate(self.layers):
            h = layer(self.activate(h) if number else h)
        return h

    def activate(self, h: Tensor) -> Tensor:
        """The activation that stands between the layers."""
        return torch.maximum(h, h.mean(tuple(range(1, h.ndim)), keepdim=True)) if self.normed else h.relu()


def fixed_grid(sizes: Sizes) -> int:
    """Points of the grid that a network is made for.

    Raises:
        InputError: the sizes name no grid.
    """
    if not sizes.grid:
        raise InputError("This network is made for one grid; give its points per axis as Sizes(grid=...).")
    return int(torch.Size(sizes.grid).numel())


def require_grid(sizes: Sizes, x: Tensor) -> None:
    """Raise an InputError unless the frames lie on the grid that the network was made for."""
    if tuple(x.shape[3:]) != sizes.grid:
        raise InputError(
            f"This network was made for a grid of {list(sizes.grid)} points, not {list(x.shape[3:])}; bring the data "
            "to that grid or train a network such as 'fno', which does not depend on it."
        )


def with_last_frame(change: Tensor, x: Tensor, sizes: Sizes) -> Tensor:
    """The frames [B, T_out, C, *S] whose difference to the last one of x is ``change`` [B, T_out C, *S]."""
    return x[:, -1:] + change.unflatten(1, (sizes.frames_out, sizes.fields))


def channel_maps(x: Tensor, inputs: Tensor, mask: Tensor, *others: Tensor) -> Tensor:
    """Frames, input fields, mask and others as channels [B, N, *S]; numbers [B, P] become constant maps."""
    parts = [x.flatten(1, 2), inputs, mask, *others]
    maps = [part if part.ndim > 2 else part[..., None, None].expand(*part.shape, *x.shape[3:]) for part in parts]
    return torch.cat([part.to(x.dtype) for part in maps], 1)


def lattice(like: Tensor) -> Tensor:
    """Row and column of every point [H W, 2] of frames [..., H, W], as numbers of their type."""
    rows, columns = (torch.arange(size, device=like.device, dtype=like.dtype) for size in like.shape[-2:])
    return torch.cartesian_prod(rows, columns)


def rows_and_columns(sizes: Sizes, coordinates: Tensor) -> Tensor:
    """Row and column [U, N, 2] of points with coordinates [B, 2, ...] in 0 … 1; U = 1 where cases share them.

    Rows are counted in spacings of the grid of the training data, also at points between them.
    """
    shared = not torch.compiler.is_compiling() and (coordinates.shape[0] == 1 or coordinates.stride(0) == 0)
    places = (coordinates[:1] if shared else coordinates).flatten(2).mT
    points = torch.tensor(sizes.grid, device=places.device, dtype=places.dtype)
    return places * (points - 1) if sizes.ends else places * points - 0.5
