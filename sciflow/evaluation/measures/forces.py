"""Drag and lift on an obstacle, from the momentum balance of the fluid in a box of cells around it."""

from __future__ import annotations

from abc import abstractmethod
from typing import final

import numpy as np

from sciflow.core.errors import InputError
from sciflow.evaluation.measures.base import Frames, Metric, ratio
from sciflow.evaluation.measures.flow import velocity_of

_FRAMES = 3  # that a time derivative takes
_MARGIN = 3  # cells between obstacle and box where there is room: clear of the smeared values at its surface


class _ForceError(Metric):
    """sqrt(sum (F - F_true)^2 / sum |F_true|^2) for one component of the force on the obstacle."""

    least_frames = _FRAMES
    relative = True

    def rows(self, frames: Frames) -> tuple[str, ...]:
        return ("force",)

    @property
    @abstractmethod
    def component(self) -> int:
        """0 along x, 1 along y."""

    def terms(self, frames: Frames) -> np.ndarray:
        real = forces(frames, frames.masked_truth)
        with np.errstate(over="ignore", invalid="ignore"):
            gap = forces(frames, frames.masked_prediction) - real
        gap = np.where(np.isfinite(gap), gap, np.inf)[..., self.component]
        return np.stack([gap**2, (real**2).sum(axis=-1)], axis=-1)[:, :, None]

    def value(self, terms: np.ndarray) -> np.ndarray:
        return np.sqrt(ratio(terms[..., 0], terms[..., 1]))


@final
class DragError(_ForceError):
    """Error of the drag (force along x), relative to the force: sqrt(sum (D - D_true)^2 / sum (D_true^2 + L_true^2)).

    Sums over frames and starts of a case, then the mean over cases. Force on the obstacle, per unit of depth, with n
    pointing out of a box of cells around it::

        F = -d/dt integral(rho u) - closed integral(rho u (u . n) + p n - mu (grad u + grad u^T) n)

    by the trapezoidal and midpoint rules on the stored frames, for forecast and truth alike: it is a functional of the
    frames, and that of the truth differs from the force that a solver reports by its discretisation error (a cylinder
    of ten cells at Re 200: 1.5 % of the drag and 7 % of the lift).

    Raises:
        InputError: no fields u, v, p, no parameters rho and mu, no obstacle with a free cell all around it, or horizons
            of fewer than three frames, which have no time derivative.
    """

    name = "drag_error"

    @property
    def component(self) -> int:
        """Along x."""
        return 0


@final
class LiftError(_ForceError):
    """Error of the lift (force along y), relative to the whole force, so that flows without lift count.

    sqrt(sum (L - L_true)^2 / sum (D_true^2 + L_true^2)) over frames and starts of a case, then the mean over cases. The
    force and the errors raised are those of `DragError`.
    """

    name = "lift_error"

    @property
    def component(self) -> int:
        """Along y."""
        return 1


def forces(frames: Frames, values: np.ndarray) -> np.ndarray:
    """Force (x, y) on the obstacle in each frame, N/m, [B, T, 2].

    Args:
        frames: grid, obstacle, times, rho and mu.
        values: the fields [B, T, C, y, x].

    Raises:
        InputError: see `DragError`.
    """
    places = velocity_of(frames)
    if places is None or len(frames.axes) != 2 or "p" not in frames.fields:
        raise InputError(f"Forces need the fields u, v (m/s) and p of a plane; the data set has {frames.fields}.")
    missing = [name for name in ("rho", "mu") if name not in frames.parameters]
    if missing:
        raise InputError(f"Forces need the case parameters rho and mu; the data set lacks '{missing[0]}'.")
    if frames.times is None or frames.truth.shape[1] < _FRAMES:
        raise InputError("Forces need horizons of at least three frames, for their time derivative; leave them out.")
    fluid = np.broadcast_to(frames.fluid, (len(values), 1, 1, *values.shape[3:]))[:, 0, 0]
    fields = (*places, frames.fields.index("p"))
    found = []
    for case, (solid, own, times) in enumerate(zip(~fluid, values[:, :, fields], frames.times, strict=True)):
        dx, dy = (float(np.diff(frames.metres(axis, case)).mean()) for axis in ("x", "y"))
        rho, mu = (float(frames.parameters[name][case]) for name in ("rho", "mu"))
        found.append(_force(own, _box(solid), (dx, dy), times, rho, mu))
    return np.stack(found)


def _box(solid: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of the box: as far from the obstacle as there is room for on every side, up to `_MARGIN`."""
    if not solid.any():
        raise InputError("Forces need an obstacle, and a case has none; leave them out for this data set.")
    ends = [
        (int(np.flatnonzero(hit)[0]), int(np.flatnonzero(hit)[-1])) for hit in (solid.any(axis=1), solid.any(axis=0))
    ]
    room = min(min(low - 2, size - 3 - high) for (low, high), size in zip(ends, solid.shape, strict=True))
    if room < 1:
        raise InputError("Forces need an obstacle that lies free in the flow, three cells from the edges of the grid.")
    margin = min(_MARGIN, room)
    rows, columns = (slice(low - margin, high + margin + 1) for low, high in ends)
    return rows, columns


def _force(
    fields: np.ndarray, box: tuple[slice, slice], spacing: tuple[float, float], times: np.ndarray, rho: float, mu: float
) -> np.ndarray:
    """Force [T, 2] from the fields u, v, p [T, 3, y, x] of one case."""
    dx, dy = spacing
    with np.errstate(over="ignore", invalid="ignore"):
        momentum = rho * fields[:, :2, box[0], box[1]].sum(axis=(2, 3)) * dx * dy
        force = -np.gradient(momentum, times, axis=0)
        for axis in (0, 1):  # faces across x, then across y: the same with the roles of the axes exchanged
            order = fields if axis == 0 else fields[:, [1, 0, 2]].swapaxes(2, 3)
            along, across = (box[0], box[1]) if axis == 0 else (box[1], box[0])
            steps = (dx, dy) if axis == 0 else (dy, dx)
            for sign, left in ((1.0, across.stop - 1), (-1.0, across.start - 1)):
                normal, tangential = _traction(order, along, left, steps, rho, mu)
                force[:, axis] -= sign * normal
                force[:, 1 - axis] -= sign * tangential
    return force


def _traction(
    fields: np.ndarray, rows: slice, left: int, steps: tuple[float, float], rho: float, mu: float
) -> tuple[np.ndarray, np.ndarray]:
    """Momentum per second [T] along and across x through the face between two columns, over some rows.

    fields are (velocity across the face, velocity along it, pressure) [T, 3, y, x].
    """
    dx, dy = steps
    wide = slice(rows.start - 1, rows.stop + 1)
    pair = fields[:, :, wide, left : left + 2]
    middle = pair.mean(axis=3)
    slope = (pair[..., 1] - pair[..., 0])[:, :, 1:-1] / dx
    u, v, p = (middle[:, index, 1:-1] for index in range(3))
    cross = (middle[:, 0, 2:] - middle[:, 0, :-2]) / (2 * dy)
    normal = (rho * u**2 + p - 2 * mu * slope[:, 0]).sum(axis=1) * dy
    tangential = (rho * u * v - mu * (slope[:, 1] + cross)).sum(axis=1) * dy
    return normal, tangential
