"""Proper orthogonal decomposition of a training set, and the trajectories of its coefficients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from sciflow.core import InputError

if TYPE_CHECKING:
    from sciflow.data import Dataset


@final
@dataclass(frozen=True)
class PodBasis:
    """x = mean + a @ modes, with D = fields x cells; the rows of `modes` [R, D] are orthonormal."""

    mean: np.ndarray
    modes: np.ndarray

    @classmethod
    def fit(cls, frames: np.ndarray, rank: int) -> PodBasis:
        """The `rank` leading modes of snapshots [N, D], by the Gram matrix of the shorter side.

        Modes whose singular value is below 1e-7 of the first are round-off and left out.
        """
        mean = frames.mean(axis=0)
        centred = frames - mean
        wide = centred.shape[0] < centred.shape[1]
        gram = centred @ centred.T if wide else centred.T @ centred
        values, vectors = np.linalg.eigh(gram)
        values, vectors = values[::-1][:rank], vectors[:, ::-1][:, :rank]
        kept = values > 1e-14 * max(values[0], np.finfo(float).tiny)
        values, vectors = values[kept], vectors[:, kept]
        modes = (centred.T @ vectors / np.sqrt(values)).T if wide else vectors.T
        return cls(mean, modes)

    def encode(self, frames: np.ndarray) -> np.ndarray:
        """Coefficients [..., R] of frames [..., D]."""
        return (frames - self.mean) @ self.modes.T

    def decode(self, coefficients: np.ndarray) -> np.ndarray:
        """Frames [..., D] from coefficients; the leading modes are used if there are fewer than R."""
        return self.mean + coefficients @ self.modes[: coefficients.shape[-1]]


@final
@dataclass(frozen=True)
class Trajectory:
    """One case in a basis: coefficients [T, R], what the basis misses and the whole energy [T], inputs."""

    coefficients: np.ndarray
    missed: np.ndarray
    energy: np.ndarray
    signals: np.ndarray  # [T, G]
    parameters: np.ndarray  # [P]


def case_frames(dataset: Dataset, field_std: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """Valid frames of each case in its characteristic scales, [T, D], one case at a time; solid cells are 0."""
    masks = dataset.mask_values()
    for index, (case, length, scale) in enumerate(
        zip(dataset.cases, dataset.lengths, dataset.field_scales(), strict=True)
    ):
        frames = dataset.frames(int(case), 0, int(length)).astype(np.float64)
        if masks is not None:
            frames = np.where(masks[index if len(masks) > 1 else 0], frames, 0.0)
        scale = scale if field_std is None else scale * field_std
        frames /= scale.reshape(1, -1, *[1] * (frames.ndim - 2))
        yield frames.reshape(len(frames), -1)


def field_deviations(dataset: Dataset) -> np.ndarray:
    """Root mean square of each field over the training cases, [C], so that fields of different units weigh alike."""
    count, squares = 0, np.zeros(len(dataset.fields))
    for frames in case_frames(dataset):
        squares += (frames.reshape(len(frames), len(dataset.fields), -1) ** 2).mean(axis=-1).sum(axis=0)
        count += len(frames)
    return np.sqrt(np.maximum(squares / max(count, 1), np.finfo(float).tiny))


def frame_spacing(dataset: Dataset) -> float:
    """Time between frames in characteristic times, the same in all cases.

    Raises:
        InputError: the spacing differs between frames or cases.
    """
    gaps = np.diff(dataset.case_times, axis=1) / dataset.time_scales()[:, None]
    gaps = np.concatenate([row[: int(length) - 1] for row, length in zip(gaps, dataset.lengths, strict=True)])
    if gaps.size == 0 or np.ptp(gaps) > 1e-3 * gaps.mean():
        raise InputError("A map from frame to frame needs at least two frames, equally spaced in all cases.")
    return float(gaps.mean())


def sampled(frames: Iterator[np.ndarray], limit: int) -> np.ndarray:
    """At most about `limit` frames, every k-th of each case."""
    cases = list(frames)
    total = sum(len(case) for case in cases)
    every = max(1, -(-total // limit))
    return np.concatenate([case[::every] for case in cases])
