"""Exponential moving average of a network's weights."""

from __future__ import annotations

import copy
from typing import final

import torch
from torch import nn


@final
class WeightAverage:
    """Running average a of the weights w after each optimiser step t = 1, 2, ...::

        d_t = min(decay, (1 + t) / (10 + t)),      a <- d_t a + (1 - d_t) w

    The smaller decay at the start lets the average forget the initial weights. Buffers are copied. With ``decay=0`` the
    average is the weights themselves. Good values: 0.99 to 0.999, well below ``1 - 1/steps``.

    Args:
        network: the network that is trained.
        decay: largest d_t, in [0, 1).
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self.decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after optimiser step ``step`` (counted from 1)."""
        decay = min(self.decay, (1 + step) / (10 + step)) if self.decay else 0.0
        for average, weight in zip(self.network.parameters(), network.parameters(), strict=True):
            average.lerp_(weight, 1 - decay)
        for average, value in zip(self.network.buffers(), network.buffers(), strict=True):
            average.copy_(value)
