"""The tasks: what a method is given, what it is asked for, and which reference its errors are held against.

==============  ================================================  ====================================================
``forecast``    start frames, case parameters                     the frames of each horizon; reference: persistence
``parametric``  case parameters and times                         all frames of a case; reference: the training mean
``map``         input fields (Darcy: the coefficient)             the solution; reference: the training mean
``condition``   scattered observations of the fields              all frames, and a variance; reference: training mean
==============  ================================================  ====================================================
"""

from __future__ import annotations

import math
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
Layout = Literal["scattered", "lattice"]


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

    def truth(self, part: Dataset, starts: Sequence[int], steps: int) -> xr.Dataset:
        """The true frames of what `ask` with the same arguments asks for."""
        from sciflow.data import truth

        return truth(part, starts, self.frames_in, steps, step=self.step)


@final
@dataclass(frozen=True)
class FieldTask:
    """Give every frame of a case without having seen one: from parameters, input fields, or observations.

    Attributes:
        kind: "parametric", "map" or "condition".
        points: observations of each case (condition).
        noise: standard deviation of their error, relative to that of the observed field over the case.
        seed: of cells, times and errors; each case draws from its own.
        at: increasing times in seconds (condition); the frame nearest to each is asked for, instead of all frames. They
            may lie outside a case's frames by half the distance of its outermost two.
        layout: where observations lie (condition): "scattered", at cells and times drawn without replacement, or
            "lattice", sqrt(points) frames, one drawn from each of as many equal parts of the case, times sqrt(points)
            cells, the same in all of these frames and drawn without replacement.

    Raises:
        InputError: the points of a lattice are no square number, or the times are not finite and increasing; or, when
            asked, a case has no frame near one of the times.
    """

    kind: Kind
    points: int = 64
    noise: float = 0.0
    seed: int = 0
    at: tuple[float, ...] = ()
    layout: Layout = "scattered"
    frames_in: ClassVar[int] = 0
    step: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.layout == "lattice" and math.isqrt(self.points) ** 2 != self.points:
            raise InputError(f"A lattice has as many times as places, so points must be a square, not {self.points}.")
        if not np.isfinite(self.at).all() or (np.diff(self.at) <= 0).any():
            raise InputError(f"The times of a task must be finite and increasing, not {list(self.at)}.")

    def horizons_on(self, dataset: Dataset) -> tuple[Horizon, ...]:
        """All frames that every case has, from the first on, or as many as times are asked for.

        Raises:
            InputError: the data set lacks what the task is about.
        """
        if self.kind == "map" and not dataset.inputs:
            raise InputError("The task 'map' needs a data set with an input field, such as that of 'darcy'.")
        if self.kind == "parametric" and not dataset.parameters:
            raise InputError("The task 'parametric' needs a data set with case parameters; this one has none.")
        lengths = dataset.lengths
        # So wide a stride leaves one start.
        return (Horizon(steps=len(self.at) or int(lengths.min()), stride=int(lengths.max())),)

    def ask(self, part: Dataset, starts: Sequence[int], steps: int) -> Query:
        """The query for all frames of each case, or those nearest to the times asked for."""
        from sciflow.data import query, truth
        from sciflow.data.queries import at_frames

        whole = int(part.lengths.min()) if self.at else steps
        asked = query(part, starts, 0, whole)
        if self.kind == "condition":
            asked = replace(asked, observations=self._observed(asked, truth(part, starts, 0, whole)))
        return at_frames(asked, self._frames(asked.times)) if self.at else asked

    def truth(self, part: Dataset, starts: Sequence[int], steps: int) -> xr.Dataset:
        """The true frames of what `ask` with the same arguments asks for."""
        from sciflow.data import truth
        from sciflow.data.queries import frames_of_cases

        if not self.at:
            return truth(part, starts, 0, steps)
        whole = int(part.lengths.min())
        times = part.case_times[np.arange(len(part)), :whole]
        return frames_of_cases(truth(part, starts, 0, whole), self._frames(times))

    def mean_frames(self, train: Dataset, case: int, steps: int) -> np.ndarray:
        """Numbers of the frames of a training case that stand for those that the task asks for."""
        length = int(train.lengths[case])
        return self._frames(train.case_times[case, None, :length])[0] if self.at else np.arange(min(length, steps))

    def _frames(self, times: np.ndarray) -> np.ndarray:
        """Frames [case, times asked for] nearest to the times asked for, of frames at `times` [case, T].

        Raises:
            InputError: a time lies outside of the frames of a case by more than half a frame.
        """
        gaps = np.diff(times, axis=1) if times.shape[1] > 1 else np.zeros((len(times), 1))
        slack = 1e-9 * np.abs(times).max(axis=1)  # rounding
        low, high = times[:, 0] - gaps[:, 0] / 2 - slack, times[:, -1] + gaps[:, -1] / 2 + slack
        for time in self.at:
            if (missed := np.flatnonzero((time < low) | (time > high))).size:
                first, last = times[missed[0], [0, -1]]
                raise InputError(
                    f"The task asks for the time {time:g} s, but the data have a case with frames from {first:g} to "
                    f"{last:g} s; ask for times in between."
                )
        return np.abs(times[:, None] - np.asarray(self.at)[:, None]).argmin(axis=-1)

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
            chosen = np.unravel_index(self._places(fluid, rng, int(case)), fluid.shape)
            rows["t"].append(places[0][index][chosen[0]])
            for axis, points, position in zip(axes, places[1:], chosen[1:], strict=True):
                rows[axis].append(points[position])
            for name, field in zip(fields, values[index], strict=True):
                error = self.noise * field[fluid].std() * rng.standard_normal(self.points)
                rows[name].append(field[chosen] + error)
        if frames.sizes["time"] == 1:
            del rows["t"]
        return xr.Dataset({name: (("case", "point"), np.stack(column)) for name, column in rows.items()})

    def _places(self, fluid: np.ndarray, rng: np.random.Generator, case: int) -> np.ndarray:
        """Numbers of the points observed among those of all frames of a case, [T, *S], the fluid ones of them given."""
        if self.layout == "scattered":
            free = np.flatnonzero(fluid)
            if len(free) < self.points:
                raise InputError(f"Case {case} has {len(free)} points; ask for at most so many observations.")
            return rng.choice(free, self.points, replace=False)
        side, cells = math.isqrt(self.points), np.flatnonzero(fluid[0])
        if min(len(fluid), len(cells)) < side:
            raise InputError(
                f"A lattice of {self.points} observations needs {side} frames and {side} cells; case {case} has "
                f"{len(fluid)} and {len(cells)}."
            )
        edges = np.linspace(0, len(fluid), side + 1).astype(int)
        frames = rng.integers(edges[:-1], edges[1:])
        places = np.sort(rng.choice(cells, side, replace=False))
        return (frames[:, None] * fluid[0].size + places).ravel()


EvaluationTask = ForecastTask | FieldTask


def training_mean(train: Dataset, task: EvaluationTask, steps: int) -> np.ndarray | None:
    """Mean of the frames that a task asks for over the training cases, [T, C, \\*S]; None for a forecast.

    These are the first `steps` frames, or those at the task's times; a forecast is held against persistence. Fields are
    taken in the characteristic scales of each case, as by the baseline "mean". A frame is averaged over the cases that
    are as long; after the last of them its mean is held.
    """
    if isinstance(task, ForecastTask):
        return None
    total = np.zeros((steps, len(train.fields), *train.shape))
    counts = np.zeros(steps)
    scales = train.field_scales().reshape(len(train), len(train.fields), *[1] * len(train.shape))
    for position, (case, scale) in enumerate(zip(train.cases, scales, strict=True)):
        frames = task.mean_frames(train, position, steps)
        values = train.select([int(case)]).array(times=slice(0, int(frames.max()) + 1))[0]
        total[: len(frames)] += values[frames] / scale
        counts[: len(frames)] += 1
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
