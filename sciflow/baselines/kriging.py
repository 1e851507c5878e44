"""Kriging: a Gaussian process in space and time for each case, conditioned on its observations."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self, final

import numpy as np
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
from sciflow.baselines.pod_basis import field_deviations
from sciflow.baselines.space_time import at_times, require_shared_times, whole_cases
from sciflow.core import Forecast, InputError, Query
from sciflow.data.query_arrays import context_mask, forecast_fields
from sciflow.data.schema import space_of

if TYPE_CHECKING:
    from sciflow.data import Dataset

_CASES = 32  # training cases, evenly spread, that the kernel's constants are found on
_CHUNK = 8192  # grid points predicted at a time
_LENGTHS, _NUGGETS = (0.005, 20.0), (1e-8, 1.0)  # bounds: of the domain, and of the variance


@final
class Kriging(Baseline):
    """u = ū + g, with the training mean ū and a Gaussian process g for each field, given the observations of the case.

        k(z, z') = σ² (m(|(z - z') / l|) + η [z = z']),   m(r) = (1 + √5 r + 5 r² / 3) exp(-√5 r)

    z is the position and, unless the problem is steady, the time; each axis has its length l, and a periodic one is a
    circle. l, σ and η maximise the likelihood of the training cases at ``points`` random places (simple kriging with a
    Matérn kernel of smoothness 5/2). Fields are independent of each other; where g is far from stationary, as beside
    walls, its variance is only right on average. Case parameters and signals are not used. All cases must have the same
    times.

    Args:
        points: places at which training cases are looked at; the cost grows with their cube.
        noise: standard deviation of the noise of observations, relative to that of the observed field over a case; None
            averages over levels from 0 to 0.3, each as probable as the observations of the case and field make it.
        seed: of the draw of places.

    Raises:
        InputError: times differ by case, there is one training case alone, or a query has no observations.

    Source: Rasmussen, Williams, Gaussian Processes for Machine Learning, MIT Press 2006, sections 2.2, 4.2.1 and 5.4.1.
    """

    name = "kriging"
    needs_observations: ClassVar[bool] = True
    seeded: ClassVar[bool] = True

    def __init__(self, points: int = 150, noise: float | None = None, seed: int = 0) -> None:
        self.points, self.noise, self.seed = points, noise, seed
        if points < 8:
            raise InputError(f"points must be at least 8, not {points}.")
        require_noise(noise)
        super().__init__()

    def fit(self, train: Dataset, valid: Dataset | None = None) -> Self:
        """Mean and kernel constants from the training cases."""
        times = require_shared_times(train, self.name)
        if len(train) < 2:
            raise InputError(f"The method '{self.name}' needs at least two training cases, not {len(train)}.")
        field_std = field_deviations(train)
        cases = whole_cases(train, field_std).reshape(len(train), len(times), len(train.fields), -1)
        mean = cases.mean(axis=0)
        axes = GridAxes.of(train, times)
        state, arrays = axes.stored()
        chosen = np.unique(np.linspace(0, len(cases) - 1, _CASES).astype(int))
        masks = train.mask_values()
        free = np.flatnonzero(np.ones(cases.shape[-1], bool) if masks is None else masks.all(axis=0).ravel())
        rng = np.random.default_rng(self.seed)
        places = rng.choice(len(times) * len(free), min(self.points, len(times) * len(free)), replace=False)
        frame, cell = places // len(free), free[places % len(free)]
        features = axes.unit(grid_points(axes)[frame * cases.shape[-1] + cell])
        owners = axes.owners()
        # The mean of the N cases takes part of what each differs by: the sum of squares is short by (N - 1) / N.
        left = (cases[chosen][:, frame, :, cell] - mean[frame, :, cell][:, None]) * np.sqrt(
            len(cases) / (len(cases) - 1)
        )
        constants = [_tuned(features, owners, left[..., channel]) for channel in range(len(train.fields))]
        self.state = {"fields": list(train.fields), "grid": list(train.shape), **state}
        self.arrays = {
            **arrays,
            "field_std": field_std,
            "within": deviations_within(train, field_std),
            "mean": mean,
            "lengths": np.stack([lengths for lengths, _, _ in constants]),
            "sizes": np.array([size for _, size, _ in constants]),
            "nuggets": np.array([nugget for _, _, nugget in constants]),
        }
        return self

    def forecast(self, query: Query) -> Forecast:
        """Posterior mean and variance of each case and field."""
        fields = self.state["fields"]
        grid = require_grid(query, self.state["grid"], self.name)
        axes = GridAxes.restored(self.state, self.arrays)
        points, values = observed(query, fields, axes, self.name)
        values = values / self.arrays["field_std"]
        everywhere, known = axes.unit(grid_points(axes)), self.arrays["mean"]
        means, variances = np.empty((2, query.cases, *known.shape))
        for case, where in enumerate(points):
            index, weight = axes.corners(where)
            frame, cell = np.divmod(index, known.shape[-1])
            features = axes.unit(where)
            for channel in range(len(fields)):
                expected = np.sum(weight * known[frame, channel, cell], axis=1)
                mean, variance = self._posterior(channel, features, values[case, :, channel] - expected, everywhere)
                means[case, :, channel] = known[:, channel] + mean.reshape(len(known), -1)
                variances[case, :, channel] = variance.reshape(len(known), -1)
        shape = (query.cases, len(known), len(fields), *grid)
        asked = query.times / time_scales(query.context)[:, None]
        scale = field_scales(query.context, fields) * self.arrays["field_std"]
        scale = scale.reshape(query.cases, 1, len(fields), *[1] * len(grid))
        fluid = context_mask(query.context, space_of(query.context))
        if fluid is not None:
            means = np.where(fluid.reshape(len(fluid), 1, 1, -1), means, 0.0)
        mean = at_times(means.reshape(shape), axes.times, asked) * scale
        variance = at_times(variances.reshape(shape), axes.times, asked) * scale**2
        return Forecast(forecast_fields(mean, query, fields), variance=forecast_fields(variance, query, fields))

    def _posterior(
        self, channel: int, features: np.ndarray, residual: np.ndarray, everywhere: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance [P] of one field at `everywhere` [P, F], from residuals [M] at `features` [M, F]."""
        axes = GridAxes.restored(self.state, self.arrays)
        lengths = self.arrays["lengths"][channel][axes.owners()]
        size, nugget = float(self.arrays["sizes"][channel]), float(self.arrays["nuggets"][channel])
        features, everywhere = features / lengths, everywhere / lengths
        plain = size * matern(features, features)
        within = float(self.arrays["within"][channel])

        found = []
        for noise in noise_levels(self.noise):
            own = size * nugget + (noise * within) ** 2
            lower = np.linalg.cholesky(plain + own * np.eye(len(plain)))
            half = solve_triangular(lower, residual, lower=True)
            found.append((lower, half, float(-0.5 * half @ half - np.log(np.diag(lower)).sum())))
        weights = probabilities([likelihood for _, _, likelihood in found])
        first, second = np.zeros((2, len(everywhere)))  # moments
        for begin in range(0, len(everywhere), _CHUNK):
            part = slice(begin, begin + _CHUNK)
            cross = size * matern(features, everywhere[part])
            for weight, (lower, half, _) in zip(weights, found, strict=True):
                if weight:
                    explained = solve_triangular(lower, cross, lower=True)
                    mean = half @ explained
                    variance = np.maximum(size - np.sum(explained**2, axis=0), 0.0) + size * nugget
                    first[part] += weight * mean
                    second[part] += weight * (variance + mean**2)
        return first, np.maximum(second - first**2, size * nugget)


def grid_points(axes: GridAxes) -> np.ndarray:
    """All points [P, 1 + D] of a grid, time by time."""
    mesh = np.meshgrid(axes.times, *axes.axes.values(), indexing="ij")
    return np.stack([values.ravel() for values in mesh], axis=1)


def matern(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Matérn correlation of smoothness 5/2 between points [A, F] and [B, F] that have been divided by the lengths."""
    from scipy.spatial.distance import cdist

    r = np.sqrt(5.0) * cdist(a, b)
    return np.asarray((1 + r + r**2 / 3) * np.exp(-r))


def _tuned(features: np.ndarray, owners: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Lengths by axis, σ² and η that maximise the likelihood of values [M, N], N draws at the same M points.

    σ² follows from the others in closed form: the mean of y^T K^-1 y / M.
    """
    from scipy.optimize import minimize

    count = int(owners.max()) + 1

    def loss(logarithms: np.ndarray) -> float:
        lengths, nugget = np.exp(logarithms[:count]), float(np.exp(logarithms[count]))
        scaled = features / lengths[owners]
        lower = np.linalg.cholesky(matern(scaled, scaled) + nugget * np.eye(len(scaled)))
        half = solve_triangular(lower, values, lower=True)
        return float(np.log(np.diag(lower)).sum() / len(scaled) + 0.5 * np.log(np.mean(half**2) + 1e-300))

    limits = [tuple(np.log(_LENGTHS))] * count + [tuple(np.log(_NUGGETS))]
    starts = [np.log([*[length] * count, 1e-4]) for length in (0.1, 0.5)]
    best = min((minimize(loss, start, method="L-BFGS-B", bounds=limits) for start in starts), key=lambda run: run.fun)
    lengths, nugget = np.exp(best.x[:count]), float(np.exp(best.x[count]))
    scaled = features / lengths[owners]
    lower = np.linalg.cholesky(matern(scaled, scaled) + nugget * np.eye(len(scaled)))
    return lengths, float(np.mean(solve_triangular(lower, values, lower=True) ** 2)), nugget
