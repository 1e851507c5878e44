"""The attentive neural process."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from sciflow.conservation.neural_process.attention import Attention
from sciflow.conservation.neural_process.network import Decoder, Gaussian, ProcessNetwork, linear


@final
class SelfEncoder(nn.Module):
    """A linear layer on [point, value], then self-attention among the points: [B, N, K], [B, N, C] to [B, N, H]."""

    def __init__(
        self, inputs: int, width: int, heads: int, layers: int, dropout: float, attention_dropout: float
    ) -> None:
        super().__init__()
        self.embed = linear(inputs, width)
        self.layers = nn.ModuleList(Attention(width, heads, dropout, attention_dropout) for _ in range(layers))

    def forward(self, points: Tensor, values: Tensor) -> Tensor:
        h = self.embed(torch.cat([points, values], dim=-1))
        for layer in self.layers:
            h = layer(h, h, h)
        return h


@final
class AttentiveNetwork(ProcessNetwork):
    """A latent path for what a context tells of the whole field, and attention for what it tells of a place.

    With H = `width`, each linear layer with Xavier-uniform weights::

        latent:         h = self-attention([x, y]),  g = ReLU(W mean(h)),  z ~ N(W₁ g, exp(W₂ g))
        deterministic:  r(x*) = cross-attention(queries W x*, keys W x, values self-attention([x, y]))
        decoder:        (μ, s) = MLP([r(x*), z, W x*]),  σ = softplus(s) + 0.001

    With the published sizes (the defaults, K = 2, C = 1) 989,826 parameters.

    Args:
        inputs: number K of features of a point.
        outputs: number C of fields.
        width, heads: of every attention.
        self_layers: self-attentions in each encoder.
        cross_layers: cross-attentions, all with the same keys and values.
        decoder_layers: hidden layers of width 3 H.
        dropout: rate at the output of each attention.
        attention_dropout: rate at the attention weights (published: 0.1).

    Raises:
        InputError: the width is no multiple of the heads, or a rate is outside [0, 1).

    Sources: Kim et al., Attentive Neural Processes, ICLR 2019; sizes and dropout as used by Hansen et al., Learning
    Physical Models that Can Respect Conservation Laws, ICML 2023 (arXiv:2302.11002).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        width: int = 128,
        heads: int = 4,
        self_layers: int = 2,
        cross_layers: int = 2,
        decoder_layers: int = 3,
        dropout: float = 0.1,
        attention_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.latent_width = width
        sizes = (inputs + outputs, width, heads, self_layers, dropout, attention_dropout)
        self.latent_encoder = SelfEncoder(*sizes)
        self.pooled = linear(width, width, relu=True)
        self.latent_mean = linear(width, width)
        self.latent_log_variance = linear(width, width)
        self.encoder = SelfEncoder(*sizes)
        self.key = linear(inputs, width)
        self.query = linear(inputs, width)
        self.cross = nn.ModuleList(Attention(width, heads, dropout, attention_dropout) for _ in range(cross_layers))
        self.decoder = Decoder(inputs, outputs, width, decoder_layers, latent=True)

    def latent(self, points: Tensor, values: Tensor) -> Gaussian:
        """Distribution of z [B, H] given points [B, N, K] and values [B, N, C]."""
        h = self.pooled(self.latent_encoder(points, values).mean(dim=1)).relu()
        return Gaussian(self.latent_mean(h), self.latent_log_variance(h))

    def encode(self, points: Tensor, values: Tensor) -> tuple[Tensor, ...]:
        """Keys and values [B, N, H] of the cross-attention."""
        return self.key(points), self.encoder(points, values)

    def decode(
        self, encoded: tuple[Tensor, ...], z: Tensor | None, targets: Tensor, *, twice: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Mean and deviation [B, M, C]; only what lies behind the targets is differentiated twice."""
        keys, values = encoded
        r = self.query(targets)
        for layer in self.cross:
            r = layer(keys, values, r, fused=not twice)
        return self.decoder(r, z, targets)
