"""Energy and enstrophy of a predicted flow."""

from __future__ import annotations

from abc import abstractmethod
from typing import final

import numpy as np

from sciflow.core.errors import InputError
from sciflow.evaluation.measures.base import Frames, Metric, ratio
from sciflow.evaluation.measures.gradients import derivative

_VELOCITY = ("u", "v", "w")
_SPEED = ("", "1", "m/s", "m*s^-1", "ms^-1", "ms-1")
_RATE = ("", "1", "1/s", "s^-1", "s-1")


def velocity_of(frames: Frames) -> list[int] | None:
    """Positions among the fields of the velocity u, v (and w in 3-D), in the unit of a velocity; or None.

    Where there is none but the flux of water, u_water and v_water, it takes its place.
    """
    for kind in ("", "_water"):
        names = [name + kind for name in _VELOCITY[: len(frames.axes)]]
        there = len(names) > 1 and set(names) <= set(frames.fields)
        if there and all(_unit(frames, name) in _SPEED for name in names):
            return [frames.fields.index(name) for name in names]
    return None


def vorticity_of(frames: Frames) -> int | None:
    """Position of the vorticity of a 2-D periodic flow: a field w in 1/s, or None."""
    plane = len(frames.axes) == 2 and set(frames.periodic) >= set(frames.axes)
    found = plane and "w" in frames.fields and "v" not in frames.fields and _unit(frames, "w") in _RATE
    return frames.fields.index("w") if found else None


def _unit(frames: Frames, name: str) -> str:
    return frames.units.get(name, "").replace("**", "^").replace(" ", "")


class _Quadratic(Metric):
    """sqrt(sum over frames (Q - Q_true)^2 / sum over frames Q_true^2) for Q = integral of a square."""

    relative = True

    def rows(self, frames: Frames) -> tuple[str, ...]:
        return (self.name.removesuffix("_error"),)

    @abstractmethod
    def density(self, frames: Frames, values: np.ndarray) -> np.ndarray:
        """What is integrated, [B, T, 1, *S]."""

    def terms(self, frames: Frames) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            real = frames.integrate(self.density(frames, frames.masked_truth))
            gap = frames.integrate(self.density(frames, frames.masked_truth + frames.error())) - real
        return np.stack([np.where(np.isfinite(gap), gap, np.inf) ** 2, real**2], axis=-1)

    def value(self, terms: np.ndarray) -> np.ndarray:
        return np.sqrt(ratio(terms[..., 0], terms[..., 1]))


@final
class EnergyError(_Quadratic):
    """Relative error of the kinetic energy E = integral of |u|^2 / 2: sqrt(sum (E - E_true)^2 / sum E_true^2).

    Sums over frames and starts of a case, then the mean over cases. The velocity is that of the fields u, v (and w in
    3-D), or belongs to a vorticity w (1/s) on a periodic plane: u = rot(psi), laplacian(psi) = -w.

    Raises:
        InputError: the data set has neither.
    """

    name = "energy_error"

    def density(self, frames: Frames, values: np.ndarray) -> np.ndarray:
        """|u|^2 / 2."""
        components = velocity_of(frames)
        if components is not None:
            return (values[:, :, components] ** 2).sum(axis=2, keepdims=True) / 2
        place = vorticity_of(frames)
        if place is None:
            raise InputError(
                "energy_error needs a velocity (fields u, v in m/s) or the vorticity w (1/s) of a periodic 2-D flow; "
                f"the data set has {', '.join(frames.fields)}."
            )
        u, v = _from_vorticity(frames, values[:, :, place])
        return (u**2 + v**2)[:, :, None] / 2


@final
class EnstrophyError(_Quadratic):
    """Relative error of the enstrophy Z = integral of |vorticity|^2 / 2, reduced as in `EnergyError`.

    The vorticity is the field w (1/s) of a periodic plane, or the curl of the velocity (Fourier derivatives on periodic
    axes, second-order differences on others).

    Raises:
        InputError: the data set has neither a vorticity nor a velocity.
    """

    name = "enstrophy_error"

    def density(self, frames: Frames, values: np.ndarray) -> np.ndarray:
        """|vorticity|^2 / 2."""
        components, place = velocity_of(frames), vorticity_of(frames)
        if components is not None:
            return _curl_squared(frames, [values[:, :, index] for index in components])[:, :, None] / 2
        if place is None:
            raise InputError(
                "enstrophy_error needs a velocity (fields u, v in m/s) or the vorticity w (1/s) of a periodic 2-D "
                f"flow; the data set has {', '.join(frames.fields)}."
            )
        return values[:, :, place : place + 1] ** 2 / 2


def _curl_squared(frames: Frames, velocity: list[np.ndarray]) -> np.ndarray:
    """|rot u|^2, [B, T, *S]; components in the order x, y, z, arrays in the order (z,) y, x."""

    def slope(component: int, along: int) -> np.ndarray:
        position = len(frames.axes) - 1 - along
        axis = frames.axes[position]
        periodic = axis in frames.periodic
        slope = derivative(velocity[component], frames.points[axis], axis=2 + position, periodic=periodic)
        return slope / frames.length(axis).reshape(-1, *[1] * (slope.ndim - 1))

    pairs = [(0, 1)] if len(velocity) == 2 else [(0, 1), (1, 2), (2, 0)]
    return sum(((slope(b, a) - slope(a, b)) ** 2 for a, b in pairs), np.zeros_like(velocity[0]))


def _from_vorticity(frames: Frames, vorticity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Velocity (psi_y, -psi_x) of a periodic plane, each [B, T, y, x]."""
    rows, columns = vorticity.shape[-2:]
    y, x = (frames.points[axis] for axis in frames.axes)
    height, width = (frames.length(axis)[:, None, None, None] for axis in frames.axes)
    ky = 2 * np.pi * np.fft.fftfreq(rows, y[1] - y[0])[:, None] / height
    kx = 2 * np.pi * np.fft.rfftfreq(columns, x[1] - x[0]) / width
    square = kx**2 + ky**2
    square[..., 0, 0] = 1.0
    psi = np.fft.rfft2(vorticity) / square
    psi[..., 0, 0] = 0.0
    return np.fft.irfft2(1j * ky * psi, s=(rows, columns)), np.fft.irfft2(-1j * kx * psi, s=(rows, columns))
