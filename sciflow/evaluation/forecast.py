"""Scoring a method on a task: ask, compare, pool, case by case and in bounded memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from sciflow.core import Forecast, InputError, Method, Query
from sciflow.evaluation.cost import Stopwatch
from sciflow.evaluation.equivariance import flow_sums
from sciflow.evaluation.horizon import Horizon
from sciflow.evaluation.measures import metrics as registered
from sciflow.evaluation.measures.equivariance import EquivarianceError
from sciflow.evaluation.scoring import ALL, DEFAULT_METRICS, Scores, check_forecast, frames_of, with_needed
from sciflow.evaluation.speeds import Speeds
from sciflow.evaluation.tasks import EvaluationTask, ForecastTask

if TYPE_CHECKING:
    from sciflow.data import Dataset

CHUNK_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Evaluation:
    """Scores of one method on one split.

    Attributes:
        table: columns horizon, metric, field, case, value; all frames and starts of a case pooled.
        curves: columns horizon, metric, field, step, case, value; starts pooled, by lead time.
        seconds_per_frame: median over chunks of wall time / (queries x frames), over the longest horizon and without
            first calls (see `Stopwatch`): throughput of a batch, not latency.
        frame_seconds: the single timings behind it.
        example: forecast, truth and start frame of one query (variables ``forecast_*`` and ``truth_*``), for pictures.
        skipped: cases too short for a horizon, as (horizon, case).
    """

    table: pd.DataFrame
    curves: pd.DataFrame
    seconds_per_frame: float
    frame_seconds: tuple[float, ...]
    example: xr.Dataset
    skipped: tuple[tuple[int, int], ...] = ()


def frames_needed(frames_in: int, steps: int, step: int = 1) -> int:
    """Frames that a case must have for a forecast of `steps` frames, `step` apart, after `frames_in` context frames."""
    return (frames_in + steps - 1) * step + 1


def starts_of(length: int, frames_in: int, horizon: Horizon, step: int = 1) -> list[int]:
    """Start frames of a case with `length` valid frames: 0, stride, 2 stride, ..."""
    return list(range(0, length - frames_needed(frames_in, horizon.steps, step) + 1, horizon.stride))


def chunks(
    dataset: Dataset, frames_in: int, horizon: Horizon, chunk_bytes: int = CHUNK_BYTES, step: int = 1
) -> Iterator[tuple[Dataset, list[int]]]:
    """Parts of a data set and their starts, such that queries and truth of a part fit in about `chunk_bytes`."""
    frame = 8 * len(dataset.fields) * int(np.prod(dataset.shape))
    room = max(1, chunk_bytes // (frame * (frames_in + 4 * horizon.steps)))
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for case, length in zip(dataset.cases, dataset.lengths, strict=True):
        starts = starts_of(int(length), frames_in, horizon, step)
        for first in range(0, len(starts), room):
            groups[tuple(starts[first : first + room])].append(int(case))
    for shared, cases in groups.items():
        together = max(1, room // len(shared))
        for first in range(0, len(cases), together):
            yield dataset.select(cases[first : first + together]), list(shared)


def evaluate(
    method: Method,
    dataset: Dataset,
    task: EvaluationTask | None = None,
    metrics: Sequence[str] = DEFAULT_METRICS,
    chunk_bytes: int = CHUNK_BYTES,
    reference: np.ndarray | None = None,
    equivariance: Sequence[Speeds] = (),
) -> Evaluation:
    """Score a fitted method on every case of a data set.

    Args:
        method: anything with ``predict(query) -> Forecast``.
        dataset: the cases to score on.
        task: horizons and context frames, or a `FieldTask`.
        metrics: names; ``nmse`` and ``persistence_nmse`` (on the very same frames) are always computed. Those that take
            several frames are left out at horizons that are too short for them.
        chunk_bytes: memory for the queries, truth and errors of one call.
        reference: frames [T, C, \\*S] that take the place of persistence in a task without start frames, see
            `sciflow.evaluation.tasks.training_mean`; zero if not given.
        equivariance: flows, cells per frame by axis; each adds a forecast of moved queries to every one, and all of
            them the metric ``equivariance_error``, see `sciflow.evaluation.equivariance_error`.

    Raises:
        InputError: no case is long enough for a horizon, a forecast has wrong shapes or fields, or a flow is no
            symmetry of the data.
    """
    task = task or ForecastTask()
    horizons = task.horizons_on(dataset)
    names = with_needed([*metrics, *([EquivarianceError.name] if equivariance else [])])
    tables, curves, skipped = [], [], []
    watch, longest = Stopwatch(), max(horizon.steps for horizon in horizons)
    for horizon in horizons:
        scores = Scores([name for name in names if registered.get(name).least_frames <= horizon.steps])
        predict = partial(watch.predict, method) if horizon.steps == longest else method.predict
        seen: set[int] = set()
        for part, starts in chunks(dataset, task.frames_in, horizon, chunk_bytes, task.step):
            _score_chunk(method, predict, part, starts, task, horizon.steps, scores, reference, equivariance)
            seen.update(int(case) for case in part.cases)
        if not seen:
            raise InputError(
                f"No case has the {frames_needed(task.frames_in, horizon.steps, task.step)} frames that "
                f"{task.frames_in} context frames and {horizon.steps} steps need{_apart(task.step)}; the longest has "
                f"{int(np.max(dataset.lengths))}."
            )
        skipped += [(horizon.steps, int(case)) for case in dataset.cases if int(case) not in seen]
        tables.append(scores.table().assign(horizon=horizon.steps))
        curves.append(scores.curves().assign(horizon=horizon.steps))
    table = pd.concat(tables, ignore_index=True)
    return Evaluation(
        table=table[["horizon", "metric", "field", "case", "value"]],
        curves=pd.concat(curves, ignore_index=True)[["horizon", "metric", "field", "step", "case", "value"]],
        seconds_per_frame=watch.seconds_per_frame,
        frame_seconds=watch.timings,
        example=_example(method, dataset, task, table, watch.only),
        skipped=tuple(skipped),
    )


def _apart(step: int) -> str:
    return "" if step == 1 else f" with {step} frames from one to the next"


def _score_chunk(
    method: Method,
    predict: Callable[[Query], Forecast],
    part: Dataset,
    starts: list[int],
    task: EvaluationTask,
    steps: int,
    scores: Scores,
    reference: np.ndarray | None,
    flows: Sequence[Speeds],
) -> None:
    """Predict and pool one chunk."""
    asked = task.ask(part, starts, steps)
    forecast = predict(asked)
    check_forecast(forecast, asked.cases, steps, method)
    frames = frames_of(
        forecast.mean,
        task.truth(part, starts, steps),
        asked.context,
        asked.times,
        context_times=asked.context_times,
        variance=forecast.variance,
        reference=reference,
        flows=flow_sums(method, asked, forecast, flows),
    )
    scores.add(frames, asked.context["source_case"].values)


def _example(
    method: Method, dataset: Dataset, task: EvaluationTask, table: pd.DataFrame, only: Forecast | None
) -> xr.Dataset:
    """One query to draw: the case whose reference is worst over the longest horizon, from its middle start.

    Args:
        only: the answer, if one query was all; solving it anew can take minutes.
    """
    horizon = max(task.horizons_on(dataset), key=lambda item: item.steps)
    rows = table[
        (table["horizon"] == horizon.steps) & (table["metric"] == "persistence_nmse") & (table["field"] == ALL)
    ]
    case = int(rows["case"].to_numpy()[rows["value"].to_numpy().argmax()])
    part = dataset.select([case])
    starts = starts_of(int(part.lengths[0]), task.frames_in, horizon, task.step)
    start = starts[len(starts) // 2]
    asked = task.ask(part, [start], horizon.steps)
    same = only is not None and (only.cases, only.steps) == (1, horizon.steps) and len(starts) == 1
    forecast = (only if only is not None and same else method.predict(asked)).mean
    real = task.truth(part, [start], horizon.steps)
    fields = list(real.data_vars)
    out = xr.Dataset(attrs={"case": case, "start": start, "steps": horizon.steps})
    for name in fields:
        dims = real[name].dims
        out[f"truth_{name}"] = (dims, real[name].values, dict(asked.context[name].attrs))
        out[f"forecast_{name}"] = (dims, forecast[name].transpose(*dims).values, dict(asked.context[name].attrs))
    return out.assign_coords({axis: real[axis] for axis in real.dims if axis in real.coords and axis != "time"})
