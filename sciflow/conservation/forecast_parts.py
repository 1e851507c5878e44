"""Forecasts and queries taken apart and put together: by case, by frame, by member."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace

import numpy as np
import xarray as xr

from sciflow.core import Forecast, Query
from sciflow.data.schema import TIME_OF_CASE

_TIMES = ("time", TIME_OF_CASE)


def changed(forecast: Forecast, change: Callable[[xr.Dataset], xr.Dataset]) -> Forecast:
    """The forecast with a change made to each of its parts."""
    others = {item.name: getattr(forecast, item.name) for item in fields(Forecast) if item.name != "mean"}
    made = {name: None if part is None else change(part) for name, part in others.items()}
    return Forecast(change(forecast.mean), **made)


def only(forecast: Forecast, cases: np.ndarray) -> Forecast:
    """The forecast with NaN in all cases but some, given as booleans [case]."""
    kept = xr.DataArray(cases, dims="case")
    return changed(forecast, lambda part: part.map(lambda values: values.where(kept).transpose(*values.dims)))


def wide(data: xr.Dataset) -> xr.Dataset:
    """The same in float64, as far as it depends on time."""
    return data.assign({name: part.astype(np.float64) for name, part in data.data_vars.items() if "time" in part.dims})


def finite_cases(forecast: Forecast) -> np.ndarray:
    """Whether mean, members and variances of a case are all finite, [case]."""
    finite = np.ones(forecast.cases, bool)
    for item in fields(Forecast):
        part = getattr(forecast, item.name)
        for values in () if part is None else part.data_vars.values():
            others = [dim for dim in values.dims if dim != "case"]
            finite &= np.isfinite(values).all(others).values
    return finite


def of_cases(query: Query, cases: np.ndarray) -> Query:
    """The query of some of its cases, by their numbers."""
    return Query(
        context=query.context.isel(case=cases),
        context_times=query.context_times[cases],
        times=query.times[cases],
        signals={name: values[cases] for name, values in query.signals.items()},
        observations=None if query.observations is None else query.observations.isel(case=cases),
        known=None if query.known is None else query.known.isel(case=cases),
    )


def put(forecast: Forecast, good: Forecast, cases: np.ndarray) -> Forecast:
    """A forecast with that of some cases put in its place; the variance of others is NaN if it had none.

    Other parts that only one of both forecasts has are left out.
    """
    parts = {}
    for item in fields(Forecast):
        whole, part = getattr(forecast, item.name), getattr(good, item.name)
        if item.name == "variance" and whole is None:
            whole = forecast.mean * np.nan
        if whole is None or part is None:
            continue
        filled = {}
        for name, values in whole.data_vars.items():
            array = values.values.copy()
            place = (slice(None),) * values.dims.index("case") + (cases,)
            array[place] = part[name].transpose(*values.dims).values
            filled[name] = (values.dims, array, values.attrs)
        parts[item.name] = whole.assign(filled)
    return Forecast(**parts)


def member(forecast: Forecast, number: int) -> Forecast:
    """One member with its variance, as a forecast."""
    assert forecast.members is not None
    own = forecast.member_variance
    return Forecast(
        forecast.members.isel(member=number, drop=True),
        variance=None if own is None else own.isel(member=number, drop=True),
    )


def of_step(query: Query, window: xr.Dataset, step: int) -> Query:
    """The query for frame `step` alone, with the frames before it as its context.

    Args:
        query: for all frames.
        window: its context, with the T_in frames before that frame.
        step: from 0.
    """
    count = query.context.sizes["time"]
    times = np.concatenate([query.context_times, query.times], axis=1)
    return replace(
        query,
        context=window,
        context_times=times[:, step : step + count],
        times=query.times[:, step : step + 1],
        signals={name: values[:, step : step + count + 1] for name, values in query.signals.items()},
        known=None if query.known is None else query.known.isel(time=[step]),
    )


def moved_on(window: xr.Dataset, frame: xr.Dataset) -> xr.Dataset:
    """A context without its first frame and with a new last one; 0 where that is not finite."""
    fields = {}
    for name in frame.data_vars:
        before = window[name]
        values = frame[name].transpose(*before.dims).values.astype(np.float64)
        new = np.where(np.isfinite(values), values, 0.0)
        axis = before.dims.index("time")
        kept = np.delete(before.values, 0, axis=axis)
        fields[name] = (before.dims, np.concatenate([kept, new], axis=axis), before.attrs)
    return window.assign(fields)


def joined(frames: Sequence[Forecast], query: Query) -> Forecast:
    """Forecasts of one frame each as one of all frames.

    A low-rank factor is left out, since its directions have nothing to do with each other at different times; what it
    says of the variance stays.
    """
    parts: dict[str, xr.Dataset] = {}
    for name in ("mean", "variance", "members", "member_variance"):
        found = [_variance(frame) if name == "variance" else getattr(frame, name) for frame in frames]
        given: list[xr.Dataset] = [part for part in found if part is not None]
        if len(given) < len(frames):
            continue
        plain = [part.drop_vars(_TIMES, errors="ignore") for part in given]
        options = {"coords": "minimal", "compat": "override", "join": "override", "combine_attrs": "override"}
        whole = xr.concat(plain, "time", data_vars="all", **options)  # type: ignore[call-overload]
        whole = whole.map(lambda values, like=given[0]: values.transpose(*like[values.name].dims))
        parts[name] = whole.assign_attrs(given[0].attrs).assign_coords(_coordinates(query))
    return Forecast(**parts)


def _variance(frame: Forecast) -> xr.Dataset | None:
    if frame.variance is None and frame.factor is not None:
        return (frame.factor**2).sum("rank")
    return frame.variance


def _coordinates(query: Query) -> dict[str, tuple[object, np.ndarray, dict[str, str]]]:
    """Times of the frames, as in `sciflow.data.query_arrays.forecast_fields`."""
    attrs = {"units": "s", "long_name": "time"}
    if (query.times == query.times[:1]).all():
        return {"time": ("time", query.times[0], attrs)}
    return {TIME_OF_CASE: (("case", "time"), query.times, attrs)}
