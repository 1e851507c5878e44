"""How long a forecast stays with the truth."""

from __future__ import annotations

from typing import final

import numpy as np

from sciflow.core.errors import InputError
from sciflow.evaluation.measures.base import Frames, Metric, ratio

THRESHOLD = 0.8


@final
class CorrelationTime(Metric):
    """Seconds from the last context frame until the correlation with the truth first falls below 0.8, per start.

    Correlation of one frame: sum(w a b) / sqrt(sum(w a^2) sum(w b^2)), a and b the forecast and the truth less their
    spatial means. A start that never falls below counts with the whole horizon, so the score cannot exceed it. Mean
    over the starts of a case, then over cases; the row "all" is the mean over fields. Curves by lead time hold the
    share of starts still correlated, times the horizon.

    Source: Kochkov et al. (2021), PNAS 118, e2101784118 (time until the correlation is below 0.95).

    Raises:
        InputError: the task has no start frames, or no times.
    """

    name = "correlation_time"
    perfect = None
    better = "higher"

    def units(self, frames: Frames) -> tuple[str, ...]:
        return ("s",) * len(frames.fields)

    def terms(self, frames: Frames) -> np.ndarray:
        if frames.times is None or frames.context_times is None or not frames.context_times.shape[1]:
            raise InputError("correlation_time needs a forecast from start frames with their times; leave it out here.")
        steps = np.diff(np.concatenate([frames.context_times[:, -1:], frames.times], axis=1), axis=1)
        alive = np.cumprod(_correlation(frames) >= THRESHOLD, axis=1)
        lasting = alive * steps[..., None]
        return np.stack([lasting, np.full_like(lasting, 1 / lasting.shape[1])], axis=-1)

    def value(self, terms: np.ndarray) -> np.ndarray:
        return ratio(terms[..., 0], terms[..., 1])


def _correlation(frames: Frames) -> np.ndarray:
    """[B, T, C]; 1 where both do not vary, 0 where only one does or the forecast is not finite."""
    column = (..., *(None,) * len(frames.axes))
    size = frames.integrate(np.ones_like(frames.truth))

    def fluctuation(values: np.ndarray) -> np.ndarray:
        return values - ratio(frames.integrate(values), size)[column]

    with np.errstate(over="ignore", invalid="ignore"):
        found, real = fluctuation(frames.masked_truth + frames.error()), fluctuation(frames.masked_truth)
        together = frames.integrate(found * real)
        norms = np.sqrt(frames.integrate(found**2) * frames.integrate(real**2))
        both_still = (frames.integrate(found**2) == 0) & (frames.integrate(real**2) == 0)
        return np.where(both_still, 1.0, np.nan_to_num(np.where(norms > 0, together / norms, 0.0), nan=0.0))
