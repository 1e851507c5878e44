"""Scores by the formulas of CFDBench, under its names, so that its published numbers can be set beside ours.

They are kept for that alone: one velocity component, ratios of single frames, and long cases weigh more.
Source: Luo et al. (2023), CFDBench (arXiv:2310.05963), and its evaluation at a batch of one frame.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import final

import numpy as np

from sciflow.core.errors import InputError
from sciflow.evaluation.measures.base import CaseScores, Frames, Metric, ratio

_FIELD = "u"


@final
class ScoredFrames(Metric):
    """How many frames of a case were scored, over all its starts; the weight of a case in `cfdbench_nmse` and so on."""

    name = "scored_frames"
    better = "higher"
    perfect = None
    sees_shifts = False

    def rows(self, frames: Frames) -> tuple[str, ...]:
        return ("frames",)

    def terms(self, frames: Frames) -> np.ndarray:
        return np.ones((*frames.truth.shape[:2], 1, 1))

    def value(self, terms: np.ndarray) -> np.ndarray:
        return terms[..., 0]


class _OverFrames(Metric):
    """Mean over the frames of all cases of a number of each frame: terms (number, 1)."""

    needs = (ScoredFrames.name,)

    @abstractmethod
    def number(self, error: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """The number of each frame, [B, T], from error and truth [B, T, cells]."""

    def rows(self, frames: Frames) -> tuple[str, ...]:
        return (_FIELD,)

    def terms(self, frames: Frames) -> np.ndarray:
        if _FIELD not in frames.fields:
            known = ", ".join(frames.fields)
            raise InputError(f"{self.name} is that of the field 'u', and the data set has {known}; leave it out.")
        place = frames.fields.index(_FIELD)
        values = (frames.error(), np.where(frames.volume > 0, frames.truth, 0.0))
        error, truth = (part[:, :, place].reshape(*part.shape[:2], -1) for part in values)
        with np.errstate(over="ignore"):
            number = self.number(error, truth)
        return np.stack([number, np.ones_like(number)], axis=-1)[:, :, None]

    def value(self, terms: np.ndarray) -> np.ndarray:
        return ratio(terms[..., 0], terms[..., 1])

    def over_cases(self, own: np.ndarray, others: CaseScores) -> float:
        """Mean over frames: cases weigh as many frames as they have."""
        counts = others.values.get(ScoredFrames.name)
        return float(np.average(own, weights=counts))


@final
class CfdBenchNmse(_OverFrames):
    """NMSE of CFDBench: mean(e^2) / mean(y^2) of each frame, field u alone, then the plain mean over all frames.

    Order: all cells of a frame; ratio; mean over the frames and starts of all cases together, so that long cases weigh
    more. Cells in the solid and known cells count as zeros in e and y, which leaves the ratio as it is. There is no
    epsilon: a frame of a fluid at rest gives infinity (0 if it is met exactly, where the published code gives NaN), and
    one frame near rest can rule the mean; `nmse` is the score without these faults.
    """

    name = "cfdbench_nmse"
    relative = True

    def number(self, error: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Ratio of the mean squares of a frame."""
        return ratio((error**2).mean(axis=-1), (truth**2).mean(axis=-1))


@final
class CfdBenchMse(_OverFrames):
    """MSE of CFDBench: mean(e^2) over all cells of each frame, field u alone, then the mean over all frames.

    Cells in the solid and known cells count as zeros, so that they lower it. Unit: (m/s)^2.
    """

    name = "cfdbench_mse"

    def number(self, error: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Mean square of a frame."""
        return np.asarray((error**2).mean(axis=-1))


@final
class CfdBenchMae(_OverFrames):
    """MAE of CFDBench: mean(|e|) over all cells of each frame, field u alone, then the mean over all frames.

    Cells in the solid and known cells count as zeros, so that they lower it. Unit: m/s.
    """

    name = "cfdbench_mae"

    def number(self, error: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Mean absolute value of a frame."""
        return np.asarray(np.abs(error).mean(axis=-1))
