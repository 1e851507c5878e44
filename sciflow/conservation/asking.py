"""What a method is asked when it is given a data set: all frames after those that it starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from sciflow.core import Method, Query
from sciflow.data.queries import later_frames, truth
from sciflow.training.surrogate import Surrogate

if TYPE_CHECKING:
    from sciflow.data import Dataset


def as_query(method: Method, asked: Query | Dataset) -> Query:
    """A query as it is, a data set as the one that the method makes of it.

    Raises:
        InputError: the cases of the data set have different numbers of frames, or too few.
    """
    if isinstance(asked, Query):
        return asked
    frames_in, step = _start(method, asked)
    return later_frames(asked, frames_in, step=step)


def with_truth(method: Method, dataset: Dataset) -> tuple[Query, xr.Dataset]:
    """The query for a data set, and the frames that it asks for.

    Raises:
        InputError: as `as_query`.
    """
    query = as_query(method, dataset)
    frames_in, step = _start(method, dataset)
    return query, truth(dataset, [0], frames_in, query.steps, step=step)


def _start(method: Method, dataset: Dataset) -> tuple[int, int]:
    """Frames that the innermost method starts from, and their distance."""
    while True:
        inner = getattr(method, "method", None) or next(iter(getattr(method, "methods", ())), None)
        if inner is None:
            break
        method = inner
    if isinstance(method, Surrogate):
        return method.training.frames_in, method.training.frame_step
    return (0 if dataset.frame_count == 1 else 1), 1
