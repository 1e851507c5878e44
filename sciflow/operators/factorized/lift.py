"""From frames to channels, positions as channels, and from channels to fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from sciflow.core.errors import InputError
from sciflow.operators.inputs import case_features
from sciflow.operators.sizes import Sizes

TWO_PI = 2 * torch.pi


@final
class Lift(nn.Module):
    """Frames, input fields and the mask to channels, at each point, with a constant for each case.

        h = W [gelu(P_1 x_1), …, gelu(P_T x_T), gelu(Q (inputs, mask))] + C (parameters, signals, dt)

    P is the same for all frames and acts on each field by itself (width / 2 / fields features from each field) where
    the number of fields divides width / 2. Q exists if there are input fields or a mask, C if the sizes have parameters
    or signals or no context frames, whose dt is the time asked for; then there is nothing in the count but what was
    published.

    Shapes: x [B, T, fields, *S] -> [B, *S, width].
    """

    def __init__(self, sizes: Sizes, width: int) -> None:
        super().__init__()
        half, fixed = width // 2, sizes.inputs + int(sizes.mask)
        self.sizes, self.conditioned = sizes, is_conditioned(sizes)
        groups = sizes.fields if half % sizes.fields == 0 else 1
        self.frames = nn.Conv1d(sizes.fields, half, 1, groups=groups) if sizes.frames_in else None
        self.fixed = nn.Linear(fixed, half) if fixed else None
        parts = sizes.frames_in + int(fixed > 0)
        self.join = nn.Linear(parts * half, width, bias=False) if parts else None
        self.condition = nn.Linear(sizes.conditions, width) if self.conditioned else None

    def forward(
        self, x: Tensor, parameters: Tensor, signals: Tensor, mask: Tensor, dt: Tensor, inputs: Tensor
    ) -> Tensor | None:
        """The channels, or None where nothing is given."""
        hidden = []
        if self.frames is not None:
            frames = self.frames(x.flatten(3).flatten(0, 1)).unflatten(0, x.shape[:2])
            hidden.append(frames.permute(0, 3, 1, 2).flatten(2))
        if self.fixed is not None:
            fixed = torch.cat((inputs, mask.to(x.dtype)), 1) if self.sizes.mask else inputs
            hidden.append(self.fixed(fixed.flatten(2).mT))
        h: Tensor | None = None
        if self.join is not None:
            h = self.join(functional.gelu(torch.cat(hidden, -1)))
        if self.condition is not None:
            constant = self.condition(case_features(parameters, signals, dt))[:, None]
            h = constant.expand(-1, x.shape[3:].numel(), -1) if h is None else h + constant
        return None if h is None else h.unflatten(1, x.shape[3:])


@final
class Position(nn.Module):
    """A [sin 2π X B, cos 2π X B] + a: positions as channels, with fixed random B.

    Shapes: X [B, *S, dims] -> [B, *S, width].

    Args:
        dims: space axes.
        width: channels.
        deviation: standard deviation of the entries of B.
        periodic: axes of period 1, whose entries of B are whole numbers.
    """

    rates: Tensor

    def __init__(self, dims: int, width: int, deviation: float, periodic: Sequence[bool] = ()) -> None:
        super().__init__()
        rates = deviation * torch.randn(dims, width // 2)
        for axis, wraps in enumerate(periodic):
            if wraps:
                rates[axis] = rates[axis].round()
        self.register_buffer("rates", rates)
        self.map = nn.Linear(width, width)

    def forward(self, points: Tensor) -> Tensor:
        """The channels; see the class."""
        angles = TWO_PI * (points @ self.rates)
        return self.map(torch.cat((angles.sin(), angles.cos()), -1))


@final
class Project(nn.Module):
    """Q₂ gelu(Q₁ u) + q at each point: channels [B, *S, width] to frames [B, frames, fields, *S]."""

    def __init__(self, sizes: Sizes, width: int) -> None:
        super().__init__()
        self.shape = (sizes.frames_out, sizes.fields)
        self.hidden = nn.Linear(width, width // 2, bias=False)
        self.out = nn.Linear(width // 2, sizes.channels_out)

    def forward(self, u: Tensor) -> Tensor:
        """The frames; see the class."""
        return self.out(functional.gelu(self.hidden(u))).movedim(-1, 1).unflatten(1, self.shape)


def is_conditioned(sizes: Sizes) -> bool:
    """Whether the case acts: it has parameters or signals, or there are no context frames and dt is the time."""
    return bool(sizes.parameters or sizes.signals or not sizes.frames_in)


def domain_lengths(lengths: Sequence[float] | None, dims: int) -> tuple[float, ...]:
    """Lengths of the domain, 1 on each axis if none are given.

    Raises:
        InputError: another number of lengths than axes, or one that is not positive.
    """
    found = (1.0,) * dims if lengths is None else tuple(lengths)
    if len(found) != dims or not all(isinstance(value, (int, float)) and value > 0 for value in found):
        raise InputError(f"lengths must be a positive number for each of the {dims} axes, not {list(found)}.")
    return found
