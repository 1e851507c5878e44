"""What methods learn from forecasts of validation cases, asked from the starts that scoring asks from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from sciflow.core import InputError, Method, Query
from sciflow.evaluation.forecast import starts_of

if TYPE_CHECKING:
    from sciflow.data import Dataset
    from sciflow.evaluation.horizon import Horizon
    from sciflow.evaluation.tasks import EvaluationTask


def calibrated(method: Method, valid: Dataset | None, task: EvaluationTask) -> Method:
    """The method, with what it has to learn from the forecasts of validation cases, asked as the task asks.

    That are all starts of every case that is long enough; the starts of a case belong together. Most is learned over
    the longest horizon. Scales of intervals are those of the shortest horizon that has the lead time, from its own
    starts, which are the most: with the horizons 10 (stride 20) and 50 the first ten come from all starts of the
    horizon 10, the others from those of the horizon 50.

    Raises:
        InputError: something has to be learned, but there are no or too few validation cases.
    """
    if not getattr(method, "calibrates", False):
        return method
    require_calibration_cases(method, valid, task)
    assert valid is not None
    longest, *shorter = sorted(task.horizons_on(valid), key=lambda horizon: horizon.steps, reverse=True)
    method.calibrate(*_asked(valid, longest, task))  # type: ignore[attr-defined]
    if (rescale := getattr(method, "rescale", None)) is not None:
        for horizon in shorter:
            rescale(*_asked(valid, horizon, task))
    return method


def require_calibration_cases(method: Method, valid: Dataset | None, task: EvaluationTask) -> None:
    """Raise unless there are validation cases enough for what a method has to learn from them; it need not be fitted.

    Raises:
        InputError: there are none, or too few that are long enough for every horizon.
    """
    if not getattr(method, "calibrates", False):
        return
    if valid is None:
        raise InputError(f"The method '{method.name}' is calibrated on validation cases; use a split that has some.")
    if (require := getattr(method, "require_cases", None)) is not None:
        require(min(len(np.concatenate(list(_groups(valid, item, task).values()))) for item in task.horizons_on(valid)))


def _groups(valid: Dataset, horizon: Horizon, task: EvaluationTask) -> dict[tuple[int, ...], list[int]]:
    """Starts -> the cases that have just these, by their length.

    Raises:
        InputError: no case is long enough.
    """
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for case, length in zip(valid.cases, valid.lengths, strict=True):
        if starts := starts_of(int(length), task.frames_in, horizon, task.step):
            groups[tuple(starts)].append(int(case))
    if not groups:
        raise InputError(
            f"No validation case is long enough to calibrate a forecast of {horizon.steps} steps; the longest has "
            f"{int(valid.lengths.max())} frames."
        )
    return groups


def _asked(valid: Dataset, horizon: Horizon, task: EvaluationTask) -> tuple[Query, xr.Dataset]:
    """The query from all starts of all cases that are long enough for a horizon, and its true frames."""
    queries, frames = [], []
    for starts, cases in _groups(valid, horizon, task).items():
        part = valid.select(cases)
        queries.append(task.ask(part, starts, horizon.steps))
        frames.append(task.truth(part, starts, horizon.steps))
    return _joined(queries), _one_after_the_other(frames)


def _joined(queries: Sequence[Query]) -> Query:
    """One query with the entries of several, which differ in their cases alone."""
    first = queries[0]
    observations = [query.observations for query in queries if query.observations is not None]
    known = [query.known for query in queries if query.known is not None]
    return Query(
        _one_after_the_other([query.context for query in queries]),
        np.concatenate([query.context_times for query in queries]),
        np.concatenate([query.times for query in queries]),
        {name: np.concatenate([query.signals[name] for query in queries]) for name in first.signals},
        observations=_one_after_the_other(observations) if observations else None,
        known=_one_after_the_other(known) if known else None,
    )


def _one_after_the_other(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """Data sets put together along ``case``; what has no cases is that of the first."""
    if len(parts) == 1:
        return parts[0]
    shared = {"data_vars": "minimal", "coords": "minimal", "compat": "override", "combine_attrs": "override"}
    return xr.concat(parts, "case", join="override", **shared)  # type: ignore[call-overload]
