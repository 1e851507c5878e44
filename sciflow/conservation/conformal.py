"""Intervals that hold what they say: the spread of a forecast scaled on validation cases."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np
import xarray as xr

from sciflow.conservation.asking import with_truth
from sciflow.conservation.stored import load_wrapper, save_wrapper
from sciflow.core import Forecast, InputError, Method, Query

if TYPE_CHECKING:
    from sciflow.data import Dataset


@final
class Conformal(Method):
    """Split-conformal intervals around the mean of any method: mean ± z s', with z that of a normal law at the level.

    For each field and lead time the scores |y - m| / s of all cells of the validation cases are collected (s = 1 where
    the method gives no variance); with K cases, q is their quantile at level (K + 1) / K, and

        s' = s q / z.

    A new case that is exchangeable with the validation cases then has at least `level` of its cells, on average over
    cases, inside the interval, whatever the distribution of the errors (Lee, Barber and Willett 2023, arXiv:2306.06342,
    theorem 1, with groups of equal size). Nothing is promised cell by cell, nor on other cases. Members and factor are
    scaled about the mean with the variance, so that they keep every linear law that they and the mean keep.

    Args:
        method: gives the mean and, if it can, the variance.
        level: share of the truth that intervals are to hold.

    Raises:
        InputError: the level is not between 0 and 1; or, when calibrating, there are fewer than level / (1 - level)
            validation cases (19 for 0.95), which cannot promise the level.
    """

    calibrates = True

    def __init__(self, method: Method, level: float = 0.95) -> None:
        if not 0 < level < 1:
            raise InputError(f"The level of intervals must be between 0 and 1, not {level}.")
        self.method, self.level, self.name = method, level, method.name
        self._scale: dict[str, np.ndarray] = {}  # field -> s' / s of each lead time

    def fit(self, train: Dataset, valid: Dataset | None = None, **settings: Any) -> Self:
        """Fit the method, and calibrate on all frames after the first of the validation cases.

        Args:
            train: cases to learn from.
            valid: cases to calibrate on; those of `train` are no use, since their errors are smaller.
            settings: for the fit of the method.
        """
        if valid is None:
            raise InputError(f"The intervals of '{self.name}' are calibrated on validation cases; give some to fit.")
        self.method.fit(train, valid, **settings)
        return self.calibrate(*with_truth(self.method, valid))

    def calibrate(self, query: Query, truth: xr.Dataset) -> Self:
        """Find the scales from validation cases, one entry of the query for each case.

        Args:
            query: asks for the frames; later queries may ask for as many or fewer.
            truth: dims (case, time, \\*space), these frames.

        Raises:
            InputError: there are too few cases for the level.
        """
        from scipy.stats import norm

        if getattr(self.method, "calibrates", False):
            self.method.calibrate(query, truth)  # type: ignore[attr-defined]
        cases, z = query.cases, norm.ppf(0.5 + self.level / 2)
        share = self.level * (cases + 1) / cases
        if share > 1:
            least = math.ceil(round(self.level / (1 - self.level), 9))
            raise InputError(
                f"Intervals at the level {self.level:g} need at least {least} validation cases, not {cases}; take a "
                "split with more of them or a lower level."
            )
        forecast = self.method.predict(query)
        fluid = _asked_for(query)
        for name in forecast.fields:
            dims = forecast.mean[name].dims
            gap = np.abs(truth[name].transpose(*dims).values - forecast.mean[name].values.astype(np.float64))
            spread = np.ones_like(gap) if forecast.variance is None else np.sqrt(forecast.variance[name].values)
            with np.errstate(divide="ignore", invalid="ignore"):
                scores = np.where(gap == 0, 0.0, gap / spread)
            scores = np.where(np.isnan(scores), np.inf, scores)
            inside = fluid.transpose(*dims).values
            self._scale[name] = np.array([_quantile(scores[:, t][inside[:, t]], share) for t in range(query.steps)]) / z
        return self

    def predict(self, query: Query | Dataset) -> Forecast:
        """The forecast of the method, its spread scaled.

        Raises:
            InputError: the method is not calibrated, or the query asks for more lead times than were.
        """
        if not self._scale:
            raise InputError(f"The intervals of '{self.name}' are not calibrated; call fit or calibrate.")
        forecast = self.method.predict(query)
        known = len(next(iter(self._scale.values())))
        if forecast.steps > known:
            raise InputError(
                f"The intervals of '{self.name}' are calibrated for {known} lead times; the query asks for "
                f"{forecast.steps}."
            )
        scale = xr.Dataset({name: ("time", values[: forecast.steps]) for name, values in self._scale.items()})
        mean, variance = forecast.mean, forecast.variance
        members, factor, own = forecast.members, forecast.factor, forecast.member_variance
        plain = xr.ones_like(mean, dtype=np.float64) if variance is None else variance
        return Forecast(
            mean,
            variance=_like(mean, plain * scale**2),
            members=None if members is None else _like(members, mean + (members - mean) * scale),
            factor=None if factor is None else _like(factor, factor * scale),
            member_variance=None if own is None else _like(own, own * scale**2),
        )

    def save(self, folder: str | Path) -> None:
        """Write the method and the scales."""
        save_wrapper(folder, "conformal", {"level": self.level}, self._scale, [self.method])

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote."""
        config, arrays, inner = load_wrapper(folder, "conformal")
        found = cls(inner[0], config["level"])
        found._scale = arrays
        return found

    def cost(self) -> dict[str, float]:
        """That of the method."""
        return self.method.cost()


def _asked_for(query: Query) -> xr.DataArray:
    """True at every fluid cell without boundary data, at all cases and times of a query."""
    field = next(part for part in query.context.data_vars.values() if "time" in part.dims)
    sizes = {**field.sizes, "time": query.steps}
    asked = xr.DataArray(np.ones(tuple(sizes.values()), bool), dims=tuple(sizes))
    for name in ("mask", "known"):
        if name in query.context.variables:
            cells = query.context[name].drop_vars(list(query.context[name].coords)).astype(bool)
            asked = asked & (cells if name == "mask" else ~cells)
    return asked


def _quantile(scores: np.ndarray, share: float) -> float:
    """The smallest score that at least this share of them does not exceed."""
    return float(np.partition(scores, index := math.ceil(round(share * scores.size, 9)) - 1)[index])


def _like(part: xr.Dataset, values: xr.Dataset) -> xr.Dataset:
    """Values with the order of dimensions and the attributes of a part of the forecast."""
    ordered = values.map(lambda value: value.transpose(*part[value.name].dims))
    return ordered.assign_attrs(part.attrs)
