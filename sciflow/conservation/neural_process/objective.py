"""What a neural process learns from: the evidence bound of a batch, and what its equations leave."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, final

import numpy as np
import torch
from torch import Tensor

from sciflow.conservation.neural_process.coordinates import Coordinates
from sciflow.conservation.neural_process.network import ProcessNetwork

if TYPE_CHECKING:
    from sciflow.conservation.neural_process.physics import Physics
    from sciflow.conservation.neural_process.sampling import Examples
    from sciflow.data import Dataset


def log_likelihood(values: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Σ log N(y; μ, σ²) over everything, natural logarithm."""
    return -(((values - mean) / deviation).square() / 2 + deviation.log() + math.log(2 * math.pi) / 2).sum()


@final
class Objective:
    """The negative evidence bound of some examples, and with physics what the equations leave at the targets::

        L = - Σ log N(y*; μ(x*), σ²(x*)) + KL( q(z | targets) || q(z | context) ) + λ mean(r²)

    The sums run over all targets of the batch, z is drawn from q(z | targets), and there is no KL without a z. Values
    are normalised, y = (u / scale - mean) / std; r is the residual of each equation in physical units.

    Args:
        coordinates: features of the points.
        mean, std: of each field over the training cases, [C], in characteristic scales.
        physics: the residual, or None.
        weight: λ.
        device: where the network is.

    Source: Kim et al. (2019), equation 4; the last term is "SoftC" of Hansen et al. (arXiv:2302.11002).
    """

    def __init__(
        self,
        coordinates: Coordinates,
        mean: np.ndarray,
        std: np.ndarray,
        *,
        physics: Physics | None = None,
        weight: float = 0.0,
        device: torch.device | None = None,
    ) -> None:
        self.coordinates, self.physics, self.weight = coordinates, physics, weight
        self.device = device or torch.device("cpu")
        self._mean, self._std = (torch.as_tensor(v, device=self.device, dtype=torch.float64) for v in (mean, std))

    def __call__(self, network: ProcessNetwork, data: Dataset, examples: Examples, *, learning: bool = True) -> Tensor:
        """L of the examples, a scalar; with `learning=False` - Σ log N alone, with z drawn from q(z | context)."""
        constrain = self.physics if learning else None
        times = self._tensor(data.time_scales()[examples.cases])[:, None]
        scale = self._tensor(data.field_scales()[examples.cases])[:, None]
        where, leaf = self._tensor(examples.targets), None
        if constrain is not None:
            leaf, where = constrain.freed(where)
        points, targets = self._features(self._tensor(examples.context), times), self._features(where, times)
        values = self._encoded(examples.context_values, scale)
        wanted = self._encoded(examples.target_values, scale)
        loss, z = torch.zeros((), device=self.device), None
        prior = network.latent(points, values)
        posterior = network.latent(targets.detach(), wanted) if learning else prior
        if prior is not None and posterior is not None:
            z, loss = posterior.draw(), posterior.divergence(prior)
        mean, deviation = network.decode(network.encode(points, values), z, targets, twice=constrain is not None)
        loss = loss - log_likelihood(wanted, mean, deviation)
        if constrain is not None and leaf is not None:
            fields = (mean.double() * self._std + self._mean) * scale
            loss = loss + self.weight * constrain(leaf, fields, examples.cases).square().mean()
        return loss

    def _features(self, points: Tensor, times: Tensor) -> Tensor:
        return self.coordinates(torch.cat([points[..., :1] / times[..., None], points[..., 1:]], dim=-1))

    def _encoded(self, values: np.ndarray, scale: Tensor) -> Tensor:
        return ((self._tensor(values) / scale - self._mean) / self._std).float()

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.as_tensor(np.asarray(values, np.float64), device=self.device)
