"""The kernel of one axis, found from the field averaged over the other axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional


@final
class AxisKernel(nn.Module):
    """Kernel of an integral along one axis from the tokens of that axis, for each head.

        t = M₂ (gelu(a) ⊙ b) + m₂,   (a, b) = M₁ norm(R s) + m₁
        κ(i, j) = ⟨Ω(s_i) Q t_i, Ω(s_j) K t_j⟩                      (divided by √e if e > 4c)

    s are the tokens; Ω turns the pairs (r, r + e/2) of the e numbers of a head by angles proportional to the position
    (rotary encoding), so that κ depends on positions by their difference alone. No softmax, no 1/n.

    Shapes: tokens [B, n, width], angles [1 or B, n, e/2] -> [B, heads, n, n].

    Args:
        width: numbers per token.
        heads: kernels.
        head_width: channels c that a head acts on.
        multiplier: e / c.
        gain: scale of Q and K at the start.

    Source: Li, Shu, Barati Farimani, Scalable Transformer for PDE Surrogate Modeling, NeurIPS 2023 (arXiv:2305.17560);
    Su et al., RoFormer (arXiv:2104.09864).
    """

    def __init__(self, width: int, heads: int, head_width: int, multiplier: int, gain: float) -> None:
        super().__init__()
        size = multiplier * head_width
        self.heads, self.scale = heads, 1.0 if multiplier <= 4 else size**-0.5
        self.reduce = nn.Linear(width, width, bias=False)
        self.norm = nn.LayerNorm(width)
        self.gate = nn.Linear(width, 2 * width)
        self.mix = nn.Linear(width, width)
        self.query = nn.Linear(width, heads * size, bias=False)
        self.key = nn.Linear(width, heads * size, bias=False)
        for linear in (self.query, self.key):
            nn.init.xavier_uniform_(linear.weight, gain=gain)

    def forward(self, tokens: Tensor, angles: Tensor) -> Tensor:
        """The kernels; see the class."""
        opened, value = self.gate(self.norm(self.reduce(tokens))).chunk(2, -1)
        t = self.mix(functional.gelu(opened) * value)
        query, key = (self._turned(linear(t), angles) for linear in (self.query, self.key))
        return self.scale * (query @ key.mT)

    def _turned(self, numbers: Tensor, angles: Tensor) -> Tensor:
        """[B, n, heads e] -> [B, heads, n, e], each pair turned by its angle."""
        first, second = numbers.unflatten(-1, (self.heads, 2, -1)).unbind(-2)
        cos, sin = angles.cos()[:, :, None], angles.sin()[:, :, None]
        return torch.cat((first * cos - second * sin, second * cos + first * sin), -1).transpose(1, 2)


def axis_means(field: Tensor, weights: Sequence[Tensor] | None) -> list[Tensor]:
    """Means of a field [B, *S, C] over all space axes but one: for each axis [B, points, C].

    Linear maps commute with them, so that a map of the means costs n products where one of the field costs N.

    Args:
        field: [B, *S, C].
        weights: quadrature weights [B, points] of each axis, or None for plain means.
    """
    means = []
    for axis in range(1, field.ndim - 1):
        mean = field
        for other in reversed([other for other in range(1, field.ndim - 1) if other != axis]):
            if weights is None:
                mean = mean.mean(other)
            else:
                here = (slice(None), *[None] * (other - 1), slice(None), *[None] * (mean.ndim - 1 - other))
                mean = (mean * weights[other - 1][here]).sum(other)
        means.append(mean)
    return means
