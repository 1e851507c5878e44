"""How well a forecast sheds vortices: the dominant frequency of the velocity across the flow."""

from __future__ import annotations

from typing import final

import numpy as np

from sciflow.core.errors import InputError
from sciflow.evaluation.measures.base import CaseScores, Frames, Metric, ratio
from sciflow.evaluation.measures.flow import velocity_of

_FRAMES = 8  # fewer hold no period at a rate that could tell its frequency
_PERIODS = 1.5  # of the slowest oscillation that is told from a drift
_FINER = 8  # trial frequencies for each one of the discrete spectrum
_EXPLAINED = 0.5  # least share of the variance in one frequency
_WEAK = 1e-3  # of the RMS speed: weaker fluctuations are rest


@final
class StrouhalError(Metric):
    """Relative error of the Strouhal number, |f - f_true| / f_true, of each rollout; mean over starts, then over cases.

    f is the frequency of the sine (with a mean) that fits the series best in least squares, of the velocity v over the
    frames of one rollout at one cell: where v of the truth varies most. Length and speed scales cancel. A series
    oscillates if it holds at least 1.5 periods of that sine, which explains at least half of its variance, and its
    standard deviation is at least 1e-3 of the RMS speed of the true frames. A forecast that does not oscillate has
    f = 0 and scores 1. Rollouts whose truth does not oscillate are left out; a case without any other has NaN and is
    left out of the mean over cases.

    Raises:
        InputError: the data set has no velocity u, v in m/s, or a horizon has fewer than eight frames.
    """

    name = "strouhal_error"
    least_frames = _FRAMES
    sees_shifts = False
    relative = True

    def rows(self, frames: Frames) -> tuple[str, ...]:
        return ("strouhal",)

    def terms(self, frames: Frames) -> np.ndarray:
        found = velocity_of(frames)
        if found is None or len(frames.axes) != 2 or frames.times is None:
            raise InputError("strouhal_error needs a velocity (fields u, v in m/s) of a plane in time; leave it out.")
        count, steps = frames.truth.shape[:2]
        if steps < _FRAMES:
            raise InputError(f"strouhal_error needs horizons of at least {_FRAMES} frames; leave it out for {steps}.")
        truth, predicted = (part[:, :, found[1]].reshape(count, steps, -1) for part in _pair(frames))
        speed = np.sqrt((frames.masked_truth[:, :, found] ** 2).sum(axis=2).mean(axis=tuple(range(1, truth.ndim + 1))))
        terms = np.zeros((count, steps, 1, 2))
        for query in range(count):
            probe = int(truth[query].var(axis=0).argmax())
            real = dominant_frequency(frames.times[query], truth[query][:, probe], _WEAK * speed[query])
            if real is None:
                continue
            series = predicted[query][:, probe]
            own = dominant_frequency(frames.times[query], series, _WEAK * speed[query])
            error = abs((own or 0.0) - real) / real if np.isfinite(series).all() else np.inf
            terms[query] = error / steps, 1 / steps
        return terms

    def value(self, terms: np.ndarray) -> np.ndarray:
        return np.where(terms[..., 1] > 0, ratio(terms[..., 0], terms[..., 1]), np.nan)

    def over_cases(self, own: np.ndarray, others: CaseScores) -> float:
        """Mean over the cases that oscillate; NaN if none does."""
        kept = own[~np.isnan(own)]
        return float(kept.mean()) if kept.size else float("nan")


def dominant_frequency(times: np.ndarray, values: np.ndarray, weakest: float = 0.0) -> float | None:
    """Frequency of the sine a + b cos(2 pi f t) + c sin(2 pi f t) that fits best, or None without an oscillation.

    Args:
        times, values: the series [T]; times need not be even.
        weakest: least standard deviation.
    """
    from scipy.optimize import minimize_scalar

    if not np.isfinite(values).all() or values.std() <= max(weakest, 1e-12 * np.abs(values).max()):
        return None
    span = float(times[-1] - times[0])
    slowest, fastest = _PERIODS / span, 0.5 * (len(times) - 1) / span
    trial = np.arange(slowest, fastest, 1 / (_FINER * span))
    explained = np.array([_explained(frequency, times, values) for frequency in trial])
    best = int(explained.argmax())
    if best == 0 or explained[best] < _EXPLAINED:
        return None
    between = (trial[best - 1], trial[min(best + 1, len(trial) - 1)])
    refined = minimize_scalar(
        lambda frequency: -_explained(frequency, times, values),
        bounds=between,
        method="bounded",
        options={"xatol": 1e-9 * fastest},
    )
    return float(refined.x)


def _explained(frequency: float, times: np.ndarray, values: np.ndarray) -> float:
    """Share of the variance in the best sine of one frequency."""
    phase = 2 * np.pi * frequency * (times - times.mean())
    basis = np.stack([np.ones_like(phase), np.cos(phase), np.sin(phase)], axis=1)
    rest = values - basis @ np.linalg.lstsq(basis, values, rcond=None)[0]
    return float(1 - (rest**2).sum() / ((values - values.mean()) ** 2).sum())


def _pair(frames: Frames) -> tuple[np.ndarray, np.ndarray]:
    """Truth and forecast, 0 in the solid."""
    return frames.masked_truth, frames.masked_prediction
