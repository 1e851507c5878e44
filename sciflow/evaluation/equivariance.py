"""Equivariance to flows: does a method forecast moved frames by its moved forecast?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from sciflow.baselines.base import field_names
from sciflow.core import Forecast, Method, Query
from sciflow.data.volume import fluid_volume, space_axes
from sciflow.evaluation.flows import Flow
from sciflow.evaluation.measures.equivariance import EquivarianceError, of_units
from sciflow.evaluation.scoring import check_forecast, stacked
from sciflow.evaluation.speeds import Speeds, flow_name

if TYPE_CHECKING:
    from sciflow.data import Dataset
    from sciflow.evaluation.tasks import EvaluationTask


def equivariance_error(method: Method, query: Query | Dataset, flow: Speeds, *, frames_in: int = 1) -> xr.DataArray:
    """||psi F(q) - F(psi q)|| / ||F(q)|| of each case and forecast frame.

    F(q) is the forecast of the query q, and psi moves frame number n of the window (context frames first, n = 0, 1,
    ...) by n times the flow, see `sciflow.evaluation.flows`. Fields of one unit are pooled, the mean is taken over
    units. A method that has the symmetry scores 0 up to rounding, whatever its error; persistence scores
    2 \\|sin(k (n + 1) c dx / 2)\\| at forecast frame n = 0, 1, ... on a wave of wavenumber k.

    Args:
        method: anything with ``predict(query) -> Forecast``.
        query: the question, or a data set, of which all frames after the first `frames_in` are asked for.
        flow: cells per frame by axis, such as ``{"x": 1, "y": -0.5}``. Fractions are moved by Fourier phases; on an
            even number of cells waves of two cells, which have no phase, are then left out of queries and forecasts.
        frames_in: context frames, of a data set.

    Returns:
        Dims (case, time); ``time`` counts forecast frames from 1; infinity where a forecast is not finite.

    Raises:
        InputError: the flow is no symmetry of what is asked (the message says why), or cases of the data set differ in
            their numbers of frames.
    """
    from sciflow.data.queries import later_frames

    asked = query if isinstance(query, Query) else later_frames(query, frames_in)
    forecast = method.predict(asked)
    check_forecast(forecast, asked.cases, asked.steps, method)
    sums = flow_sums(method, asked, forecast, [flow])
    units = [str(asked.context[name].attrs.get("units", "")) for name in field_names(asked.context)]
    values = EquivarianceError().value(of_units(sums[flow_name(flow)], units))
    known = asked.context.coords.get("source_case")
    cases = np.arange(asked.cases) if known is None else known.values
    coords = {"case": cases, "time": np.arange(1, asked.steps + 1)}
    return xr.DataArray(values, coords, ("case", "time"), name=EquivarianceError.name, attrs={"flow": flow_name(flow)})


def flow_sums(method: Method, asked: Query, forecast: Forecast, flows: Sequence[Speeds]) -> dict[str, np.ndarray]:
    """For each flow [case, time, field, 2]: squares of psi F(q) - F(psi q) and of F(q), summed over the volume.

    Args:
        method: gave the forecast.
        asked: the query q.
        forecast: F(q).
        flows: cells per frame by axis.

    Raises:
        InputError: a flow is no symmetry of what is asked.
    """
    return {flow_name(speeds): _sums(method, asked, forecast, Flow.of(speeds, asked)) for speeds in flows}


def check_flows(flows: Sequence[Speeds], dataset: Dataset, task: EvaluationTask) -> None:
    """Raise unless every flow is a symmetry of a data set, tried on a query about its first case.

    Raises:
        InputError: one is not; the message says why.
    """
    part = dataset.select(dataset.cases[:1])
    steps = max(horizon.steps for horizon in task.horizons_on(dataset))
    for speeds in flows:
        Flow.of(speeds, task.ask(part, [0], steps))


def _sums(method: Method, asked: Query, forecast: Forecast, flow: Flow) -> np.ndarray:
    fields, axes = field_names(asked.context), space_axes(asked.context)
    own = stacked((method.predict(flow.resting(asked)) if flow.fractional else forecast).mean, fields)
    answer = method.predict(flow.query(asked))
    check_forecast(answer, asked.cases, asked.steps, method)
    theirs = flow.lowered(stacked(answer.mean, fields), fields)
    still, numbers = np.zeros(asked.steps), asked.context.sizes["time"] + np.arange(asked.steps)
    if flow.fractional:
        own, theirs = flow.moved(own, axes, still), flow.moved(theirs, axes, still)
    return np.stack([_squares(part, asked) for part in (flow.moved(own, axes, numbers) - theirs, own)], axis=-1)


def _squares(values: np.ndarray, asked: Query) -> np.ndarray:
    """Integral of the square over space, [case, time, field]; infinite where a value is not finite."""
    volume = fluid_volume(asked.context)
    weights = volume[:, None, None] if volume.ndim == values.ndim - 2 else volume
    with np.errstate(over="ignore", invalid="ignore"):
        squares = weights * np.where(np.isfinite(values), values, np.inf) ** 2
        return np.asarray(squares.sum(axis=tuple(range(3, values.ndim))))
