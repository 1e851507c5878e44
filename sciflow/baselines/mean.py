"""The mean training case: the reference where there is no start frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, final

import numpy as np

from sciflow.baselines.base import Baseline, require_grid
from sciflow.baselines.parameters import field_scales, time_scales
from sciflow.baselines.pod_basis import case_frames
from sciflow.baselines.space_time import in_time, shared_times
from sciflow.core import Forecast, Query
from sciflow.data.query_arrays import forecast_fields

if TYPE_CHECKING:
    from sciflow.data import Dataset


@final
class MeanField(Baseline):
    """u(s, t) = mean of the training cases at s and t, with their variance; nothing of the query but its times is used.

    Where times differ by case, the mean is over all frames. Fields and times are compared in the characteristic scales
    of each case. Between times mean and variance are interpolated linearly and held beyond the first and the last. The
    variance is that of a new case: of the training cases, times 1 + 1 / (number of cases).
    """

    name = "mean"

    def fit(self, train: Dataset, valid: Dataset | None = None) -> Self:
        """Mean and variance of the training cases."""
        times = shared_times(train)
        shape = (len(train.fields), *train.shape)
        groups = [frames[:, None] if times is not None else frames[None] for frames in case_frames(train)]
        mean = np.mean([frames.mean(axis=1) for frames in groups], axis=0)
        squares = np.mean([((frames - mean[:, None]) ** 2).mean(axis=1) for frames in groups], axis=0)
        count = len(groups)
        variance = squares * (count + 1) / max(count - 1, 1)
        self.arrays = {
            "mean": mean.reshape(len(mean), *shape),
            "variance": variance.reshape(len(mean), *shape),
            "times": np.zeros(1) if times is None else times,
        }
        self.state = {"fields": list(train.fields), "cases": count}
        return self

    def forecast(self, query: Query) -> Forecast:
        """Mean and variance at the query's times."""
        fields = self.state["fields"]
        grid = require_grid(query, self.arrays["mean"].shape[2:], self.name)
        weights = in_time(self.arrays["times"], query.times / time_scales(query.context)[:, None])
        scale = field_scales(query.context, fields).reshape(query.cases, 1, len(fields), *[1] * len(grid))
        mean = np.tensordot(weights, self.arrays["mean"], 1) * scale
        if self.state["cases"] < 2:
            return Forecast(forecast_fields(mean, query, fields))
        variance = np.tensordot(weights, self.arrays["variance"], 1) * scale**2
        return Forecast(forecast_fields(mean, query, fields), variance=forecast_fields(variance, query, fields))
