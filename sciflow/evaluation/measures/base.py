"""What a metric is, and the one place where its sums are pooled.

A metric sees aligned frames and returns *terms*: numbers that add up (or whose maximum is taken) over frames, starts
and fields of a case, together with the formula that turns pooled terms into the score. So the reduction order is the
same for all of them: cells and frames (and starts) of a case are pooled, then the formula is applied, giving one
number per case; the mean over cases comes last, or what a metric has in its place (`Metric.over_cases`: a ratio of
means, a mean over frames). Frames of the context are never among them, nor are known cells.

The row "all" pools the fields of one unit (u and v, say) before the formula. Fields of different units are never added
up: where a data set has several units, "all" is the mean of the groups' scores if the metric is relative (without a
unit), and there is no row "all" otherwise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from sciflow.core.errors import InputError


@dataclass(frozen=True)
class Frames:
    """Predicted and true frames of B queries, float64, in physical units.

    Shapes: prediction and truth [B, T, C, *S]; start [B, C, *S], the last frame of the context (what persistence
    holds), or [B, T, C, *S], the training mean, where a task has no start frames; weights [*S] or [B, *S], fluid
    volume of each cell, 0 in the solid and where values are known; known, of the same shapes, the cells that hold
    boundary data; variance as the prediction, where the method gives one; inputs [B, *S] by name; flows [B, T, C, 2] by
    name, see `sciflow.evaluation.equivariance.flow_sums`.
    """

    prediction: np.ndarray
    truth: np.ndarray
    start: np.ndarray
    weights: np.ndarray
    fields: tuple[str, ...]
    axes: tuple[str, ...] = ()
    points: dict[str, np.ndarray] = field(default_factory=dict)  # coordinates of each space axis
    positions: dict[str, np.ndarray] = field(default_factory=dict)  # [B, n] metres, of axes where they differ by case
    periodic: tuple[str, ...] = ()
    units: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    parameters: dict[str, np.ndarray] = field(default_factory=dict)  # [B] each
    times: np.ndarray | None = None  # [B, T] seconds
    context_times: np.ndarray | None = None  # [B, T_in] seconds
    variance: np.ndarray | None = None
    inputs: dict[str, np.ndarray] = field(default_factory=dict)
    grid: str = "nodes"  # or "cells": values at the centres of cells
    known: np.ndarray | None = None
    flows: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.prediction.shape != self.truth.shape:
            raise InputError(
                f"The forecast has shape {self.prediction.shape} and the truth {self.truth.shape} "
                "(query, time, field, *space); return one frame for each time of the query."
            )
        if not np.isfinite(self.masked_truth).all():
            raise InputError("The true frames hold NaN or infinity, so nothing can be scored; check the data set.")

    @property
    def volume(self) -> np.ndarray:
        """`weights` shaped to broadcast against [B, T, C, *S]."""
        return self._framed(self.weights)

    @property
    def fluid(self) -> np.ndarray:
        """True where there is fluid, known or not, shaped as `volume`."""
        return self.volume > 0 if self.known is None else (self.volume > 0) | self._framed(self.known)

    @property
    def masked_truth(self) -> np.ndarray:
        """The truth with 0 in the solid."""
        return np.where(self.fluid, self.truth, 0.0)

    @property
    def masked_prediction(self) -> np.ndarray:
        """The forecast with 0 in the solid and the truth where it is known; infinite where it is not finite."""
        return self.masked_truth + self.error()

    def length(self, axis: str) -> np.ndarray:
        """Metres in one unit of the coordinate of an axis, [B]; 1 where all cases share their coordinates."""
        if axis not in self.positions:
            return np.ones(len(self.truth))
        ends, points = self.positions[axis][:, [0, -1]], self.points[axis]
        return np.asarray((ends[:, 1] - ends[:, 0]) / (points[-1] - points[0]))

    def metres(self, axis: str, case: int) -> np.ndarray:
        """Positions along an axis in one of the queries."""
        return self.positions[axis][case] if axis in self.positions else self.points[axis]

    def _framed(self, cells: np.ndarray) -> np.ndarray:
        """Values [*S] or [B, *S], shaped to broadcast against [B, T, C, *S]."""
        return cells[:, None, None] if cells.ndim == self.truth.ndim - 2 else cells

    def error(self) -> np.ndarray:
        """prediction - truth; 0 in the solid and where values are known, infinity where the forecast is not finite."""
        with np.errstate(over="ignore", invalid="ignore"):
            error = self.prediction - self.truth
        error = np.where(np.isfinite(error), error, np.inf)
        return np.where(self.volume > 0, error, 0.0)

    def persistence_error(self) -> np.ndarray:
        """Error of the reference forecast on the same frames: holding the last context frame, or the training mean."""
        held = self.start if self.start.ndim == self.truth.ndim else self.start[:, None]
        return np.where(self.volume > 0, held - self.truth, 0.0)

    def integrate(self, values: np.ndarray) -> np.ndarray:
        """Sum over cells of fluid volume times value: [B, T, C, *S] -> [B, T, C]."""
        space = tuple(range(3, values.ndim))
        with np.errstate(over="ignore", invalid="ignore"):
            return np.sum(np.where(self.volume > 0, self.volume * values, 0.0), axis=space)


@dataclass(frozen=True)
class CaseScores:
    """Scores of several metrics by name: of each case [cases], and of each case and lead time [cases, T]."""

    values: Mapping[str, np.ndarray] = field(default_factory=dict)
    curves: Mapping[str, np.ndarray] = field(default_factory=dict)


class Metric(ABC):
    """One score. Subclasses say their formula in the docstring; `better` is "lower" or "higher"."""

    name: ClassVar[str]
    better: ClassVar[str] = "lower"
    combine: ClassVar[str] = "sum"  # how terms of several frames, starts and fields come together: "sum" or "max"
    perfect: ClassVar[float | None] = 0.0  # score of the truth itself; None where that depends on the data
    sees_shifts: ClassVar[bool] = True  # whether frames at the wrong time must score worse; not so for invariants
    relative: ClassVar[bool] = False  # whether the score has no unit, so that fields of different units have a mean
    needs: ClassVar[tuple[str, ...]] = ()  # further metrics that `over_cases` takes
    least_frames: ClassVar[int] = 1  # shorter horizons are not scored with it

    def rows(self, frames: Frames) -> tuple[str, ...]:
        """What `terms` has one entry for: the fields, unless the metric says otherwise."""
        return frames.fields

    def units(self, frames: Frames) -> tuple[str, ...]:
        """Unit of each row; only rows of one unit are pooled."""
        return tuple(frames.units.get(row, "") for row in self.rows(frames))

    @abstractmethod
    def terms(self, frames: Frames) -> np.ndarray:
        """Terms of each frame, shape [B, T, rows, K]."""

    @abstractmethod
    def value(self, terms: np.ndarray) -> np.ndarray:
        """The score from pooled terms: [..., K] -> [...]."""

    def pool(self, terms: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
        """Bring the terms of several frames, starts or fields together."""
        with np.errstate(over="ignore", invalid="ignore"):
            return terms.max(axis=axis) if self.combine == "max" else terms.sum(axis=axis)

    def total(self, terms: np.ndarray, units: tuple[str, ...]) -> float | None:
        """The row "all" from pooled terms [rows, K] and the unit of each row; None where it would mix units."""
        groups = [self.pool(terms[np.array(units) == unit], axis=0) for unit in dict.fromkeys(units)]
        if len(groups) == 1:
            return float(self.value(groups[0]))
        return self.over_units(np.stack(groups)) if self.relative else None

    def over_units(self, terms: np.ndarray) -> float:
        """Score of several groups of fields, terms [groups, K]: the mean of their scores."""
        return float(np.mean(self.value(terms)))

    def over_cases(self, own: np.ndarray, others: CaseScores) -> float:
        """Score of several cases: the mean of theirs, unless the metric says otherwise.

        Args:
            own: score of each case, [cases].
            others: scores of the same cases by the metrics that this one needs; one that is not there was not computed.
        """
        return float(np.mean(own))


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below with 0/0 = 0 and x/0 = infinity: no epsilon that results could depend on."""
    above, below = np.broadcast_arrays(np.asarray(above, np.float64), np.asarray(below, np.float64))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where((above == 0) & (below == 0), 0.0, above / below)
