"""What a Galilean boost does to the values of velocity components."""

from __future__ import annotations

from typing import Literal, final

import torch
from torch import Tensor, nn

from sciflow.core.errors import InputError
from sciflow.operators.sizes import Sizes
from sciflow.recurrent.velocities import Velocities

BoostName = Literal["mean", "lift", "none"]


@final
class Boost(nn.Module):
    """Makes a network that moves with c also raise velocity components by c.

    A field u that obeys ``u'(x, t) = u(x - c t, t) + c`` moves and rises. Its rise is either taken off the frames, or
    each slice of memory sees the frame from its own velocity:

    - "mean": the mean over the box, which the boost raises by c and the equation keeps, is taken off each frame before
      it is read and added to the next one. Exact for every c; the motion is left to the slices.
    - "lift": slice nu reads ``U * (f - nu s)`` and gives ``Dec h(nu) + nu s``, where s is the value of one cell per
      frame. Exact for slices that the set covers; their frames are weighed by evidence.
    - "none": values are read as they are.

    Args:
        sizes: of the network; `Flow.fields` says which channels rise.
        kind: one of these.
    """

    speeds: Tensor

    def __init__(self, sizes: Sizes, kind: BoostName) -> None:
        super().__init__()
        self.kind = kind
        rising = torch.zeros(sizes.dims, sizes.fields)
        for flow in sizes.flows:
            if flow.kind == "translation":
                rising[flow.axes[0], list(flow.fields)] = 1
        self.register_buffer("rising", rising, persistent=False)
        some = bool(rising.any())
        self.takes_mean = kind == "mean" and some
        if kind == "lift":
            if not some:
                raise InputError("boost 'lift' is for problems whose Galilean symmetry names a velocity field.")
            self.register_buffer("speeds", rising.clone())

    def set_speeds(self, speeds: Tensor) -> None:
        """Take the normalised value of one cell per frame along each axis in each channel, [D, F]."""
        if self.kind == "lift":
            self.speeds.copy_(self.rising * speeds)

    def taken_off(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Rows [B, N, F] without what rises, and what was taken off, [B, 1, F]."""
        if not self.takes_mean:
            return rows, torch.zeros_like(rows[:, :1])
        mean = rows.mean(1, keepdim=True) * self.rising.amax(0)
        return rows - mean, mean

    def lifted(self, rows: Tensor, weight: Tensor, velocities: Velocities) -> Tensor:
        """``U * (f - nu s)`` of all slices, [B, V N, C], from U * f, [B, N, C]; without "lift" the same for all."""
        if self.kind != "lift":
            return rows
        shift = self.values(velocities) @ weight.flatten(2).sum(-1).mT
        return (rows[:, None] - shift[:, None]).flatten(1, 2)

    def values(self, velocities: Velocities) -> Tensor:
        """nu s of each slice, [V, F]."""
        return torch.tensor(velocities.vectors, dtype=torch.float64).to(self.speeds) @ self.speeds
