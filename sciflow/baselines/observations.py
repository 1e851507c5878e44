"""Scattered observations of a query: where they lie on the training grid, and how much noise they seem to carry."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import xarray as xr

from sciflow.baselines.parameters import field_scales, time_scales
from sciflow.baselines.pod_basis import case_frames
from sciflow.core import InputError, Query
from sciflow.data.grid import bounds

if TYPE_CHECKING:
    from sciflow.data import Dataset

NOISE_LEVELS = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3)  # tried where the noise is not known
_EXACT = 1e-6  # stands for no noise, so that matrices keep their rank


@final
@dataclass(frozen=True)
class GridAxes:
    """Times and space axes (tensor order) on which training cases are known."""

    times: np.ndarray
    axes: dict[str, np.ndarray]
    bounds: dict[str, tuple[float, float]]
    periodic: tuple[str, ...]

    @classmethod
    def of(cls, train: Dataset, times: np.ndarray) -> GridAxes:
        """The axes of a data set; `times` in characteristic times."""
        axes = {axis: np.asarray(train.header[axis].values, np.float64) for axis in train.space}
        return cls(times, axes, {axis: bounds(train.header, axis) for axis in axes}, train.periodic)

    def stored(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """As JSON values and arrays."""
        arrays = {"times": self.times, **{f"axis_{name}": points for name, points in self.axes.items()}}
        return {"bounds": self.bounds, "periodic": list(self.periodic)}, arrays

    @classmethod
    def restored(cls, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> GridAxes:
        """The inverse of `stored`."""
        axes = {name: arrays[f"axis_{name}"] for name in state["bounds"]}
        ends = {name: (float(low), float(high)) for name, (low, high) in state["bounds"].items()}
        return cls(arrays["times"], axes, ends, tuple(state["periodic"]))

    def corners(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Multilinear interpolation at points [M, 1 + D] (time, then space): flat indices and weights [M, K].

        Places beyond the first and last point of an axis are held; periodic axes wrap around.
        """
        index, weight = np.zeros((len(points), 1), int), np.ones((len(points), 1))
        for column, name in enumerate(("t", *self.axes)):
            known = self.times if name == "t" else self.axes[name]
            low, high, part = _neighbours(known, points[:, column], self._period(name))
            index = np.concatenate([index * len(known) + low[:, None], index * len(known) + high[:, None]], axis=1)
            weight = np.concatenate([weight * (1 - part[:, None]), weight * part[:, None]], axis=1)
        return index, weight

    def unit(self, points: np.ndarray) -> np.ndarray:
        """Points [M, 1 + D] with axes mapped to 0 … 1, periodic ones to a circle of length 1, [M, features]."""
        span = float(np.ptp(self.times))
        columns = [[(points[:, 0] - self.times[0]) / (span or 1.0)]] if len(self.times) > 1 else []
        for column, name in enumerate(self.axes, start=1):
            low, high = self.bounds[name]
            s = (points[:, column] - low) / (high - low)
            angle = 2 * math.pi * s
            columns.append([np.cos(angle) / 2 / math.pi, np.sin(angle) / 2 / math.pi] if name in self.periodic else [s])
        return np.stack([feature for column in columns for feature in column], axis=1)

    def owners(self) -> np.ndarray:
        """For each feature of `unit` the number of its axis."""
        names = [*(["t"] if len(self.times) > 1 else []), *self.axes]
        return np.array([number for number, name in enumerate(names) for _ in range(2 if name in self.periodic else 1)])

    def _period(self, name: str) -> float | None:
        if name not in self.periodic:
            return None
        low, high = self.bounds[name]
        return high - low


def observed(query: Query, fields: list[str], axes: GridAxes, method: str) -> tuple[np.ndarray, np.ndarray]:
    """Points [case, M, 1 + D] (characteristic time, then space) and values [case, M, C] in characteristic scales.

    Raises:
        InputError: the query has no observations, or they lack their times although the fields depend on time.
    """
    seen = query.observations
    if seen is None:
        raise InputError(f"The method '{method}' needs observations, but the query has none; use the task 'condition'.")
    if "t" not in seen.variables and len(axes.times) > 1:
        raise InputError("The observations of the query lack the coordinate 't'; give the time of each point.")
    scale = time_scales(query.context)[:, None]
    shape = (query.cases, seen.sizes["point"])
    times = _values(seen, "t") / scale if "t" in seen.variables else np.full(shape, axes.times[0])
    points = np.stack([times, *(_values(seen, name) for name in axes.axes)], axis=-1)
    values = np.stack([_values(seen, name) for name in fields], axis=-1)
    return points, values / field_scales(query.context, fields)[:, None]


def deviations_within(train: Dataset, field_std: np.ndarray) -> np.ndarray:
    """Standard deviation of each field over space and time of a case, [C], root mean square over cases.

    Solid cells are left out. It is the unit of the noise of observations.
    """
    masks = train.mask_values()
    squares = np.zeros(len(train.fields))
    for index, frames in enumerate(case_frames(train, field_std)):
        values = frames.reshape(len(frames), len(train.fields), -1)
        if masks is not None:
            values = values[:, :, masks[index if len(masks) > 1 else 0].ravel()]
        squares += values.var(axis=(0, 2))
    return np.sqrt(np.maximum(squares / len(train), np.finfo(float).tiny))


def noise_levels(noise: float | None) -> list[float]:
    """The level given, or those of `NOISE_LEVELS`; never quite 0."""
    return [max(level, _EXACT) for level in (NOISE_LEVELS if noise is None else (noise,))]


def probabilities(log_likelihoods: Sequence[float]) -> np.ndarray:
    """Posterior of noise levels that are equally probable before the observations are seen; below 1 % it is 0."""
    weights = np.exp(np.asarray(log_likelihoods) - np.max(log_likelihoods))
    weights[weights < 0.01 * weights.sum()] = 0.0
    return np.asarray(weights / weights.sum())


def require_noise(noise: float | None) -> None:
    """Raise an InputError unless `noise` is None or a level of at least 0."""
    if noise is not None and not noise >= 0:
        raise InputError(f"noise must be at least 0, or None to estimate it from the observations, not {noise}.")


def _values(seen: xr.Dataset, name: str) -> np.ndarray:
    return np.asarray(seen[name].transpose("case", "point").values, np.float64)


def _neighbours(
    known: np.ndarray, asked: np.ndarray, period: float | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices below and above each place, and the weight of the one above."""
    count = len(known)
    if count == 1:
        nothing = np.zeros(len(asked), int)
        return nothing, nothing, np.zeros(len(asked))
    if period is None:
        place = np.interp(asked, known, np.arange(count))
        low = np.minimum(place.astype(int), count - 2)
        return low, low + 1, place - low
    wrapped = known[0] + np.mod(asked - known[0], period)
    place = np.interp(wrapped, [*known, known[0] + period], np.arange(count + 1))
    low = np.minimum(place.astype(int), count - 1)
    return low, (low + 1) % count, place - low
