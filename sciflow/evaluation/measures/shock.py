"""Where the front of a one-dimensional field is, in forecasts and in samples of them."""

from __future__ import annotations

from typing import final

import numpy as np

from sciflow.core import InputError
from sciflow.evaluation.measures.base import Frames, Metric, ratio

_HEIGHT = 0.1  # of the range of the true frame


@final
class ShockPositionError(Metric):
    """mean over frames of |front(forecast) - front(truth)| of each case, then the mean over cases. Unit: that of x.

    front(u) is where u first falls from the left to the threshold or below it, by linear interpolation between nodes;
    the right end of the domain if it never does. The threshold is a tenth of the range of the true frame above its
    lowest value, the same for both, so that noise about 0 ahead of the front does not count. Frames whose truth is
    constant have no front and do not count; a case without any scores 0. A forecast frame that is not finite everywhere
    has no front either: its distance is infinite.

    Raises:
        InputError: the fields have more than one space axis.
    """

    name = "shock_position_error"

    def units(self, frames: Frames) -> tuple[str, ...]:
        return ("m",) * len(frames.fields)

    def terms(self, frames: Frames) -> np.ndarray:
        if len(frames.axes) != 1:
            raise InputError("shock_position_error needs fields on a line; the data set has more than one space axis.")
        truth, axis = frames.masked_truth, frames.axes[0]
        points = frames.positions[axis][:, None, None] if axis in frames.positions else frames.points[axis]
        low, high = truth.min(axis=-1), truth.max(axis=-1)
        threshold = low + _HEIGHT * (high - low)
        given = frames.masked_prediction
        gap = np.abs(front(given, points, threshold) - front(truth, points, threshold))
        gap = np.where(np.isfinite(given).all(axis=-1), gap, np.inf)
        counted = high > low
        return np.stack([np.where(counted, gap, 0.0), counted.astype(float)], axis=-1)

    def value(self, terms: np.ndarray) -> np.ndarray:
        return ratio(terms[..., 0], terms[..., 1])


def front(values: np.ndarray, points: np.ndarray, threshold: float | np.ndarray = 0.0) -> np.ndarray:
    """Where values [..., n] at increasing points [..., n] first fall to a threshold [...], from the left: [...].

    Between nodes the crossing is interpolated linearly. The first point if the values begin at or below the threshold,
    the last one if they stay above it.
    """
    points = np.broadcast_to(points, values.shape)
    level = np.broadcast_to(threshold, values.shape[:-1])[..., None]
    below = values <= level
    index = below.argmax(axis=-1)[..., None]
    before = np.maximum(index - 1, 0)
    left, right = (np.take_along_axis(values, at, axis=-1) for at in (before, index))
    start, end = (np.take_along_axis(points, at, axis=-1) for at in (before, index))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(left > right, (left - level) / (left - right), 1.0)
    crossing = start + np.where(np.isfinite(share), share, 1.0) * (end - start)
    return np.where(below.any(axis=-1), crossing[..., 0], points[..., -1])


def sampled_fronts(
    mean: np.ndarray,
    covariance: np.ndarray,
    points: np.ndarray,
    *,
    draws: int = 500,
    threshold: float = 0.0,
    seed: int = 0,
    published: bool = False,
    deviations_as_variances: bool = False,
) -> np.ndarray:
    """Fronts in samples of N(mean, covariance), for a histogram: [..., draws].

    Args:
        mean: [..., n].
        covariance: [..., n, n], or the variances [..., n] of independent nodes.
        points: [n], positions of the nodes.
        draws: samples of each mean.
        threshold: the front is where a sample first falls to it.
        seed: of the samples.
        published: the position as in the code of Hansen et al. (arXiv:2302.11002): index of the first node at or below
            the threshold, divided by n (not n - 1), times the last position; 0 where there is none. Otherwise `front`.
        deviations_as_variances: draw with the standard deviations in the place of the variances. That is a mistake of
            their figure, for all methods with a diagonal covariance; for comparison with it only.

    Raises:
        InputError: the shapes do not fit, or deviations_as_variances is asked of a full covariance.
    """
    count = mean.shape[-1]
    full = covariance.shape == (*mean.shape, count)
    if points.shape != (count,) or not (full or covariance.shape == mean.shape):
        raise InputError(
            f"Fronts need a covariance of shape {(*mean.shape, count)} or variances of shape {mean.shape} and "
            f"{count} points; not {covariance.shape} and {points.shape}."
        )
    if full and deviations_as_variances:
        raise InputError("deviations_as_variances is for independent nodes; give variances, not a full covariance.")
    noise = np.random.default_rng(seed).standard_normal((*mean.shape[:-1], draws, count))
    if full:
        noise = np.einsum("...ij,...dj->...di", _root(covariance), noise)
    else:
        variance = np.maximum(covariance, 0.0)
        noise = noise * (np.sqrt(np.sqrt(variance) if deviations_as_variances else variance))[..., None, :]
    samples = mean[..., None, :] + noise
    if not published:
        return front(samples, points, threshold)
    return (samples <= threshold).argmax(axis=-1) / count * points[-1]  # argmax is 0 where there is none


def _root(covariance: np.ndarray) -> np.ndarray:
    """L with L L^T = covariance, which may be singular to rounding."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :])
