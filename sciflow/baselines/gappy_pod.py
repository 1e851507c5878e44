"""POD coefficients conditioned on scattered observations."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self, final

import numpy as np
import xarray as xr
from scipy.linalg import solve_triangular

from sciflow.baselines.base import Baseline, require_grid
from sciflow.baselines.observations import (
    GridAxes,
    deviations_within,
    noise_levels,
    observed,
    probabilities,
    require_noise,
)
from sciflow.baselines.parameters import field_scales, time_scales
from sciflow.baselines.pod_basis import PodBasis, field_deviations
from sciflow.baselines.space_time import at_times, require_shared_times, whole_cases
from sciflow.core import Forecast, InputError, Query
from sciflow.data.query_arrays import forecast_fields

if TYPE_CHECKING:
    from sciflow.data import Dataset


@final
class GappyPod(Baseline):
    """Exact posterior of POD coefficients a ~ N(0, diag(λ)) given observations y = H(ū + Φᵀ a + e) + noise.

    A case is one vector, all its frames and fields (all cases must have the same times), ū the mean and Φ the leading
    modes of the training cases, λ the variances of their coefficients, H interpolation (linear in space and time) and
    e what the basis misses, taken as independent from point to point, with the variance found on the validation cases
    (without them on every fifth training case, left out of a first basis). With many exact observations this is the
    least-squares fit of gappy POD, with few the prior keeps it bounded. Case parameters and signals are not used.

    The variance is the whole pointwise one; a ``factor`` holds leading directions of its correlated part.

    Args:
        rank: modes at most.
        noise: standard deviation of the noise of observations, relative to that of the observed field over a case; None
            averages over levels from 0 to 0.3, each as probable as the observations of the case make it.
        factor: directions of the posterior covariance to return; each is as large as the mean.

    Raises:
        InputError: times differ by case, there are fewer than three training cases, or a query has no observations.

    Sources: Everson, Sirovich, J. Opt. Soc. Am. A 12 (1995) 1657-1664; Bui-Thanh, Damodaran, Willcox, AIAA J. 42 (2004)
    1505-1516; the prior makes it the linear-Gaussian case of Bayes' rule.
    """

    name = "gappy-pod"
    needs_observations: ClassVar[bool] = True

    def __init__(self, rank: int = 128, noise: float | None = None, factor: int = 0) -> None:
        self.rank, self.noise, self.factor = rank, noise, factor
        if rank < 1 or factor < 0:
            raise InputError(f"rank must be at least 1 and factor at least 0, not {rank} and {factor}.")
        require_noise(noise)
        super().__init__()

    def fit(self, train: Dataset, valid: Dataset | None = None) -> Self:
        """Basis and prior from the training cases, the variance that the basis misses from the validation cases."""
        times = require_shared_times(train, self.name)
        if len(train) < 3:
            raise InputError(f"The method '{self.name}' needs at least three training cases, not {len(train)}.")
        field_std = field_deviations(train)
        cases = whole_cases(train, field_std)
        basis = PodBasis.fit(cases, self.rank)
        first, held_out = basis, cases
        if valid is not None and len(valid):
            held_out = whole_cases(valid, field_std)
        elif len(cases) > 5:
            kept = np.arange(len(cases)) % 5 > 0
            first, held_out = PodBasis.fit(cases[kept], self.rank), cases[~kept]
        missed = np.mean((held_out - first.decode(first.encode(held_out))) ** 2, axis=0)
        state, arrays = GridAxes.of(train, times).stored()
        self.state = {"fields": list(train.fields), "grid": list(train.shape), **state}
        self.arrays = {
            **arrays,
            "field_std": field_std,
            "within": deviations_within(train, field_std),
            "mean": basis.mean,
            "modes": np.ascontiguousarray(basis.modes, np.float32),
            "variances": basis.encode(cases).var(axis=0, ddof=1),
            "missed": missed.astype(np.float32),
        }
        return self

    def forecast(self, query: Query) -> Forecast:
        """Posterior mean and variance of each case."""
        fields = self.state["fields"]
        grid = require_grid(query, self.state["grid"], self.name)
        axes = GridAxes.restored(self.state, self.arrays)
        points, values = observed(query, fields, axes, self.name)
        values = values / self.arrays["field_std"]
        modes = self.arrays["modes"].astype(np.float64)
        means, variances, factors = [], [], []
        for where, seen in zip(points, values, strict=True):
            coefficients, half = self._posterior(axes, modes, where, seen)
            means.append(self.arrays["mean"] + coefficients @ modes)
            variances.append(np.sum((half @ modes) ** 2, axis=0) + self.arrays["missed"])
            if self.factor:
                _, sizes, directions = np.linalg.svd(half)
                leading = (sizes[:, None] * directions)[: self.factor]
                factors.append(leading @ modes)
        shape = (len(axes.times), len(fields), *grid)
        asked = query.times / time_scales(query.context)[:, None]
        scale = field_scales(query.context, fields) * self.arrays["field_std"]
        scale = scale.reshape(query.cases, 1, len(fields), *[1] * len(grid))

        def frames(vectors: list[np.ndarray]) -> np.ndarray:
            return at_times(np.stack(vectors).reshape(-1, *shape), axes.times, asked)

        mean = forecast_fields(frames(means) * scale, query, fields)
        variance = forecast_fields(frames(variances) * scale**2, query, fields)
        if not factors:
            return Forecast(mean, variance=variance)
        rows = [forecast_fields(frames(list(row)) * scale, query, fields) for row in np.stack(factors, axis=1)]
        return Forecast(mean, variance=variance, factor=xr.concat(rows, "rank"))

    def _posterior(
        self, axes: GridAxes, modes: np.ndarray, where: np.ndarray, seen: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Posterior mean [R] of the coefficients, and F [R, R] with covariance F^T F, from values [M, C] at points."""
        index, weight = axes.corners(where)
        channels = seen.shape[1]
        cells = int(np.prod(self.state["grid"]))
        frame, cell = np.divmod(index, cells)
        flat = (frame[..., None] * channels + np.arange(channels)) * cells + cell[..., None]  # [M, K, C]
        expected = np.einsum("mk,mkc->mc", weight, self.arrays["mean"][flat])
        missed = np.einsum("mk,mkc->mc", weight, self.arrays["missed"][flat]).ravel()
        deviation = np.sqrt(self.arrays["variances"])
        seen_modes = np.einsum("mk,rmkc->rmc", weight, modes[:, flat]).reshape(len(modes), -1)
        pattern = deviation[:, None] * seen_modes  # of coefficients with unit variance
        residual = (seen - expected).ravel()
        within = np.tile(self.arrays["within"], len(seen))

        levels = noise_levels(self.noise)
        found = [_solved(pattern, residual, missed + (noise * within) ** 2) for noise in levels]
        weights = probabilities([likelihood for _, _, likelihood in found])
        mean = sum(weight * own for weight, (own, _, _) in zip(weights, found, strict=True))
        if np.count_nonzero(weights) == 1:
            return deviation * mean, found[int(weights.argmax())][1] * deviation
        covariance = sum(
            weight * (half.T @ half + np.outer(own - mean, own - mean))
            for weight, (own, half, _) in zip(weights, found, strict=True)
        )
        return deviation * mean, np.linalg.cholesky(covariance).T * deviation


def _solved(pattern: np.ndarray, residual: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Posterior of coefficients w ~ N(0, 1) given residual = pattern^T w + noise of variance `error`.

    Returns:
        Mean [R], F [R, R] with covariance F^T F, and log-likelihood of the residual up to a constant.
    """
    weighted = pattern / error
    lower = np.linalg.cholesky(np.eye(len(pattern)) + weighted @ pattern.T)
    half = solve_triangular(lower, weighted @ residual, lower=True)
    misfit = np.sum(residual**2 / error) - half @ half
    likelihood = -0.5 * (misfit + np.log(error).sum()) - np.log(np.diag(lower)).sum()
    inverse = solve_triangular(lower, np.eye(len(lower)), lower=True)
    return inverse.T @ half, inverse, float(likelihood)
