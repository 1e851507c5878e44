"""Whole cases as vectors over space and time, and the way from there to the frames that a query asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sciflow.baselines.pod_basis import case_frames
from sciflow.core import InputError

if TYPE_CHECKING:
    from sciflow.data import Dataset


def shared_times(dataset: Dataset) -> np.ndarray | None:
    """Times of the frames [T] in characteristic times, or None if they or the numbers of frames differ by case."""
    lengths = dataset.lengths
    if (lengths != lengths[0]).any():
        return None
    times = dataset.case_times[:, : lengths[0]] / dataset.time_scales()[:, None]
    spacing = float(np.diff(times[0]).min()) if lengths[0] > 1 else 1.0
    return times[0] if np.abs(times - times[0]).max() <= 1e-3 * spacing else None


def require_shared_times(dataset: Dataset, method: str) -> np.ndarray:
    """`shared_times`, where a method cannot do without.

    Raises:
        InputError: they differ by case.
    """
    times = shared_times(dataset)
    if times is None:
        raise InputError(
            f"The method '{method}' compares whole cases, so all must have the same times (in characteristic times); "
            "the training cases do not."
        )
    return times


def whole_cases(dataset: Dataset, deviations: np.ndarray) -> np.ndarray:
    """Cases as vectors [N, T C S], time by time, in characteristic scales and divided by `deviations` of the fields."""
    return np.stack([frames.ravel() for frames in case_frames(dataset, deviations)])


def in_time(known: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Weights [..., T] of linear interpolation between the times `known` [T], held beyond their ends."""
    if len(known) == 1:
        return np.ones((*asked.shape, 1))
    place = np.interp(asked, known, np.arange(len(known)))
    below = np.minimum(place.astype(int), len(known) - 2)
    part = (place - below)[..., None]
    steps = np.arange(len(known))
    return np.asarray((1 - part) * (steps == below[..., None]) + part * (steps == below[..., None] + 1))


def at_times(values: np.ndarray, known: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Frames [Q, T', ...] at times `asked` [Q, T'], from frames [Q, T, ...] at times `known` [T]."""
    if asked.shape[1] == len(known) and np.allclose(asked, known, rtol=1e-9, atol=1e-9 * np.ptp(known)):
        return values
    return np.einsum("qst,qt...->qs...", in_time(known, asked), values)
