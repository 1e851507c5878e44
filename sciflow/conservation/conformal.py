"""Intervals that hold what they say: the spread of a forecast scaled on validation cases."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np
import xarray as xr

from sciflow.conservation.asking import askable, with_truth
from sciflow.conservation.forecast_parts import of_cases
from sciflow.conservation.stored import load_wrapper, save_wrapper
from sciflow.core import Forecast, InputError, Method, Query

if TYPE_CHECKING:
    from sciflow.data import Dataset

_PORTION_BYTES = 2**26


@final
class Conformal(Method):
    """Split-conformal intervals around the mean of any method: mean ± z s', with z that of a normal law at the level.

    For each field and lead time the scores |y - m| / s of all cells of the validation cases are collected, s² being the
    variance that the method gives, else that of its members, else that of its factor, and 1 without any of them. With K
    cases, q is the quantile of the scores at the share level (K + 1) / K, and

        s' = s q / z.

    Cases have equal weights, and so have the scores of a case: where it is forecast from several starts, they are one
    group. A new case that is exchangeable with the validation cases then has at least `level` of its cells, on average
    over cases, inside the interval, whatever the distribution of the errors (Lee, Barber and Willett 2023,
    arXiv:2306.06342, theorem 1). Nothing is promised cell by cell, nor on other cases.

    The promise holds only if the validation cases were used for nothing else. Networks keep the weights that were best
    on them, a tuning chooses by them, and `Conserving` with the covariance "correlated" learns the correlation of
    errors from them; suites use them for all of this. Errors on them are then somewhat smaller than on new cases, and
    intervals somewhat too narrow: look at the coverage of test cases, or call `calibrate` with cases set apart.

    Members and factor are scaled about the mean with the variance, so that they keep every linear law that they and the
    mean keep.

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

        Raises:
            InputError: before the method is trained: there are no or too few validation cases, or the method needs
                observations, which a data set does not hold.
        """
        cases = askable(self.method, valid, "The intervals")
        self.require_cases(len(cases))
        self.method.fit(train, valid, **settings)
        return self.calibrate(*with_truth(self.method, cases))

    def calibrate(self, query: Query, truth: xr.Dataset) -> Self:
        """Find the scales from validation cases; the method is calibrated first, where it has to be.

        Args:
            query: asks for the frames; later queries may ask for as many or fewer. Entries with equal ``source_case``
                count as one case, forecast from several starts.
            truth: dims (case, time, \\*space), these frames.

        Raises:
            InputError: there are too few cases for the level.
        """
        if getattr(self.method, "calibrates", False):
            self.method.calibrate(query, truth)  # type: ignore[attr-defined]
        self._scale = {}
        return self.rescale(query, truth)

    def rescale(self, query: Query, truth: xr.Dataset) -> Self:
        """Find the scales of the lead times of a query anew; those of later ones stay. Arguments as in `calibrate`.

        Raises:
            InputError: there are too few cases for the level.
        """
        from scipy.stats import norm

        numbers = query.context["source_case"].values if "source_case" in query.context.coords else range(query.cases)
        cases, owner = np.unique(np.asarray(numbers), return_inverse=True)
        self.require_cases(len(cases))
        share, z = self.level * (len(cases) + 1) / len(cases), norm.ppf(0.5 + self.level / 2)
        found: dict[str, list[np.ndarray]] = {}
        for entries in _portions(query):
            part = of_cases(query, entries)
            for name, scores in _scores(self.method.predict(part), part, truth.isel(case=entries)).items():
                found.setdefault(name, []).append(scores)
        for name, parts in found.items():
            steps = np.moveaxis(np.concatenate(parts), 1, 0)
            scale = np.array([_quantile(step, owner, share) for step in steps]) / z
            self._scale[name] = np.concatenate([scale, self._scale.get(name, scale)[len(scale) :]])
        return self

    def require_cases(self, cases: int) -> None:
        """Raise unless so many validation cases can promise the level.

        Raises:
            InputError: they are too few.
        """
        least = math.ceil(round(self.level / (1 - self.level), 9))
        if cases < least:
            raise InputError(
                f"Intervals at the level {self.level:g} need at least {least} validation cases, not {cases}; take a "
                "split with more of them or a lower level."
            )

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
        mean = forecast.mean
        members, factor, own = forecast.members, forecast.factor, forecast.member_variance
        plain = _variance(forecast)
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


def _portions(query: Query) -> list[np.ndarray]:
    """Numbers of the entries of a query in parts whose forecast has a mean of bounded size."""
    cells = _asked_for(query).isel(case=0).size * len(query.context.data_vars)
    return np.array_split(np.arange(query.cases), math.ceil(query.cases * 8 * cells / _PORTION_BYTES))


def _variance(forecast: Forecast) -> xr.Dataset:
    """The variance that a forecast gives, else that of its members or of its factor, else 1."""
    if forecast.variance is not None:
        return forecast.variance
    members, own = forecast.members, forecast.member_variance
    if members is not None and (members.sizes["member"] > 1 or own is not None):
        spread = members.var("member", ddof=1) if members.sizes["member"] > 1 else xr.zeros_like(forecast.mean)
        return spread if own is None else spread + own.mean("member")
    if forecast.factor is not None:
        return (forecast.factor.astype(np.float64) ** 2).sum("rank")
    return xr.ones_like(forecast.mean, dtype=np.float64)


def _scores(forecast: Forecast, query: Query, truth: xr.Dataset) -> dict[str, np.ndarray]:
    """|y - m| / s of each field, [case, time, cells]; NaN at cells that are not asked for."""
    asked, variance, found = _asked_for(query), _variance(forecast), {}
    for name in forecast.fields:
        dims = ("case", "time", *(dim for dim in forecast.mean[name].dims if dim not in ("case", "time")))
        mean, spread, real = (part[name].transpose(*dims).values for part in (forecast.mean, variance, truth))
        gap = np.abs(real - mean.astype(np.float64))
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = np.where(gap == 0, 0.0, gap / np.sqrt(spread))
        scores = np.where(np.isnan(scores), np.inf, scores)
        scores = np.where(asked.transpose(*dims).values, scores, np.nan)
        found[name] = scores.reshape(*scores.shape[:2], -1)
    return found


def _quantile(scores: np.ndarray, owner: np.ndarray, share: float) -> float:
    """The smallest score that at least this share does not exceed, each case and each score of a case weighing alike.

    Args:
        scores: [entries, cells]; NaN does not count.
        owner: number of the case of each entry.
        share: of the weights.
    """
    counted = ~np.isnan(scores)
    sizes = np.bincount(owner, counted.sum(axis=1))
    each = 1 / (np.maximum(sizes, 1) * np.count_nonzero(sizes))
    values, weights = scores[counted], np.broadcast_to(each[owner, None], scores.shape)[counted]
    order = np.argsort(values)
    index = int(np.searchsorted(np.cumsum(weights[order]), share - 1e-9))  # less than any weight; for rounding
    return float(values[order[min(index, len(order) - 1)]])


def _like(part: xr.Dataset, values: xr.Dataset) -> xr.Dataset:
    """Values with the order of dimensions and the attributes of a part of the forecast."""
    ordered = values.map(lambda value: value.transpose(*part[value.name].dims))
    return ordered.assign_attrs(part.attrs)
