"""Scores of forecasts that come with a variance."""

from __future__ import annotations

from typing import final

import numpy as np

from sciflow.evaluation.measures.base import Frames, Metric, ratio

_WIDTH = 1.959963984540054  # standard deviations on either side that hold 95 % of a Gaussian
_LEVELS = np.arange(1, 20) / 20  # nominal coverage at which calibration is looked at


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


@final
class LogLikelihood(Metric):
    """sum(w log N(y; m, s^2)) / sum(w) of each case, then the mean over cases; higher is better, in nats.

    log N = -(log(2 pi s^2) + (y - m)^2 / s^2) / 2 with the marginal mean m and variance s^2 of the forecast, also where
    that is a mixture (Hansen et al. 2023, ICML, arXiv:2302.11002, who take the plain mean over nodes). A variance of 0
    gives -infinity, or infinity where the forecast is exact there. Its value depends on the unit of the field. NaN for
    a method without a variance.
    """

    name = "log_likelihood"
    perfect = None
    sees_shifts = False
    better = "higher"

    def terms(self, frames: Frames) -> np.ndarray:
        if frames.variance is None:
            density = np.full_like(frames.truth, np.nan)
        else:
            variance, square = np.maximum(frames.variance, 0.0), frames.error() ** 2
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                wide = -0.5 * (np.log(2 * np.pi * variance) + square / variance)
            density = np.where(variance > 0, wide, np.where((square > 0) | np.isnan(variance), -np.inf, np.inf))
        return np.stack([frames.integrate(density), frames.integrate(np.ones_like(density))], axis=-1)

    def value(self, terms: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return ratio(terms[..., 0], terms[..., 1])


@final
class CalibrationError(Metric):
    """mean over the levels p = 0.05, 0.10, ..., 0.95 of |share(p) - p| of each case, then the mean over cases.

    share(p) is the share of the fluid volume, over all frames of the case, where the truth lies in the central interval
    of probability p of N(m, s^2). 0 is best, and what a calibrated method tends to if a case has many independent
    cells; errors that extend over much of a case leave more, although the method may be right over all cases (which
    `coverage`, a plain mean, shows at one level). 0.5 is about the worst. NaN for a method without a variance.
    """

    name = "calibration_error"
    perfect = None
    sees_shifts = False
    relative = True

    def terms(self, frames: Frames) -> np.ndarray:
        from scipy.stats import norm

        volume = frames.integrate(np.ones_like(frames.truth))
        if frames.variance is None:
            return np.stack([np.full_like(volume, np.nan)] * len(_LEVELS) + [volume], axis=-1)
        gap, spread = np.abs(frames.error()), np.sqrt(np.maximum(frames.variance, 0.0))
        inside = [frames.integrate((gap <= norm.ppf(0.5 + level / 2) * spread).astype(float)) for level in _LEVELS]
        return np.stack([*inside, volume], axis=-1)

    def value(self, terms: np.ndarray) -> np.ndarray:
        return np.abs(ratio(terms[..., :-1], terms[..., -1:]) - _LEVELS).mean(axis=-1)


@final
class Sharpness(Metric):
    """sum(w s) / sum(w) of each case, then the mean over cases: the mean standard deviation. Unit: the field's.

    Smaller is better among methods that are calibrated; alone it says nothing. NaN for a method without a variance.
    """

    name = "sharpness"
    perfect = None
    sees_shifts = False

    def terms(self, frames: Frames) -> np.ndarray:
        if frames.variance is None:
            spread = np.full_like(frames.truth, np.nan)
        else:
            spread = np.sqrt(np.maximum(frames.variance, 0.0))
        return np.stack([frames.integrate(spread), frames.integrate(np.ones_like(spread))], axis=-1)

    def value(self, terms: np.ndarray) -> np.ndarray:
        return ratio(terms[..., 0], terms[..., 1])
