"""Latent marching: several frames from one encoded state by a small map iterated at each point."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from sciflow.core.errors import InputError
from sciflow.operators.sizes import Sizes, require_whole


@final
class LatentMarch(nn.Module):
    """z_0 = E u;  z_k = z' + G₂ gelu(G₁ norm(z')),  z' = z_{k-1} + e_k;  frames of step k from z_k by one decoder.

    The decoder is a group normalisation over all points, a map in groups of channels, and a perceptron of one hidden
    layer at each point.

    Shapes: u [B, *S, width] -> [B, frames_out, fields, *S].

    Args:
        sizes: what the problem needs.
        width: channels of u.
        latent: channels of z.
        steps: K; each gives frames_out / K frames.

    Raises:
        InputError: ``steps`` does not divide the number of frames, or a size below 1.

    Source: Li, Shu, Barati Farimani, NeurIPS 2023 (arXiv:2305.17560), section 3.3.
    """

    def __init__(self, sizes: Sizes, width: int, latent: int, steps: int) -> None:
        super().__init__()
        require_whole("latent", latent, 1)
        require_whole("steps", steps, 1)
        if sizes.frames_out % steps:
            raise InputError(f"steps must divide the {sizes.frames_out} frames to predict, which {steps} does not.")
        self.shape = (sizes.frames_out, sizes.fields)
        groups = math.gcd(8, latent, width)
        self.encode = nn.Linear(width, latent, bias=False)
        self.times = nn.Parameter(0.02 * torch.randn(steps, latent))
        self.norm = nn.LayerNorm(latent)
        self.inner, self.outer = nn.Linear(latent, width), nn.Linear(width, latent)
        self.group_norm = nn.GroupNorm(groups, latent)
        self.open = nn.Conv1d(latent, width, 1, groups=groups, bias=False)
        self.hidden = nn.Linear(width, width // 2)
        self.out = nn.Linear(width // 2, sizes.channels_out // steps)

    def forward(self, u: Tensor) -> Tensor:
        """The frames; see the class."""
        z, found = self.encode(u.flatten(1, -2)), []
        for time in self.times:
            z = z + time
            z = z + self.outer(functional.gelu(self.inner(self.norm(z))))
            opened = functional.gelu(self.open(self.group_norm(z.mT))).mT
            found.append(self.out(functional.gelu(self.hidden(opened))))
        return torch.cat(found, -1).mT.unflatten(1, self.shape).unflatten(-1, u.shape[1:-1])
