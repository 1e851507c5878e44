"""Methods that answer with a weighted sum of training cases at the same time, whatever the start frame says."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Self

import numpy as np

from sciflow.baselines.base import Baseline, require_grid
from sciflow.baselines.parameters import ParameterSpace, field_scales, time_scales
from sciflow.core import Forecast, Query
from sciflow.data.query_arrays import forecast_fields

if TYPE_CHECKING:
    from sciflow.data import Dataset


class ParametricBaseline(Baseline):
    """u(t; p) = sum over training cases of weight(p) u(t; training case).

    Fields and times are compared in the characteristic scales of each case, where the data set declares them. Between
    stored times a training case is interpolated linearly; before its first and after its last valid frame it is held.
    Start frames and input fields of a query are not looked at, so it may have none. The training frames are stored
    (float32), so a saved method is as large as they are.
    """

    @abstractmethod
    def weights(self, points: np.ndarray) -> np.ndarray:
        """Weights of the training cases for normalised parameters [Q, P], shape [Q, N]."""

    def fit(self, train: Dataset, valid: Dataset | None = None) -> Self:
        """Store the training cases."""
        space = ParameterSpace.fit(train)
        scales = train.field_scales().astype(np.float32)
        self.arrays = {
            "points": space.encode(train.header),
            "frames": train.array() / scales.reshape(len(train), 1, -1, *[1] * len(train.shape)),
            "times": train.case_times / train.time_scales()[:, None],
            "lengths": train.lengths,
        }
        self.state = {"fields": list(train.fields), "space": space.to_json()}
        return self

    def forecast(self, query: Query) -> Forecast:
        """Weighted sum of the training cases at the query's times."""
        fields = self.state["fields"]
        space = ParameterSpace.from_json(self.state["space"])
        frames = self.arrays["frames"]
        grid = require_grid(query, frames.shape[3:], self.name)
        times = query.times / time_scales(query.context)[:, None]
        weights = self.weights(space.encode(query.context))
        out = np.zeros((query.cases, query.steps, *frames.shape[2:]))
        same, owners = np.unique(weights, axis=0, return_inverse=True)
        for group, row in enumerate(same):
            members = np.flatnonzero(owners.ravel() == group)
            for case in np.flatnonzero(row):
                out[members] += row[case] * self._at(int(case), times[members])
        scales = field_scales(query.context, fields)
        return Forecast(forecast_fields(out * scales.reshape(len(scales), 1, -1, *[1] * len(grid)), query, fields))

    def _at(self, case: int, times: np.ndarray) -> np.ndarray:
        """A training case at any times [Q, T], linear in between."""
        length = int(self.arrays["lengths"][case])
        frames, known = self.arrays["frames"][case, :length], self.arrays["times"][case, :length]
        if length == 1:
            return np.broadcast_to(frames[0], (*times.shape, *frames.shape[1:]))
        place = np.interp(times, known, np.arange(length))
        below = np.minimum(place.astype(int), length - 2)
        part = (place - below).reshape(*times.shape, *[1] * (frames.ndim - 1))
        return (1 - part) * frames[below] + part * frames[below + 1]
