"""Scores of a forecast against the truth, pooled chunk by chunk so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pandas as pd
import xarray as xr

from sciflow.baselines.parameters import field_scales
from sciflow.core import Forecast, InputError, Method
from sciflow.data.volume import fluid_volume, on_cells, positions_of, space_axes
from sciflow.evaluation.measures import Frames, Metric, metrics
from sciflow.evaluation.measures.base import CaseScores

if TYPE_CHECKING:
    from sciflow.data import Dataset
    from sciflow.evaluation.tasks import EvaluationTask

ALL = "all"  # the row of all fields together, see `sciflow.evaluation.measures.base`
DEFAULT_METRICS = ("nmse", "rmse", "max_error", "gain")


def stacked(data: xr.Dataset, fields: Sequence[str]) -> np.ndarray:
    """The fields of a data set as one float64 array [B, T, C, *S]."""
    missing = [name for name in fields if name not in data.data_vars]
    if missing:
        raise InputError(f"The forecast lacks the field '{missing[0]}'; expected {', '.join(fields)}.")
    order = ("case", "time", *space_axes(data))
    if any(set(data[name].dims) != set(order) for name in fields):
        raise InputError(f"Each field of a forecast needs the dimensions {order}.")
    return np.stack([data[name].transpose(*order).values for name in fields], axis=2).astype(np.float64)


def frames_of(
    forecast: xr.Dataset,
    truth: xr.Dataset,
    context: xr.Dataset,
    times: np.ndarray | None = None,
    *,
    context_times: np.ndarray | None = None,
    variance: xr.Dataset | None = None,
    reference: np.ndarray | None = None,
    flows: Mapping[str, np.ndarray] | None = None,
) -> Frames:
    """Line up a forecast with the truth.

    Args:
        forecast, truth: dims (case, time, \\*space), the same cases and times.
        context: the start frames (case, time, \\*space), none of them in a task without, with the grid, mask, known
            cells, input fields and case parameters beside them.
        times, context_times: (case, time) seconds of the frames.
        variance: of the forecast, where the method gives one.
        reference: frames [T, C, \\*S] in the characteristic scales of a case instead of persistence where there are no
            start frames; zero if not given.
        flows: sums of `sciflow.evaluation.equivariance.flow_sums`, by name of the flow.
    """
    fields = tuple(str(name) for name in truth.data_vars)
    axes = space_axes(truth)
    real = stacked(truth, fields)
    parameters = {
        str(name): coord.values
        for name, coord in context.coords.items()
        if coord.dims == ("case",) and np.issubdtype(coord.dtype, np.number)
    }
    return Frames(
        prediction=stacked(forecast, fields),
        truth=real,
        start=_start(context, fields, real, reference),
        weights=fluid_volume(context),
        fields=fields,
        axes=axes,
        points={a: np.asarray(context[a] if a in context.coords else np.arange(truth.sizes[a]), float) for a in axes},
        positions=positions_of(context),
        periodic=tuple(a for a in str(context.attrs.get("periodic", "")).split(",") if a),
        units={name: str(context[name].attrs.get("units", "")) for name in fields},
        problem=str(context.attrs.get("problem", "")),
        parameters=parameters,
        times=times,
        context_times=context_times,
        variance=None if variance is None else stacked(variance, fields),
        inputs={
            str(name): np.asarray(context[name].transpose("case", *axes).values, np.float64)
            for name in context.data_vars
            if context[name].attrs.get("role") == "input"
        },
        grid=str(context.attrs.get("grid", "nodes")),
        known=on_cells(context, "known").astype(bool) if "known" in context.variables else None,
        flows=dict(flows or {}),
    )


def _start(context: xr.Dataset, fields: Sequence[str], truth: np.ndarray, reference: np.ndarray | None) -> np.ndarray:
    """The last context frame [B, C, *S]; without any, the reference [B, T, C, *S]."""
    if context.sizes.get("time"):
        return stacked(context[list(fields)].isel(time=[-1]), fields)[:, 0]
    if reference is None:
        return np.zeros(truth.shape)
    scales = field_scales(context, list(fields))
    return reference * scales.reshape(len(truth), 1, len(fields), *[1] * (truth.ndim - 3))


def check_forecast(forecast: Forecast, cases: int, steps: int, method: Method) -> None:
    """Raise unless a forecast has one frame for each case and time of its query."""
    if not isinstance(forecast, Forecast):
        raise InputError(f"The method '{method.name}' returned a {type(forecast).__name__}; expected a Forecast.")
    if (forecast.cases, forecast.steps) != (cases, steps):
        raise InputError(
            f"The method '{method.name}' returned {forecast.cases} cases x {forecast.steps} frames; the query asked "
            f"for {cases} x {steps} (the context is not part of a forecast)."
        )


@final
class Scores:
    """Pooled terms of several metrics, by case and lead time.

    Args:
        names: metrics by registered name.

    Raises:
        UnknownNameError: a metric is not registered.
    """

    def __init__(self, names: Sequence[str] = DEFAULT_METRICS) -> None:
        self._metrics: dict[str, Metric] = {name: metrics.get(name)() for name in names}
        self._terms: dict[tuple[str, int], np.ndarray] = {}  # (metric, case) -> [T, rows, K]
        self._rows: dict[str, tuple[str, ...]] = {}
        self._units: dict[str, tuple[str, ...]] = {}

    def add(self, frames: Frames, cases: Sequence[int] | np.ndarray) -> None:
        """Pool one chunk; `cases` says which case each of its B queries belongs to."""
        owners = np.asarray(cases)
        for name, metric in self._metrics.items():
            self._rows[name], self._units[name] = metric.rows(frames), metric.units(frames)
            terms = metric.terms(frames)
            for case in np.unique(owners):
                pooled = metric.pool(terms[owners == case], axis=0)
                before = self._terms.get((name, int(case)))
                both = pooled if before is None else metric.pool(np.stack([before, pooled]), axis=0)
                self._terms[name, int(case)] = both

    def table(self) -> pd.DataFrame:
        """Columns metric, field, case, value: all lead times pooled."""
        return self._frame(lambda metric, terms: [(0, metric.pool(terms, axis=0))]).drop(columns="step")

    def curves(self) -> pd.DataFrame:
        """Columns metric, field, step, case, value: one score for each lead time (1 = the first frame predicted)."""
        return self._frame(lambda _, terms: list(enumerate(terms, start=1)))

    def _frame(self, split: Any) -> pd.DataFrame:
        rows = []
        for (name, case), terms in self._terms.items():
            metric = self._metrics[name]
            for step, part in split(metric, terms):
                values = dict(zip(self._rows[name], metric.value(part), strict=True))
                if len(values) == 1:
                    values = {ALL: next(iter(values.values()))}
                elif (total := metric.total(part, self._units[name])) is not None:
                    values[ALL] = total
                rows += [(name, field, step, case, float(value)) for field, value in values.items()]
        return pd.DataFrame(rows, columns=["metric", "field", "step", "case", "value"])


def totals(table: pd.DataFrame) -> pd.DataFrame:
    """The rows "all" of a table, or those of each field where a metric has none.

    Returns:
        The rows with a column ``label``: the metric, or metric and field as in ``"rmse w"``.
    """
    whole = table["field"] == ALL
    split = ~table["metric"].isin(table["metric"][whole])
    kept = table[whole | split]
    return kept.assign(label=kept["metric"].where(kept["field"] == ALL, kept["metric"] + " " + kept["field"]))


def check_metrics(names: Sequence[str], dataset: Dataset, task: EvaluationTask) -> None:
    """Raise unless every metric can be computed on the data set, tried on frames of its first case.

    Raises:
        InputError: a metric does not apply; the message says which and why.
    """
    part = dataset.select(dataset.cases[:1])
    steps = max(horizon.steps for horizon in task.horizons_on(dataset))
    asked = task.ask(part, [0], steps)
    real = task.truth(part, [0], steps)
    frames = frames_of(real, real, asked.context, asked.times, context_times=asked.context_times)
    for name in names:
        try:
            Scores([name]).add(frames, [0])
        except InputError as error:
            raise InputError(f"The metric '{name}' cannot be used on this data set: {error}") from error


def with_needed(names: Sequence[str]) -> list[str]:
    """Metrics by name, with those that their means over cases need, and those that every table has."""
    needed = [other for name in names for other in metrics.get(name).needs]
    return list(dict.fromkeys([*names, *needed, "nmse", "persistence_nmse"]))


def summarise(label: str, table: pd.DataFrame, curves: pd.DataFrame | None = None) -> float:
    """One number over cases: their mean, or what the metric has in its place (see `Metric.over_cases`).

    Args:
        label: the metric, or metric and field as in ``"rmse w"``.
        table: as `totals` gives it, one row for each label and case (and seed), of a single horizon and split.
        curves: the same by lead time, for metrics whose order of reductions needs them.
    """
    metric = metrics.get(label.split(" ")[0])
    found = {name: table.loc[table["label"] == name, "value"].to_numpy(float) for name in (label, *metric.needs)}
    values = {name: numbers for name, numbers in found.items() if numbers.size}
    by_step = {}
    if curves is not None:
        for name in metric.needs:
            rows = curves[(curves["metric"] == name) & (curves["field"] == ALL)]
            if len(rows):
                owners = [column for column in ("seed", "case") if column in rows]
                by_step[name] = rows.pivot(index=owners, columns="step", values="value").to_numpy(float)
    return metric().over_cases(values[label], CaseScores(values, by_step))


def score(
    forecast: Forecast | xr.Dataset,
    truth: xr.Dataset,
    context: xr.Dataset,
    names: Sequence[str] = DEFAULT_METRICS,
) -> dict[str, float]:
    """Mean scores over cases of one forecast, all fields together.

    A metric that has a unit gives one entry for each field, named as in ``"rmse w"``, if fields differ in unit.

    Args:
        forecast: a `Forecast`, or fields with dims (case, time, *space).
        truth: the same frames, as `sciflow.data.truth` gives them.
        context: the start frames, as in ``query.context``: grid, mask, and what persistence holds.
        names: metrics by name.

    Raises:
        InputError: shapes differ, a field is missing, or the truth is not finite.
    """
    mean = forecast.mean if isinstance(forecast, Forecast) else forecast
    scores = Scores(with_needed(names))
    frames = frames_of(mean, truth, context)
    scores.add(frames, range(frames.truth.shape[0]))
    table, curves = totals(scores.table()), scores.curves()
    labels = dict.fromkeys(table["label"])
    return {key: summarise(key, table, curves) for name in names for key in labels if key.split(" ")[0] == name}
