"""One block of a factorized transformer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from sciflow.core.errors import InputError
from sciflow.operators.factorized.axes import Axes
from sciflow.operators.factorized.integral import Rule, integrals
from sciflow.operators.factorized.kernel import AxisKernel, axis_means
from sciflow.operators.sizes import require_whole


@dataclass(frozen=True)
class Widths:
    """Sizes of a block.

    Args:
        width: channels d of the field.
        heads: kernels of each axis.
        head_width: channels c that each head acts on; heads · c need not be d.
        multiplier: numbers per head and point from which a kernel is found, in units of c.

    Raises:
        InputError: a size below 1, an odd ``width``, or an odd product of ``head_width`` and ``multiplier``.
    """

    width: int
    heads: int
    head_width: int
    multiplier: int

    def __post_init__(self) -> None:
        for name in ("width", "heads", "head_width", "multiplier"):
            require_whole(name, getattr(self, name), 1)
        require_even("width", self.width)
        require_even("head_width times multiplier", self.head_width * self.multiplier)

    @property
    def pairs(self) -> int:
        """Pairs of numbers that are turned together."""
        return self.head_width * self.multiplier // 2


@final
class FactorizedBlock(nn.Module):
    """F(u) = O gelu(norm(φ) M), φ the integrals of n V along the axes, n = layer norm(u).

    The kernel of an axis is found by :class:`~sciflow.operators.factorized.kernel.AxisKernel` from S n averaged over
    the other axes; S acts on the averages, which is the same. Integrals and norm: :class:`Rule`. With quadrature
    weights in the axes these multiply the kernels, the averages and the statistics.

    Shapes: u [B, *S, d] -> [B, *S, d]. Computes in float32 under autocast.

    Args:
        dims: space axes.
        widths: sizes.
        rule: how the integrals are combined and normalised.
        gain: scale of the maps from tokens to kernels at the start.
    """

    def __init__(self, dims: int, widths: Widths, rule: Rule, gain: float = 0.02) -> None:
        super().__init__()
        d, heads, c = widths.width, widths.heads, widths.head_width
        self.rule = rule
        self.norm = nn.LayerNorm(d)
        self.value = nn.Linear(d, heads * c, bias=False)
        self.source = nn.Linear(d, d, bias=False)
        self.kernels = nn.ModuleList(AxisKernel(d, heads, c, widths.multiplier, gain) for _ in range(dims))
        self.mix = nn.Linear(heads * c * (dims if rule.form == "parallel" else 1), d, bias=False)
        self.out = nn.Linear(d, d, bias=False)

    def forward(self, u: Tensor, axes: Axes) -> Tensor:
        """F(u); see the class."""
        with torch.autocast(u.device.type, enabled=False):
            n = self.norm(u.to(self.value.weight.dtype))
            y = integrals(self.rule, n, self.value.weight, self.mix.weight, axes.points(), self.axis_kernels(n, axes))
            return self.out(functional.gelu(y))

    def axis_kernels(self, n: Tensor, axes: Axes) -> list[Tensor]:
        """Kernels [B, heads, points, points] from the last space axis to the first, quadrature weights included."""
        kernels = []
        means = axis_means(n, axes.weights)
        for kernel, axis in zip(self.kernels, reversed(range(len(means))), strict=True):
            values = kernel(self.source(means[axis]), axes.angles[axis])
            kernels.append(values if axes.weights is None else values * axes.weights[axis][:, None, None])
        return kernels


def require_even(name: str, value: int) -> None:
    """Raise an InputError unless ``value`` is even."""
    if value % 2:
        raise InputError(f"{name} must be even, not {value}.")
