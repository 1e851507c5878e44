"""From a trained neural process and observations of a case to a mixture of normal distributions on a grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from sciflow.conservation.neural_process.network import ProcessNetwork
from sciflow.conservation.neural_process.numbers import require_whole
from sciflow.conservation.neural_process.training import seeded
from sciflow.core import InputError

_CHUNK_BYTES = 2**26  # of one layer's activations


@final
@dataclass(frozen=True)
class Draws:
    """How a forecast is drawn.

    Attributes:
        draws: of the latent variable, and of dropout.
        dropout: whether dropout is on, as in the published evaluation.
        seed: of all draws.

    Raises:
        InputError: there is no draw, or a value is of another type.
    """

    draws: int
    dropout: bool
    seed: int

    def __post_init__(self) -> None:
        require_whole("draws", self.draws)
        if not isinstance(self.dropout, bool):
            raise InputError(f"dropout must be True or False, not {self.dropout!r}; its rate is dropout_rate.")
        require_whole("seed", self.seed, least=0)


@torch.no_grad()
def predicted(
    network: ProcessNetwork, context: Tensor, values: Tensor, targets: Tensor, how: Draws, case: int
) -> tuple[Tensor, Tensor]:
    """Means and deviations [S, M, C] at targets [M, K] for each draw, given a context [N, K] with values [N, C].

    S is 1 where nothing is drawn. Each draw has its own z and, with dropout on, its own dropout in all layers. They
    depend on the seed and the number of the case alone, not on other cases. Targets are handled in chunks of bounded
    memory.
    """
    network.train(how.dropout)
    number = int(np.random.SeedSequence([how.seed, case]).generate_state(1)[0])
    copies = how.draws if how.dropout else 1
    points, seen = context.expand(copies, -1, -1), values.expand(copies, -1, -1)
    size = max(1, _CHUNK_BYTES // (4 * how.draws * 4 * 3 * (network.latent_width or 1)))
    with seeded(number, context.device):
        latent = network.latent(points, seen)
        z = None if latent is None else latent.at(torch.randn(how.draws, latent.mean.shape[1], device=context.device))
        encoded = network.encode(points, seen)
        parts = [network.decode(encoded, z, part.expand(copies, -1, -1)) for part in targets.split(size)]
    means, deviations = (torch.cat(column, dim=1) for column in zip(*parts, strict=True))
    return means, deviations
