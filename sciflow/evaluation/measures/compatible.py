"""Scores by the formulas of published benchmarks, under their names, for comparison with their tables.

Unlike in those benchmarks, frames that were given to a method are never scored.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import final

import numpy as np

from sciflow.evaluation.measures.base import CaseScores, Frames, Metric, ratio


class _PerFrame(Metric):
    """Mean of a number of each frame: terms (number, 1)."""

    relative = True

    @abstractmethod
    def number(self, frames: Frames) -> np.ndarray:
        """The number of each frame and field, [B, T, C]."""

    def terms(self, frames: Frames) -> np.ndarray:
        number = self.number(frames)
        return np.stack([number, np.ones_like(number)], axis=-1)

    def value(self, terms: np.ndarray) -> np.ndarray:
        return ratio(terms[..., 0], terms[..., 1])


def _mean_square(frames: Frames, values: np.ndarray) -> np.ndarray:
    """Mean over all points of the array, solid ones included, as those benchmarks take it: [B, T, C]."""
    with np.errstate(over="ignore"):
        return np.mean(values**2, axis=tuple(range(3, values.ndim)))


def _nrmse(frames: Frames) -> np.ndarray:
    return np.sqrt(ratio(_mean_square(frames, frames.error()), _mean_square(frames, frames.masked_truth)))


@final
class PdeBenchError(_PerFrame):
    """nRMSE of PDEBench: sqrt(mean(e^2)) / sqrt(mean(y^2)) over the points of each frame and field, then the mean.

    Order: points of a frame; ratio; mean over frames, starts and fields of a case; mean over cases. A frame in which
    the truth is nearly zero counts as much as any other.

    Source: Takamoto et al. (2022), PDEBench, NeurIPS Datasets and Benchmarks, appendix B.
    """

    name = "pdebench_nrmse"

    def number(self, frames: Frames) -> np.ndarray:
        """One relative error for each frame and field."""
        return _nrmse(frames)


@final
class WellError(_PerFrame):
    """VRMSE of The Well: sqrt(mean(e^2) / (mean((y - mean(y))^2) + 1e-7)) of each frame and field, then the mean.

    Order: points of a frame; ratio and root; mean over frames, starts and fields of a case; mean over cases. 1e-7 is in
    the square of the field's unit, so the score of small fields depends on it.

    Source: Ohana et al. (2024), The Well, NeurIPS Datasets and Benchmarks, section 5 (arXiv:2412.00568).
    """

    name = "well_vrmse"

    def number(self, frames: Frames) -> np.ndarray:
        """One scaled error for each frame and field."""
        space = tuple(range(3, frames.truth.ndim))
        spread = np.var(frames.masked_truth, axis=space)
        return np.sqrt(_mean_square(frames, frames.error()) / (spread + 1e-7))


@final
class ApeBenchError(Metric):
    """Geometric mean over lead times of the mean nRMSE, as APEBench aggregates roll-outs.

    nRMSE of each frame as in `pdebench_nrmse`; its mean over cases (and starts, fields) at each lead time; then the
    geometric mean over lead times. For a single case, and in tables by case, it is the geometric mean over all frames
    of the case; a table without curves by lead time has the mean of those. 0 if a frame is met exactly.

    Source: Koehler et al. (2024), APEBench, NeurIPS Datasets and Benchmarks (arXiv:2411.00180), section 4.
    """

    name = "apebench_gmean_nrmse"
    needs = ("pdebench_nrmse",)
    relative = True

    def terms(self, frames: Frames) -> np.ndarray:
        number = _nrmse(frames)
        with np.errstate(divide="ignore"):
            return np.stack([np.log(number), np.ones_like(number)], axis=-1)

    def value(self, terms: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return np.exp(terms[..., 0] / terms[..., 1])

    def over_cases(self, own: np.ndarray, others: CaseScores) -> float:
        """Geometric mean over lead times of the mean nRMSE over cases."""
        if "pdebench_nrmse" not in others.curves:
            return super().over_cases(own, others)
        with np.errstate(divide="ignore"):
            return float(np.exp(np.log(others.curves["pdebench_nrmse"].mean(axis=0)).mean()))
