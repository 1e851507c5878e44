"""How far the conserved quantities of a forecast are from what the conservation law says they are.

For each law that the problem declares under ``conserves``, G u is the integral of its density over the fluid (the
trapezoidal rule on nodes, cell widths on cells) and b(t) its known value: the total that the law declares, in closed
form; where it declares none, on a closed domain (periodic, or walls that nothing passes) the integral of the last start
frame; else, or where some cells hold boundary data, the integral of the true frames. The truth itself need not score 0:
what is left is the error of the quadrature, such as that of a shock on a coarse grid.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, final

import numpy as np

from sciflow import problems
from sciflow.conservation.closed import is_closed
from sciflow.evaluation.measures.base import Frames, Metric, ratio
from sciflow.evaluation.measures.physics import declared_total, density_values, integral, measurable_laws

if TYPE_CHECKING:
    from sciflow.problems.physics import Conservation


class _OfLaws(Metric):
    """One row for each law, and a row "all" only where there is a single one.

    Raises:
        InputError: the data set names no problem, or the problem declares no law whose density is a function of stored
            fields (and of parameters and coordinates), without derivatives.
    """

    perfect = None
    sees_shifts = False

    def rows(self, frames: Frames) -> tuple[str, ...]:
        return tuple(law.name for law in measurable_laws(frames, self.name))

    def units(self, frames: Frames) -> tuple[str, ...]:
        return self.rows(frames)

    def terms(self, frames: Frames) -> np.ndarray:
        found = []
        for law in measurable_laws(frames, self.name):
            due = _due(law, frames)
            density = density_values(law.density, frames, frames.prediction)
            gap = frames.integrate(density[:, :, None])[:, :, 0] - due
            size = np.abs(due) + frames.integrate(np.abs(density)[:, :, None])[:, :, 0]
            found.append(self.of_frames(np.where(np.isfinite(gap), gap, np.inf), size))
        return np.stack(found, axis=2)

    @abstractmethod
    def of_frames(self, gap: np.ndarray, size: np.ndarray) -> np.ndarray:
        """Terms [B, T, K] of one law from G u - b and |b| + sum(w |density|), both [B, T]."""


def _due(law: Conservation, frames: Frames) -> np.ndarray:
    """b(t) of a law, [B, T]."""
    if frames.known is None:
        if law.total is not None:
            return declared_total(law.total, frames)
        started = frames.start.ndim < frames.truth.ndim  # else it is a mean of training cases
        if started and is_closed(problems.get(frames.problem), law):
            held = np.broadcast_to(frames.start[:, None], frames.truth.shape)
            return integral(law.density, frames, held)
    return integral(law.density, frames, frames.truth)


@final
class ConservationError(_OfLaws):
    """mean over frames of |G u - b| of each case, then the mean over cases. Unit: density x volume."""

    name = "conservation_error"

    def of_frames(self, gap: np.ndarray, size: np.ndarray) -> np.ndarray:
        return np.stack([np.abs(gap), np.ones_like(gap)], axis=-1)

    def value(self, terms: np.ndarray) -> np.ndarray:
        return ratio(terms[..., 0], terms[..., 1])


@final
class ConservationBias(_OfLaws):
    """mean over frames of G u - b of each case, with its sign, then the mean over cases. Unit: density x volume.

    This is the conservation error of Hansen et al. (2023, ICML, arXiv:2302.11002), who take it at one time: errors of
    opposite sign cancel, so that it is never larger than `conservation_error`. The best value is 0.
    """

    name = "conservation_bias"

    def of_frames(self, gap: np.ndarray, size: np.ndarray) -> np.ndarray:
        return np.stack([gap, np.ones_like(gap)], axis=-1)

    def value(self, terms: np.ndarray) -> np.ndarray:
        return ratio(terms[..., 0], terms[..., 1])


@final
class ConservationRelative(_OfLaws):
    """max over frames of |G u - b| / (|b| + sum(w |density|)) of each case, then the mean over cases.

    Without a unit, between 0 and 1: a forecast that keeps the law to rounding scores about 1e-16 times the number of
    cells in float64, and 1e-7 in float32. 0 / 0 counts as 0.
    """

    name = "conservation_relative"
    combine = "max"

    def of_frames(self, gap: np.ndarray, size: np.ndarray) -> np.ndarray:
        share = ratio(np.abs(gap), size)
        return np.where(np.isfinite(share), share, np.inf)[..., None]

    def value(self, terms: np.ndarray) -> np.ndarray:
        return terms[..., 0]
