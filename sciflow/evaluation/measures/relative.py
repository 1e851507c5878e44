"""Errors without a unit: against the size of the truth, its variation, or persistence.

w is the fluid volume of a cell, y the truth, e = prediction - y, and y0 the last frame of the context, which
persistence holds. All sums run over cells, frames and starts of one case. The row "all" also sums over the fields of
one unit; where fields differ in unit it is the mean of the units' scores (for the gain see there).
"""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

from sciflow.evaluation.measures.base import CaseScores, Frames, Metric, ratio


class _Relative(Metric):
    relative: ClassVar[bool] = True


def _square_terms(frames: Frames, *which: str) -> np.ndarray:
    values = {
        "error": frames.error,
        "truth": lambda: frames.masked_truth,
        "persistence": frames.persistence_error,
        "variation": lambda: _variation(frames),
    }
    with np.errstate(over="ignore"):
        return np.stack([frames.integrate(values[name]() ** 2) for name in which], axis=-1)


def _variation(frames: Frames) -> np.ndarray:
    space = (..., *(None,) * (frames.truth.ndim - 3))
    mean = ratio(frames.integrate(frames.masked_truth), frames.integrate(np.ones_like(frames.truth)))
    return np.where(frames.volume > 0, frames.truth - mean[space], 0.0)


@final
class NormalisedMeanSquaredError(_Relative):
    """NMSE = sum(w e^2) / sum(w y^2) of each case, then the mean over cases.

    Frames are pooled before the division, so a frame in which nothing happens cannot dominate.
    """

    name = "nmse"

    def terms(self, frames: Frames) -> np.ndarray:
        return _square_terms(frames, "error", "truth")

    def value(self, terms: np.ndarray) -> np.ndarray:
        return ratio(terms[..., 0], terms[..., 1])


@final
class NormalisedRootMeanSquaredError(_Relative):
    """nRMSE = sqrt(sum(w e^2) / sum(w y^2)) of each case: the relative L2 error. Then the mean over cases."""

    name = "nrmse"

    def terms(self, frames: Frames) -> np.ndarray:
        return _square_terms(frames, "error", "truth")

    def value(self, terms: np.ndarray) -> np.ndarray:
        return np.sqrt(ratio(terms[..., 0], terms[..., 1]))


@final
class VarianceScaledError(_Relative):
    """VRMSE = sqrt(sum(w e^2) / sum(w (y - m)^2)) of each case, m the spatial mean of y in each frame and field.

    Predicting the spatial mean of every frame scores 1. Then the mean over cases. No epsilon: a truth that does not
    vary in space scores 0 if it is met and infinity otherwise.
    """

    name = "vrmse"

    def terms(self, frames: Frames) -> np.ndarray:
        return _square_terms(frames, "error", "variation")

    def value(self, terms: np.ndarray) -> np.ndarray:
        return np.sqrt(ratio(terms[..., 0], terms[..., 1]))


@final
class PersistenceError(_Relative):
    """NMSE of persistence on the very same frames: sum(w (y0 - y)^2) / sum(w y^2) of each case.

    It is the same for every method, and the numerator of `gain`.
    """

    name = "persistence_nmse"
    perfect = None
    sees_shifts = False

    def terms(self, frames: Frames) -> np.ndarray:
        return _square_terms(frames, "persistence", "truth")

    def value(self, terms: np.ndarray) -> np.ndarray:
        return ratio(terms[..., 0], terms[..., 1])


@final
class Gain(_Relative):
    """How many times lower than persistence: sum(w (y0 - y)^2) / sum(w e^2) of each case.

    1 is persistence, above 1 is better. Over cases a mean of ratios would be ruled by the easiest case: summaries
    therefore take the ratio of the means, mean NMSE of persistence / mean NMSE of the method, and show the smallest
    ratio of a single case beside it. For the same reason the row "all" over fields of different units is the mean NMSE
    of persistence / the mean NMSE of the method, both over units. Where both errors are 0 the score is 1.
    """

    name = "gain"
    needs = ("nmse", "persistence_nmse")
    perfect = float("inf")
    better = "higher"

    def terms(self, frames: Frames) -> np.ndarray:
        return _square_terms(frames, "persistence", "error", "truth")

    def value(self, terms: np.ndarray) -> np.ndarray:
        return np.where((terms[..., :2] == 0).all(axis=-1), 1.0, ratio(terms[..., 0], terms[..., 1]))

    def over_units(self, terms: np.ndarray) -> float:
        held, error = (ratio(terms[..., index], terms[..., 2]).mean(axis=-1) for index in (0, 1))
        return float(np.nan_to_num(self.value(np.stack([held, error], axis=-1)), nan=1.0, posinf=np.inf))

    def over_cases(self, own: np.ndarray, others: CaseScores) -> float:
        """Mean NMSE of persistence / mean NMSE of the method."""
        if not set(self.needs) <= set(others.values):
            return super().over_cases(own, others)
        below, above = (float(np.mean(others.values[name])) for name in self.needs)
        return float("inf") if below == 0 else above / below


@final
class Skill(_Relative):
    """Skill = 1 - sum(w e^2) / sum(w (y0 - y)^2) of each case, then the mean over cases.

    1 is perfect, 0 is persistence, below 0 is worse than persistence.
    """

    name = "skill"
    perfect = 1.0
    better = "higher"

    def terms(self, frames: Frames) -> np.ndarray:
        return _square_terms(frames, "error", "persistence")

    def value(self, terms: np.ndarray) -> np.ndarray:
        return 1.0 - ratio(terms[..., 0], terms[..., 1])
