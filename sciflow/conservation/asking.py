"""What a method is asked when it is given a data set: all frames after those that it starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from sciflow.core import InputError, Method, Query
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


def askable(method: Method, valid: Dataset | None, what: str) -> Dataset:
    """The validation cases, if something can be learned from forecasts of them; to be called before training.

    Args:
        method: that will forecast them; it need not be fitted.
        valid: validation cases.
        what: is to be learned, for messages, such as "The intervals".

    Raises:
        InputError: there are none, the method needs observations, or the cases have different numbers of frames.
    """
    if valid is None:
        raise InputError(f"{what} of '{method.name}' must be calibrated on validation cases; give some to fit.")
    if getattr(_innermost(method), "needs_observations", False):
        raise InputError(
            f"The method '{method.name}' needs observations, which a data set does not hold; fit that method alone and "
            "call calibrate(query, truth) with observations in the query."
        )
    as_query(method, valid)
    return valid


def _innermost(method: Method) -> Method:
    """The method inside of all wrappers; the first member of an ensemble."""
    while True:
        inner = getattr(method, "method", None) or next(iter(getattr(method, "methods", ())), None)
        if inner is None:
            return method
        method = inner


def _start(method: Method, dataset: Dataset) -> tuple[int, int]:
    """Frames that the innermost method starts from, and their distance."""
    method = _innermost(method)
    if isinstance(method, Surrogate):
        return method.training.frames_in, method.training.frame_step
    return (0 if dataset.frame_count == 1 else 1), 1
