"""Errors by wave number.

Transforms are orthonormal: Fourier on periodic axes, cosines (DCT-II) on others, whose order m counts m / 2 waves over
the domain. The shell of a mode is the integer part of the length of its wave-number vector. Points count equally, so
the grid must be evenly spaced.
"""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

from sciflow.core.errors import InputError
from sciflow.evaluation.measures.base import Frames, Metric, ratio


def shells(frames: Frames) -> np.ndarray:
    """Shell of each mode, integers [*S]."""
    square = np.zeros(frames.truth.shape[3:])
    for position, axis in enumerate(frames.axes):
        size = frames.truth.shape[3 + position]
        wave = np.abs(np.fft.fftfreq(size, 1 / size)) if axis in frames.periodic else np.arange(size) / 2
        square = square + np.expand_dims(wave**2, [i for i in range(len(frames.axes)) if i != position])
    return np.floor(np.sqrt(square) + 1e-9).astype(int)


def energies(frames: Frames, values: np.ndarray) -> np.ndarray:
    """Energy of each shell, [B, T, C, shells]: its sum is the mean square of the values (Parseval)."""
    from scipy.fft import dct

    for axis, points in frames.points.items():
        gaps = np.diff(points)
        if gaps.size and np.ptp(gaps) > 1e-3 * gaps.mean():
            raise InputError(f"Errors by wave number need evenly spaced points, and those along '{axis}' are not.")
    space = range(3, values.ndim)
    with np.errstate(over="ignore", invalid="ignore"):
        for position, axis in zip(space, frames.axes, strict=True):
            if axis in frames.periodic:
                values = np.fft.fft(values, axis=position, norm="ortho")
            else:
                values = sum(
                    unit * dct(part, axis=position, norm="ortho")
                    for unit, part in ((1, np.real(values)), (1j, np.imag(values)))
                )
        power = (np.abs(values) ** 2).reshape(*values.shape[:3], -1)
    shell = shells(frames).ravel()
    where = np.eye(shell.max() + 1)[shell] / shell.size
    finite = np.isfinite(power).all(axis=-1, keepdims=True)
    return np.asarray(np.where(finite, np.where(finite, power, 0.0) @ where, np.inf))


class _Band(Metric):
    """RMSE of the part of the error in the shells low <= k < high.

    Raises:
        InputError: points are not evenly spaced, or the grid holds no such wave numbers.
    """

    low: ClassVar[int]
    high: ClassVar[int | None]

    def terms(self, frames: Frames) -> np.ndarray:
        power = energies(frames, frames.error())
        if power.shape[-1] <= self.low:
            raise InputError(f"{self.name} needs a grid that holds wave numbers of {self.low} and more; leave it out.")
        inside = power[..., self.low : self.high].sum(axis=-1)
        return np.stack([inside, np.ones_like(inside)], axis=-1)

    def value(self, terms: np.ndarray) -> np.ndarray:
        return np.sqrt(ratio(terms[..., 0], terms[..., 1]))


@final
class LowFourierError(_Band):
    """RMSE of the error's modes with wave numbers below 4: sqrt(mean over frames of sum_{k < 4} |e_k|^2) of each case.

    The squares of the low, middle and high errors add up to the MSE where points count equally. Unit: the field's.
    Bands as in PDEBench (Takamoto et al. 2022), but over the whole spectrum. Mean over cases.
    """

    name = "fourier_low_rmse"
    low, high = 0, 4


@final
class MiddleFourierError(_Band):
    """RMSE of the error's modes with wave numbers 4 to 11, see `LowFourierError`."""

    name = "fourier_mid_rmse"
    low, high = 4, 12


@final
class HighFourierError(_Band):
    """RMSE of the error's modes with wave numbers of 12 and more, see `LowFourierError`."""

    name = "fourier_high_rmse"
    low, high = 12, None


@final
class SpectralError(Metric):
    """Error of the energy spectrum: sum |E(k) - E_true(k)| / sum E_true(k).

    Sums over shells, frames and starts of a case. E(k) is the energy of the field in shell k of one frame. Phases do
    not count: a forecast that has lost the state but has the right spectrum scores near 0. Then the mean over cases.
    """

    name = "spectral_error"
    relative = True

    def terms(self, frames: Frames) -> np.ndarray:
        real = energies(frames, frames.masked_truth)
        with np.errstate(invalid="ignore"):
            found = energies(frames, frames.masked_truth + frames.error())
            gap = np.abs(found - real).sum(axis=-1)
        return np.stack([np.where(np.isnan(gap), np.inf, gap), real.sum(axis=-1)], axis=-1)

    def value(self, terms: np.ndarray) -> np.ndarray:
        return ratio(terms[..., 0], terms[..., 1])
