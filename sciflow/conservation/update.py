"""The update: a Gaussian forecast, conditioned on its conservation laws (Hansen et al. 2023, arXiv:2302.11002)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from sciflow.conservation.arrays import require_finite, returned, tensor
from sciflow.conservation.constraint import Constraint
from sciflow.conservation.covariance import Covariance, Diagonal
from sciflow.conservation.gain import Gain
from sciflow.core.errors import InputError


@final
class Conditioned(Covariance):
    """Sigma - V^T V: the covariance `prior` after conditioning, kept as K rows beside it."""

    slack = 1e-13

    def __init__(self, prior: Covariance, gain: Gain) -> None:
        self.numpy, self.prior, self.gain = prior.numpy, prior, gain

    @property
    def size(self) -> int:
        return self.prior.size

    def rows_times(self, rows: Tensor) -> Tensor:
        white = self.gain.whitened
        return self.prior.rows_times(rows) - (rows @ white.mT) @ white

    def variances(self) -> Tensor:
        return self.gain.removed(self.prior.variances())

    def matrix(self) -> Tensor:
        white = self.gain.whitened
        return self.prior.matrix() - white.mT @ white

    def sample(self, count: int, lead: tuple[int, ...], generator: torch.Generator) -> Tensor:
        drawn = self.prior.sample(count, lead, generator)
        noise = self.gain.noise
        shape = (count, *lead, len(noise))
        error = noise * torch.randn(shape, generator=generator, dtype=torch.float64).to(noise.device)
        return self.gain.correct(drawn, error)


@final
@dataclass(frozen=True, eq=False)
class Posterior:
    """A Gaussian that knows its conservation laws.

    Attributes:
        mean: [..., n].
        variance: [..., n], the diagonal of the covariance.
        covariance: ``times(rows)``, ``diagonal()`` and ``dense()``.
    """

    mean: Any
    variance: Any
    covariance: Covariance

    def draw(self, count: int, seed: int) -> Any:
        """Samples [count, ..., n].

        Draws of the prior are conditioned one by one (Matheron's rule): no n x n matrix is built unless the prior is
        one, and without noise each sample keeps the laws.

        Raises:
            InputError: the count is not positive.
        """
        if count < 1:
            raise InputError(f"The number of samples is {count}; expected at least 1.")
        mean = tensor(self.mean, "mean")
        generator = torch.Generator().manual_seed(seed)
        drawn = mean + self.covariance.sample(count, tuple(mean.shape[:-1]), generator)
        return returned(drawn, isinstance(self.mean, np.ndarray))


def condition(mean: Any, covariance: Covariance, constraint: Constraint) -> Posterior:
    """Condition u ~ N(mean, Sigma) on G u + e = b, e ~ N(0, diag(noise^2)).

    With S = diag(noise^2) + G Sigma G^T,

        mean'  = mean - Sigma G^T S^-1 (G mean - b),        Sigma' = Sigma - Sigma G^T S^-1 G Sigma

    (arXiv:2302.11002). Only the products Sigma G^T are formed, so time and memory grow linearly with the
    number of points for `Diagonal` and `LowRank`. Computed and returned in float64. Without noise the result holds
    to |G mean' - b| <= 1e-12 (|b| + sum |G| |mean|), with mean' for mean where that is more.

    Args:
        mean: [..., n], array or tensor; the result is of the same kind.
        covariance: `Diagonal`, `LowRank`, `Scaled`, `Dense`, or the covariance of another posterior.
        constraint: K conditions. Leading dimensions of all three broadcast.

    Raises:
        InputError: the mean is not finite, sizes differ, conditions depend on one another or contradict each other,
            nothing varies along a condition that the mean violates, or the covariance is not positive.
    """
    values = tensor(mean, "mean")
    if values.ndim < 1 or values.shape[-1] != covariance.size:
        raise InputError(
            f"The mean has the shape {tuple(values.shape)} and the covariance {covariance.size} values; give both on "
            "one grid."
        )
    require_finite(values, "mean")
    gain = Gain.of(covariance, constraint, values.device)
    numpy = not isinstance(mean, Tensor)
    corrected = gain.correct(values, gain.target)
    after = Conditioned(covariance, gain)
    variance = after.variances().expand_as(corrected)
    return Posterior(returned(corrected, numpy), returned(variance, numpy), after)


def project(mean: Any, constraint: Constraint) -> Any:
    """The nearest values that hold the conditions: mean - G^T (G G^T)^-1 (G mean - b).

    The hard constraint without uncertainty ("HardC"): the unweighted L2 projection. A noise of the constraint is
    ignored. Float64, of the same kind as the mean [..., n].

    Raises:
        InputError: as `condition`.
    """
    values = tensor(mean, "mean")
    require_finite(values, "mean")
    exact = Constraint(constraint.matrix, constraint.target, names=constraint.names)
    ones = torch.ones(constraint.size, dtype=torch.float64, device=values.device)
    gain = Gain.of(Diagonal(ones), exact, values.device)
    return returned(gain.correct(values, gain.target), not isinstance(mean, Tensor))
