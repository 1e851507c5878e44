"""Flow through sections x = const: the flux of volume, and mean velocity profiles."""

from __future__ import annotations

from typing import final

import numpy as np

from sciflow.core.errors import InputError
from sciflow.data.volume import cell_widths
from sciflow.evaluation.measures.base import Frames, Metric, ratio
from sciflow.evaluation.measures.flow import velocity_of

_CLOSED = 1e-6  # of the flux at RMS speed: less comes in through rounding alone
_SECTIONS = (0.25, 0.5, 0.75)


@final
class MassFluxError(Metric):
    """Error of the flux through all sections x = const over the true inflow, sqrt(mean (Q - Q_true)^2 / mean Q_in^2).

    Q(x) = integral of u dy over the fluid of a column of cells; Q_in is that of the true frames in the first column.
    Means over columns, frames and starts of a case, then over cases. A forecast with the right inflow that is free of
    divergence scores 0 in a steady, incompressible flow, whatever its shape: the metric sees leaks.

    Raises:
        InputError: the data set has no velocity u, v in m/s of a plane, or nothing flows in at the first column.
    """

    name = "mass_flux_error"
    sees_shifts = False
    relative = True

    def rows(self, frames: Frames) -> tuple[str, ...]:
        return ("flux",)

    def terms(self, frames: Frames) -> np.ndarray:
        place, widths = _across(frames, self.name)
        real = np.einsum("btyx,y->btx", frames.masked_truth[:, :, place], widths)
        inflow = (real[..., 0] ** 2).mean(axis=1)
        speed = (frames.masked_truth[:, :, place] ** 2).mean(axis=(1, 2, 3))
        if (inflow <= (_CLOSED * widths.sum()) ** 2 * speed).all():
            raise InputError("mass_flux_error needs a flow that enters at the first column; leave it out for a box.")
        with np.errstate(over="ignore", invalid="ignore"):
            found = np.einsum("btyx,y->btx", frames.masked_prediction[:, :, place], widths)
            gap = ((found - real) ** 2).mean(axis=-1)
        return np.stack([np.where(np.isfinite(gap), gap, np.inf), real[..., 0] ** 2], axis=-1)[:, :, None]

    def value(self, terms: np.ndarray) -> np.ndarray:
        return np.sqrt(ratio(terms[..., 0], terms[..., 1]))


@final
class ProfileError(Metric):
    """Relative error of mean velocity profiles, sqrt(sum (m - m_true)^2 / sum m_true^2), m(y) the mean of u in time.

    The mean is over the frames of one rollout; sums over the fluid of the columns nearest to 1/4, 1/2 and 3/4 of the
    length, weighted with the height of a cell, and over starts of a case. Then the mean over cases. Phases of an
    oscillation do not count where a rollout holds whole periods.

    Raises:
        InputError: the data set has no velocity u, v in m/s of a plane.
    """

    name = "profile_error"
    relative = True

    def rows(self, frames: Frames) -> tuple[str, ...]:
        return ("profile",)

    def terms(self, frames: Frames) -> np.ndarray:
        place, widths = _across(frames, self.name)
        columns = sorted({round(part * (frames.truth.shape[-1] - 1)) for part in _SECTIONS})
        real = frames.masked_truth[:, :, place][..., columns].mean(axis=1)
        with np.errstate(over="ignore", invalid="ignore"):
            found = frames.masked_prediction[:, :, place][..., columns].mean(axis=1)
            squares = [np.einsum("byx,y->b", values**2, widths) for values in (found - real, real)]
        steps = frames.truth.shape[1]
        each = np.stack([np.where(np.isfinite(part), part, np.inf) / steps for part in squares], axis=-1)
        return np.repeat(each[:, None, None], steps, axis=1)

    def value(self, terms: np.ndarray) -> np.ndarray:
        return np.sqrt(ratio(terms[..., 0], terms[..., 1]))


def _across(frames: Frames, name: str) -> tuple[int, np.ndarray]:
    """Position of u among the fields, and the heights of the cells of a column in units of the coordinate."""
    places = velocity_of(frames)
    if places is None or len(frames.axes) != 2:
        known = ", ".join(f"{field} [{frames.units.get(field, '')}]" for field in frames.fields)
        raise InputError(f"{name} needs the velocity u, v (m/s) of a plane; the data set has {known}.")
    nodes, periodic = frames.grid == "nodes", "y" in frames.periodic
    return places[0], cell_widths(frames.points["y"], nodes=nodes, periodic=periodic)
