"""The conditional neural process."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from sciflow.conservation.neural_process.network import Decoder, ProcessNetwork, linear


@final
class ConditionalNetwork(ProcessNetwork):
    """r = mean over the context of MLP([x, y]);  (μ, s) = MLP([r, W x*]),  σ = softplus(s) + 0.001.

    No attention, no latent variable: all that is known of a context is one vector of `width` numbers.

    Args:
        inputs: number K of features of a point.
        outputs: number C of fields.
        width: H of the encoder and of r; the decoder's hidden layers have 2 H.
        encoder_layers: linear layers before the mean.
        decoder_layers: hidden layers of the decoder.

    Source: Garnelo et al., Conditional Neural Processes, ICML 2018 (arXiv:1807.01613).
    """

    def __init__(
        self, inputs: int, outputs: int, *, width: int = 128, encoder_layers: int = 4, decoder_layers: int = 3
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number in range(encoder_layers - 1):
            layers += [linear(width if number else inputs + outputs, width, relu=True), nn.ReLU()]
        self.encoder = nn.Sequential(*layers, linear(width if layers else inputs + outputs, width))
        self.decoder = Decoder(inputs, outputs, width, decoder_layers, latent=False)

    def latent(self, points: Tensor, values: Tensor) -> None:
        """There is none."""
        return None

    def encode(self, points: Tensor, values: Tensor) -> tuple[Tensor, ...]:
        """r [B, 1, H]."""
        return (self.encoder(torch.cat([points, values], dim=-1)).mean(dim=1, keepdim=True),)

    def decode(
        self, encoded: tuple[Tensor, ...], z: Tensor | None, targets: Tensor, *, twice: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Mean and deviation [B, M, C] at targets [B, M, K]."""
        return self.decoder(encoded[0], None, targets)
