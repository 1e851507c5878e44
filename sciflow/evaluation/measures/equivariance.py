"""How far a forecast of moved frames is from the moved forecast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np

from sciflow.core.errors import InputError
from sciflow.evaluation.measures.base import Frames, Metric, ratio


@final
class EquivarianceError(Metric):
    """||psi F(q) - F(psi q)|| / ||F(q)|| of each case, flow psi and lead time, F(q) being the forecast of a query q.

    A flow moves frame n of a window by n c cells (see `sciflow.evaluation.flows`); where it raises the values of a
    velocity field, the rise is taken off the second forecast again. No truth enters: a method that has the symmetry
    scores 0, however wrong it is. Squares are summed over cells, fields of one unit, frames and starts of a case before
    the root is taken, and the mean over units follows. Rows are the flows; "all" is their mean. Then the mean over
    cases.

    Raises:
        InputError: no flow was asked for.
    """

    name = "equivariance_error"
    relative: ClassVar[bool] = True
    sees_shifts = False

    def rows(self, frames: Frames) -> tuple[str, ...]:
        """The flows."""
        return tuple(frames.flows)

    def units(self, frames: Frames) -> tuple[str, ...]:
        """Each flow stands for itself."""
        return tuple(frames.flows)

    def terms(self, frames: Frames) -> np.ndarray:
        """[B, T, flows, 2 units]: the sums of squares above and below the line for each unit."""
        if not frames.flows:
            raise InputError("it needs flows; leave it out of metrics and give flows, which add it, as equivariance.")
        units = [frames.units.get(name, "") for name in frames.fields]
        return np.stack([of_units(sums, units) for sums in frames.flows.values()], axis=2)

    def value(self, terms: np.ndarray) -> np.ndarray:
        pairs = terms.reshape(*terms.shape[:-1], -1, 2)
        found = np.sqrt(ratio(pairs[..., 0], pairs[..., 1])).mean(axis=-1)
        return np.nan_to_num(found, nan=np.inf, posinf=np.inf)


def of_units(sums: np.ndarray, units: Sequence[str]) -> np.ndarray:
    """Sums [B, T, C, 2] of each field brought together by unit, [B, T, 2 units]."""
    groups = [np.array(units) == unit for unit in dict.fromkeys(units)]
    return np.concatenate([sums[:, :, group].sum(axis=2) for group in groups], axis=-1)
