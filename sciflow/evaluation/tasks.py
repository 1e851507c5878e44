"""The tasks: what a method is given, what it is asked for, and which reference its errors are held against.

==============  ================================================  ====================================================
``forecast``    start frames, case parameters                     the frames of each horizon; reference: persistence
``parametric``  case parameters and times                         all frames of a case; reference: the training mean
``map``         input fields (Darcy: the coefficient)             the solution; reference: the training mean
``condition``   scattered observations of the fields              all frames, and a variance; reference: training mean
==============  ================================================  ====================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal, final

import numpy as np

from sciflow.core import InputError, Query
from sciflow.evaluation.horizon import Horizon

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.data import Dataset

Kind = Literal["parametric", "map", "condition"]


@final
@dataclass(frozen=True)
class ForecastTask:
    """Forecast `horizons` from `frames_in` context frames; context frames are never scored.

    Attributes:
        step: frames of the data from one context or forecast frame to the next: prediction k is held against frame
            k step after the last context frame.
    """

    horizons: tuple[Horizon, ...] = (Horizon(steps=1), Horizon(steps=10, stride=3))
    frames_in: int = 1
    step: int = 1
    kind: ClassVar[str] = "forecast"

    def horizons_on(self, dataset: Dataset) -> tuple[Horizon, ...]:
        """The horizons, whatever the data set."""
        return self.horizons

    def ask(self, part: Dataset, starts: Sequence[int], steps: int) -> Query:
        """The query for the frames after the context, from each start of each case."""
        from sciflow.data import query

        return query(part, starts, self.frames_in, steps, step=self.step)


@final
@dataclass(frozen=True)
class FieldTask:
    """Give every frame of a case without having seen one: from parameters, input fields, or observations.

    Attributes:
        kind: "parametric", "map" or "condition".
        points: observations of each case (condition), at cells and times drawn without replacement.
        noise: standard deviation of their error, relative to that of the observed field over the case.
        seed: of cells, times and errors; each case draws from its own.
    """

    kind: Kind
    points: int = 64
    noise: float = 0.0
    seed: int = 0
    frames_in: ClassVar[int] = 0
    step: ClassVar[int] = 1

    def horizons_on(self, dataset: Dataset) -> tuple[Horizon, ...]:
        """All frames that every case has, from the first on.

        Raises:
            InputError: the data set lacks what the task is about.
        """
        if self.kind == "map" and not dataset.inputs:
            raise InputError("The task 'map' needs a data set with an input field, such as that of 'darcy'.")
        if self.kind == "parametric" and not dataset.parameters:
            raise InputError("The task 'parametric' needs a data set with case parameters; this one has none.")
        lengths = dataset.lengths
        return (Horizon(steps=int(lengths.min()), stride=int(lengths.max())),)  # so wide a stride leaves one start

    def ask(self, part: Dataset, starts: Sequence[int], steps: int) -> Query:
        """The query for all frames of each case."""
        from sciflow.data import query, truth

        asked = query(part, starts, 0, steps)
        if self.kind != "condition":
            return asked
        return replace(asked, observations=self._observed(asked, truth(part, starts, 0, steps)))

    def _observed(self, asked: Query, frames: xr.Dataset) -> xr.Dataset:
        """Dims (case, point): one variable for each field and each coordinate."""
        import xarray as xr

        fields = [str(name) for name in frames.data_vars]
        axes = [axis for axis in ("z", "y", "x") if axis in frames.dims]
        values = np.stack([frames[name].transpose("case", "time", *axes).values for name in fields], axis=1)
        mask = asked.context["mask"].values if "mask" in asked.context else np.ones(values.shape[3:], bool)
        places = [asked.times, *(np.asarray(asked.context[axis].values, np.float64) for axis in axes)]
        rows: dict[str, list[np.ndarray]] = {name: [] for name in ("t", *axes, *fields)}
        for index, case in enumerate(asked.context["source_case"].values):
            rng = np.random.default_rng([self.seed, int(case)])
            fluid = np.broadcast_to(mask if mask.ndim == len(axes) else mask[index], values.shape[2:])
            free = np.flatnonzero(fluid)
            if len(free) < self.points:
                raise InputError(f"Case {case} has {len(free)} points; ask for at most so many observations.")
            chosen = np.unravel_index(rng.choice(free, self.points, replace=False), fluid.shape)
            rows["t"].append(places[0][index][chosen[0]])
            for axis, points, position in zip(axes, places[1:], chosen[1:], strict=True):
                rows[axis].append(points[position])
            for name, field in zip(fields, values[index], strict=True):
                error = self.noise * field[fluid].std() * rng.standard_normal(self.points)
                rows[name].append(field[chosen] + error)
        if frames.sizes["time"] == 1:
            del rows["t"]
        return xr.Dataset({name: (("case", "point"), np.stack(column)) for name, column in rows.items()})


EvaluationTask = ForecastTask | FieldTask


def training_mean(train: Dataset, task: EvaluationTask, steps: int) -> np.ndarray | None:
    """Mean of the first `steps` frames over the training cases, [T, C, \\*S]; None if persistence is the reference.

    Fields are taken in the characteristic scales of each case, as by the baseline "mean". A frame is averaged over the
    cases that are as long; after the last of them its mean is held.
    """
    if task.kind == "forecast":
        return None
    total = np.zeros((steps, len(train.fields), *train.shape))
    counts = np.zeros(steps)
    scales = train.field_scales().reshape(len(train), len(train.fields), *[1] * len(train.shape))
    for case, length, scale in zip(train.cases, train.lengths, scales, strict=True):
        own = min(int(length), steps)
        total[:own] += train.select([int(case)]).array(times=slice(0, own))[0] / scale
        counts[:own] += 1
    last = np.minimum(np.arange(steps), int(counts.nonzero()[0][-1]))
    return (total / np.maximum(counts, 1).reshape(-1, *[1] * (total.ndim - 1)))[last]


def on_grid(reference: np.ndarray, train: Dataset, dataset: Dataset) -> np.ndarray:
    """The training mean on the grid of another data set of the same domain."""
    from sciflow.baselines.coarse import apply, resampling

    if reference.shape[2:] == dataset.shape:
        return reference
    matrices = [
        resampling(
            np.asarray(train.header[axis].values, np.float64),
            np.asarray(dataset.header[axis].values, np.float64),
            periodic=axis in train.periodic,
        )
        for axis in train.space
    ]
    return np.asarray(apply(matrices, reference))
