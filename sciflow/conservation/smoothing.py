"""Artificial diffusion before the law: conditioning on small second differences ("w/diff" of arXiv:2302.11002)."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor

from sciflow.conservation.arrays import require_finite, returned, tensor
from sciflow.conservation.banded import Pentadiagonal
from sciflow.conservation.covariance import Covariance, Diagonal
from sciflow.core.errors import InputError


@final
class Smoothed(Covariance):
    """Sigma - Sigma D^T M^-1 D Sigma with Sigma diagonal, D second differences and M pentadiagonal.

    Products with rows are banded solves and the diagonal comes from the bands of M^-1, so that nothing needs more than
    linear time and memory but `dense`.
    """

    slack = 1e-13

    def __init__(self, variance: Tensor, noise: Tensor, *, numpy: bool) -> None:
        self.numpy = numpy
        self._variance, self._noise = variance, noise
        part = variance.movedim(-1, 0)
        diagonal = part[:-2] + 4 * part[1:-1] + part[2:] + noise.movedim(-1, 0)
        first, second = torch.zeros_like(diagonal), torch.zeros_like(diagonal)
        first[:-1] = -2 * (part[1:-2] + part[2:-1])
        second[:-2] = part[2:-2]
        fixed = diagonal == 0  # three neighbours without variance: nothing to smooth there
        self._system = Pentadiagonal.of(torch.where(fixed, torch.ones_like(diagonal), diagonal), first, second)

    @property
    def size(self) -> int:
        return int(self._variance.shape[-1])

    def gain(self, differences: Tensor) -> Tensor:
        """Sigma D^T M^-1 times second differences [..., n - 2]."""
        solved = self._system.solve(differences.movedim(-1, 0)).movedim(0, -1)
        return self._variance * transposed(solved)

    def rows_times(self, rows: Tensor) -> Tensor:
        scaled = rows * self._variance.unsqueeze(-2)
        # Rows go in front of the leading dimensions, which the factors of M have.
        moved = second_differences(scaled).movedim(-2, 0)
        return scaled - self.gain(moved).movedim(0, -2)

    def variances(self) -> Tensor:
        own, near, far = (band.movedim(0, -1) for band in self._system.inverse_bands())
        weights = torch.tensor([1.0, -2.0, 1.0], dtype=torch.float64, device=own.device)
        total = torch.zeros_like(self._variance)
        size = self.size
        for k in range(3):  # point j = row + k has weight w_k in that row
            total[..., k : size - 2 + k] += weights[k] ** 2 * own
        total[..., 1 : size - 2] += 2 * weights[1] * weights[0] * near[..., :-1]  # rows j-1 and j
        total[..., 2 : size - 1] += 2 * weights[2] * weights[1] * near[..., :-1]  # rows j-2 and j-1
        total[..., 2 : size - 2] += 2 * weights[2] * weights[0] * far[..., :-2]  # rows j-2 and j
        return (self._variance - self._variance**2 * total).clamp(min=0)

    def matrix(self) -> Tensor:
        return self.rows_times(torch.eye(self.size, dtype=torch.float64, device=self._variance.device))

    def sample(self, count: int, lead: tuple[int, ...], generator: torch.Generator) -> Tensor:
        drawn = Diagonal(self._variance).sample(count, lead, generator)
        error = Diagonal(self._noise).sample(count, lead, generator)
        return drawn - self.gain(second_differences(drawn) + error)


def smooth(mean: Any, covariance: Covariance, correlation: float = 0.9) -> tuple[Any, Smoothed]:
    """Condition on second differences near 0, more so where the forecast is unsure.

    The rows u_{i-1} - 2 u_i + u_{i+1} (not divided by the spacing) have target 0 and the noise variance that second
    differences of errors with the deviations s and the correlation a^|i-j| would have,

        L_i = s_{i-1}^2 + 4 s_i^2 + s_{i+1}^2 - 4 a s_{i-1} s_i + 2 a^2 s_{i-1} s_{i+1} - 4 a s_i s_{i+1},

    so that sure regions are smoothed weakly. Pentadiagonal solves: time and memory are linear in n. Meant to come
    before `condition`, whose law then holds exactly; smoothing itself keeps no law. It lowers the error of shocks and
    narrows the variances, which hurts where the model extrapolates.

    Args:
        mean: [..., n] along a line of points, array or tensor.
        covariance: a `Diagonal`.
        correlation: a of neighbouring errors, from 0 to below 1; 0.9 in the paper's code.

    Returns:
        The mean, of the kind given, and the covariance for `condition`.

    Raises:
        InputError: the covariance is no `Diagonal`, there are fewer than 3 points, or the correlation is not in [0, 1).
    """
    values = tensor(mean, "mean")
    require_finite(values, "mean")
    if not isinstance(covariance, Diagonal):
        raise InputError(
            f"smooth takes a Diagonal covariance, not {type(covariance).__name__}; smooth before coupling."
        )
    if not 0 <= correlation < 1:
        raise InputError(f"The correlation of neighbouring errors is {correlation}; expected 0 <= correlation < 1.")
    variance = covariance.variances()
    if values.ndim < 1 or values.shape[-1] != covariance.size or covariance.size < 3:
        raise InputError(
            f"smooth needs a mean and a variance of at least 3 points on one grid, not {tuple(values.shape)} and "
            f"{tuple(variance.shape)}."
        )
    left, middle, right = (variance[..., k : covariance.size - 2 + k].sqrt() for k in range(3))
    noise = left**2 + 4 * middle**2 + right**2 + 2 * correlation**2 * left * right
    noise = (noise - 4 * correlation * middle * (left + right)).clamp(min=0)
    smoothed = Smoothed(variance, noise, numpy=covariance.numpy)
    corrected = values - smoothed.gain(second_differences(values))
    return returned(corrected, not isinstance(mean, Tensor)), smoothed


def second_differences(values: Tensor) -> Tensor:
    """u_{i-1} - 2 u_i + u_{i+1}, [..., n] -> [..., n - 2]."""
    return values[..., :-2] - 2 * values[..., 1:-1] + values[..., 2:]


def transposed(values: Tensor) -> Tensor:
    """The transpose of `second_differences`, [..., n - 2] -> [..., n]."""
    padded = torch.nn.functional.pad(values, (2, 2))
    return padded[..., :-2] - 2 * padded[..., 1:-1] + padded[..., 2:]
