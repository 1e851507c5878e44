"""What the networks of neural processes share: their interface, linear layers and the latent Gaussian."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self, final

import torch
from torch import Tensor, nn
from torch.nn import functional

SMALLEST_DEVIATION = 1e-3  # in normalised units


@final
@dataclass(frozen=True, eq=False)
class Gaussian:
    """Independent normal variables: means and logarithms of variances, any equal shapes."""

    mean: Tensor
    log_variance: Tensor

    def draw(self) -> Tensor:
        """mean + exp(log_variance / 2) ε, from torch's generator, differentiable in both."""
        return self.at(torch.randn_like(self.mean))

    def at(self, noise: Tensor) -> Tensor:
        """The draws that belong to standard normal `noise`, whose shape broadcasts with the means."""
        return self.mean + (self.log_variance / 2).exp() * noise

    def divergence(self, other: Self) -> Tensor:
        """KL(self || other), summed over everything::

        ½ Σ [ l' - l + (exp(l) + (m - m')²) exp(-l') - 1 ]      with l, l' the logarithms of the variances
        """
        gap = other.log_variance - self.log_variance
        distance = (self.mean - other.mean).square() * (-other.log_variance).exp()
        return 0.5 * (gap + (-gap).exp() + distance - 1).sum()


class ProcessNetwork(nn.Module, ABC):
    """From context points and their values to a normal distribution at target points.

    Points are [B, N, K] (features of coordinates), values [B, N, C]; all in numbers of order one. Context points may be
    in any order, and each target is answered by itself.
    """

    latent_width: int = 0  # of z; 0 where there is none

    @abstractmethod
    def latent(self, points: Tensor, values: Tensor) -> Gaussian | None:
        """Distribution [B, H] of the latent variable z given some points; None where there is none."""

    @abstractmethod
    def encode(self, points: Tensor, values: Tensor) -> tuple[Tensor, ...]:
        """What the deterministic path keeps of the context."""

    @abstractmethod
    def decode(
        self, encoded: tuple[Tensor, ...], z: Tensor | None, targets: Tensor, *, twice: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation [B, M, C] at targets [B, M, K].

        Args:
            encoded: of `encode`; its B may be 1, the same for all z.
            z: [B, H], or None where there is none.
            targets: where; their B may be 1.
            twice: derivatives with respect to the targets will be differentiated again.
        """


def linear(inputs: int, outputs: int, *, relu: bool = False, bias: bool = True) -> nn.Linear:
    """A linear layer with Xavier-uniform weights, of gain √2 before a ReLU; biases as torch draws them."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    nn.init.xavier_uniform_(layer.weight, gain=math.sqrt(2) if relu else 1.0)
    return layer


@final
class Decoder(nn.Module):
    """Perceptron from [r, z, features of the target] to mean and deviation, softplus(s) + 0.001.

    Args:
        inputs: number K of features of a target.
        outputs: number C of fields.
        width: of r, z and the embedding of a target, each.
        layers: hidden ones, as wide as their input.
        latent: whether there is a z.
    """

    def __init__(self, inputs: int, outputs: int, width: int, layers: int, *, latent: bool) -> None:
        super().__init__()
        self.width, whole = width, (3 if latent else 2) * width
        self.embed = linear(inputs, width)
        self.hidden = nn.ModuleList(linear(whole, whole, relu=True) for _ in range(layers))
        self.out = linear(whole, 2 * outputs)

    def forward(self, r: Tensor, z: Tensor | None, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation [B, M, C] from r [B, M or 1, H], z [B, H] and targets [B, M, K]; each B may be 1."""
        first, *others = self.hidden
        parts = first.weight.split(self.width, dim=1)  # z is the same at all targets, and r may be for all z
        h = functional.linear(r, parts[0], first.bias) + functional.linear(self.embed(targets), parts[-1])
        if z is not None:
            h = h + functional.linear(z, parts[1])[:, None]
        h = h.relu()
        for layer in others:
            h = layer(h).relu()
        mean, spread = self.out(h).chunk(2, dim=-1)
        return mean, functional.softplus(spread) + SMALLEST_DEVIATION
