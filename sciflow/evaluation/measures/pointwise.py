"""Errors in the units of the field. w is the fluid volume of a cell, e = prediction - truth.

The row "all" pools the fields; there is none where fields differ in unit.
"""

from __future__ import annotations

from typing import final

import numpy as np

from sciflow.core.errors import InputError
from sciflow.evaluation.measures.base import Frames, Metric, ratio


class _MeanError(Metric):
    """Common terms (sum of w times a power of the error, sum of w)."""

    power: int

    def terms(self, frames: Frames) -> np.ndarray:
        above = frames.integrate(np.abs(frames.error()) ** self.power)
        below = frames.integrate(np.ones_like(frames.truth))
        return np.stack([above, below], axis=-1)


@final
class MeanSquaredError(_MeanError):
    """MSE = sum(w e^2) / sum(w), over cells, frames, starts (and fields of one unit, for the row "all") of a case.

    Unit: the field's squared. Then the mean over cases.
    """

    name = "mse"
    power = 2

    def value(self, terms: np.ndarray) -> np.ndarray:
        return ratio(terms[..., 0], terms[..., 1])


@final
class RootMeanSquaredError(_MeanError):
    """RMSE = sqrt(sum(w e^2) / sum(w)) of each case; the root is taken per case, before the mean over cases."""

    name = "rmse"
    power = 2

    def value(self, terms: np.ndarray) -> np.ndarray:
        return np.sqrt(ratio(terms[..., 0], terms[..., 1]))


@final
class MeanAbsoluteError(_MeanError):
    """MAE = sum(w |e|) / sum(w) of each case, then the mean over cases. Unit: the field's."""

    name = "mae"
    power = 1

    def value(self, terms: np.ndarray) -> np.ndarray:
        return ratio(terms[..., 0], terms[..., 1])


@final
class MaxError(Metric):
    """Largest |e| over fluid cells, frames and starts of a case, then the mean over cases. Unit: the field's."""

    name = "max_error"
    combine = "max"

    def terms(self, frames: Frames) -> np.ndarray:
        error = np.abs(frames.error())
        return error.max(axis=tuple(range(3, error.ndim)), initial=0.0)[..., None]

    def value(self, terms: np.ndarray) -> np.ndarray:
        return terms[..., 0]


@final
class BoundaryError(_MeanError):
    """RMSE on the boundary: as rmse, over the outermost points of every axis that is not periodic. Unit: the field's.

    Raises:
        InputError: all axes are periodic.
    """

    name = "boundary_rmse"
    power = 2

    def terms(self, frames: Frames) -> np.ndarray:
        open_axes = [position for position, axis in enumerate(frames.axes) if axis not in frames.periodic]
        if not open_axes:
            raise InputError("boundary_rmse needs an axis that is not periodic; leave it out for a periodic box.")
        edge = np.zeros(frames.truth.shape[3:])
        for position in open_axes:
            np.moveaxis(edge, position, 0)[[0, -1]] = 1.0
        squares = np.where(edge > 0, frames.error() ** 2, 0.0)
        return np.stack([frames.integrate(squares), frames.integrate(edge * np.ones_like(frames.truth))], axis=-1)

    def value(self, terms: np.ndarray) -> np.ndarray:
        return np.sqrt(ratio(terms[..., 0], terms[..., 1]))
