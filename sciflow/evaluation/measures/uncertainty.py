"""Scores of forecasts that come with a variance."""

from __future__ import annotations

from typing import final

import numpy as np

from sciflow.evaluation.measures.base import Frames, Metric, ratio

_WIDTH = 1.959963984540054  # standard deviations on either side that hold 95 % of a Gaussian


@final
class RankedProbability(Metric):
    """CRPS = sum(w crps) / sum(w) of each case, then the mean over cases. Unit: the field's.

    For a Gaussian with mean m and standard deviation s, and z = (y - m) / s:
    crps = s (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi)); without a variance it is |y - m|, so that forecasts with and
    without uncertainty compare (Gneiting and Raftery 2007, J. Am. Stat. Assoc. 102, 359-378, eq. 21).
    """

    name = "crps"

    def terms(self, frames: Frames) -> np.ndarray:
        from scipy.stats import norm

        gap = np.abs(frames.error())
        if frames.variance is not None:
            spread = np.sqrt(np.maximum(frames.variance, 0.0))
            with np.errstate(divide="ignore", invalid="ignore"):
                z = gap / spread
                wide = spread * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
            gap = np.where(np.isfinite(z), wide, gap)
        return np.stack([frames.integrate(gap), frames.integrate(np.ones_like(gap))], axis=-1)

    def value(self, terms: np.ndarray) -> np.ndarray:
        return ratio(terms[..., 0], terms[..., 1])


@final
class Coverage(Metric):
    """Share of the fluid volume where the truth lies within 1.96 standard deviations: 0.95 for a calibrated Gaussian.

    Pooled over cells, frames and starts of a case, then the mean over cases; NaN for a method without a variance.
    """

    name = "coverage"
    perfect = None
    sees_shifts = False
    better = "higher"
    relative = True

    def terms(self, frames: Frames) -> np.ndarray:
        if frames.variance is None:
            inside = np.full_like(frames.truth, np.nan)
        else:
            inside = (np.abs(frames.error()) <= _WIDTH * np.sqrt(np.maximum(frames.variance, 0.0))).astype(float)
        return np.stack([frames.integrate(inside), frames.integrate(np.ones_like(inside))], axis=-1)

    def value(self, terms: np.ndarray) -> np.ndarray:
        return ratio(terms[..., 0], terms[..., 1])
