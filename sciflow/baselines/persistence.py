"""Persistence: nothing changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, final

import numpy as np

from sciflow.baselines.base import Baseline, field_names, last_frame
from sciflow.core import Forecast, Query
from sciflow.data.query_arrays import forecast_fields

if TYPE_CHECKING:
    from sciflow.data import Dataset


@final
class Persistence(Baseline):
    """u(t) = u(t0) for all later t: the last context frame is held. The zero of every skill score."""

    name = "persistence"
    learns = False

    def fit(self, train: Dataset, valid: Dataset | None = None) -> Self:
        """Nothing to learn."""
        return self

    def forecast(self, query: Query) -> Forecast:
        """The last context frame, once for each time asked for."""
        fields = field_names(query.context)
        last = last_frame(query, fields, self.name)[:, None]
        return Forecast(forecast_fields(np.repeat(last, query.steps, axis=1), query, fields))
