"""Errors of the gradient: derivatives by Fourier modes on periodic axes, by differences on others."""

from __future__ import annotations

from typing import final

import numpy as np

from sciflow.evaluation.measures.base import Frames, Metric, ratio


def derivative(values: np.ndarray, points: np.ndarray, *, axis: int, periodic: bool) -> np.ndarray:
    """First derivative along one axis: exact for resolved periodic fields, else of second order up to the ends."""
    if not periodic:
        return np.asarray(np.gradient(values, points, axis=axis, edge_order=2))
    size = len(points)
    waves = 2j * np.pi * np.fft.rfftfreq(size, points[1] - points[0])
    if size % 2 == 0:
        waves[-1] = 0  # the highest wave of an even grid has no derivative on it
    shape = [1] * values.ndim
    shape[axis] = -1
    return np.fft.irfft(np.fft.rfft(values, axis=axis) * waves.reshape(shape), n=size, axis=axis)


def squared_gradient(frames: Frames, values: np.ndarray) -> np.ndarray:
    """|grad|^2 of each field, [B, T, C, *S]; infinite in frames that are not finite."""
    total = np.zeros_like(values)
    with np.errstate(over="ignore", invalid="ignore"):
        for position, axis in enumerate(frames.axes):
            slope = derivative(values, frames.points[axis], axis=3 + position, periodic=axis in frames.periodic)
            total += (slope / _by_case(frames.length(axis), values)) ** 2
    return np.where(np.isfinite(total), total, np.inf)


@final
class GradientError(Metric):
    """Relative error of the gradient (H1 seminorm): sqrt(sum(w |grad e|^2) / sum(w |grad y|^2)) of each case.

    Sums over cells, frames and starts; then the mean over cases. In the solid the error is 0, so that its jump at an
    obstacle counts.
    """

    name = "gradient_nrmse"
    relative = True

    def terms(self, frames: Frames) -> np.ndarray:
        parts = (frames.error(), frames.masked_truth)
        return np.stack([frames.integrate(squared_gradient(frames, part)) for part in parts], axis=-1)

    def value(self, terms: np.ndarray) -> np.ndarray:
        return np.sqrt(ratio(terms[..., 0], terms[..., 1]))


@final
class SobolevError(Metric):
    """Relative H1 error: sqrt(sum(w (e^2 + l^2 |grad e|^2)) / sum(w (y^2 + l^2 |grad y|^2))) of each case.

    l is the longest side of the domain over 2 pi, so that the longest wave counts equally in both parts. Sums over
    cells, frames and starts; then the mean over cases.
    """

    name = "h1_nrmse"
    relative = True

    def terms(self, frames: Frames) -> np.ndarray:
        sides = [_side(frames, axis) * frames.length(axis) for axis in frames.axes]
        length = _by_case(np.max(sides, axis=0) / (2 * np.pi), frames.truth)

        def norm(values: np.ndarray) -> np.ndarray:
            with np.errstate(over="ignore", invalid="ignore"):
                return frames.integrate(values**2 + length**2 * squared_gradient(frames, values))

        return np.stack([norm(frames.error()), norm(frames.masked_truth)], axis=-1)

    def value(self, terms: np.ndarray) -> np.ndarray:
        return np.sqrt(ratio(terms[..., 0], terms[..., 1]))


def _by_case(numbers: np.ndarray, values: np.ndarray) -> np.ndarray:
    """One number for each case, shaped to broadcast against values [B, ...]."""
    return numbers.reshape(-1, *[1] * (values.ndim - 1))


def _side(frames: Frames, axis: str) -> float:
    """Length of the domain along an axis, in units of the coordinate."""
    points = frames.points[axis]
    closed = axis not in frames.periodic and frames.grid == "nodes"
    return float(points[-1] - points[0]) * (1.0 if closed else len(points) / (len(points) - 1))
