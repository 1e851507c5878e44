"""The attention block of attentive neural processes."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from sciflow.conservation.neural_process.dropout import Dropout
from sciflow.conservation.neural_process.dropout import dropout as dropped
from sciflow.conservation.neural_process.network import linear
from sciflow.core import InputError


@final
class Attention(nn.Module):
    """Multi-head attention with the query joined to what it finds, a residual connection and a normalisation.

        c = softmax(Q Kᵀ / √d) V for each head,    out = LayerNorm(q + dropout(W [q, c] + b))

    Args:
        width: of keys, values and queries.
        heads: each of width / heads = d.
        dropout: rate at the output.
        weight_dropout: rate at the attention weights; on a CPU it forces the slower unfused path.

    Raises:
        InputError: the width is no multiple of the heads, or a rate is outside [0, 1).
    """

    def __init__(self, width: int, heads: int, dropout: float, weight_dropout: float) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise InputError(f"The width {width} must be a multiple of the number of heads, {heads}.")
        if not (0 <= dropout < 1 and 0 <= weight_dropout < 1):
            raise InputError(f"Dropout rates must be at least 0 and below 1, not {dropout} and {weight_dropout}.")
        self.heads, self.weight_dropout = heads, weight_dropout
        self.key = linear(width, width, bias=False)
        self.value = linear(width, width, bias=False)
        self.query = linear(width, width, bias=False)
        self.join = linear(2 * width, width)
        self.dropout = Dropout(dropout)
        self.norm = nn.LayerNorm(width)

    def forward(self, key: Tensor, value: Tensor, query: Tensor, *, fused: bool = True) -> Tensor:
        """Queries [B, M, H] after looking at keys and values [B, N, H].

        The fused kernels cannot be differentiated twice, so ``fused=False`` writes the sums out; the result is the
        same.
        """
        k, v, q = (self._split(part) for part in (self.key(key), self.value(value), self.query(query)))
        rate = self.weight_dropout if self.training else 0.0
        if fused and (rate == 0.0 or q.is_cuda):  # on a CPU torch's kernel with dropout is the slower one
            found = functional.scaled_dot_product_attention(q, k, v, dropout_p=rate)
        else:
            weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), dim=-1)
            found = dropped(weights, rate) @ v
        joined = torch.cat([query, found.transpose(1, 2).flatten(2)], dim=-1)
        return self.norm(query + self.dropout(self.join(joined)))

    def _split(self, x: Tensor) -> Tensor:
        """[B, N, H] to [B, heads, N, d]."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
