"""What POD + ridge and POD + Gaussian process share: basis, inputs, choice on validation cases, forecast."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
import xarray as xr

from sciflow.baselines.base import Baseline, last_frame
from sciflow.baselines.parameters import ParameterSpace, field_scales, time_scales
from sciflow.baselines.pod_basis import (
    PodBasis,
    Trajectory,
    case_frames,
    field_deviations,
    frame_spacing,
    sampled,
)
from sciflow.baselines.pod_steps import StepMap, roll, validation_error
from sciflow.core import Forecast, InputError, Query
from sciflow.data.query_arrays import forecast_fields

if TYPE_CHECKING:
    from sciflow.data import Dataset

_SNAPSHOTS = 3000


class PodBaseline(Baseline):
    """Autoregressive map of POD coefficients, one frame spacing at a time.

    Frames are divided by the scales of their case and by the root mean square of each field, then projected on the
    leading modes of the training frames. The map sees the coefficients, the case parameters p and 1/p, and the signals
    at t and t + dt. Variants (rank and, say, ridge) are compared on the validation cases by their NMSE in these scaled
    fields, pooled over frames and averaged over cases: over one step from every frame, or rolled out over ten steps
    from every third frame. Without validation cases, every fifth training case takes their place.
    """

    rank: Sequence[int]
    select: str

    def __init__(self) -> None:
        super().__init__()
        if self.select not in ("one-step", "rollout"):
            raise InputError(f"select must be 'one-step' or 'rollout', not '{self.select}'.")
        if not self.rank or min(self.rank) < 1:
            raise InputError(f"rank must hold positive numbers of modes, not {self.rank}.")

    @abstractmethod
    def _maps(self, train: list[Trajectory], rank: int) -> Iterable[StepMap]:
        """Fit the variants for one rank, always in the same order."""

    @abstractmethod
    def _map(self) -> StepMap:
        """The fitted map, from `state` and `arrays`."""

    def fit(self, train: Dataset, valid: Dataset | None = None) -> Self:
        """Fit all variants on the training cases and keep the one that does best on the validation cases.

        Raises:
            InputError: frames are not equally spaced, or cases are too short.
        """
        self._fit_inputs(train)
        snapshots = sampled(case_frames(train, self.arrays["field_std"]), _SNAPSHOTS)
        basis = PodBasis.fit(snapshots, max(self.rank))
        seen = self._trajectories(train, basis)
        fitted_on, held_out = seen, seen
        if valid is not None and len(valid):
            held_out = self._trajectories(valid, basis)
        elif len(seen) > 1:
            fitted_on, held_out = [case for index, case in enumerate(seen) if index % 5], seen[::5]
        error, rank, index, chosen = self._choose(fitted_on, held_out, len(basis.modes))
        if fitted_on is not seen:
            chosen = list(self._maps(seen, rank))[index]
        state, arrays = chosen.stored()
        missed = np.mean((snapshots - basis.decode(basis.encode(snapshots)[:, :rank])) ** 2, axis=0)
        self.state |= {**state, "rank": rank, "validation_nmse": min(error, 1e300)}
        self.arrays |= {
            **arrays,
            "mean": basis.mean,
            "modes": basis.modes[:rank].astype(np.float32),
            "missed": missed.astype(np.float32),
        }
        return self

    def forecast(self, query: Query) -> Forecast:
        """Project the last context frame, step the coefficients, and rebuild the frames."""
        fields = self.state["fields"]
        last = last_frame(query, fields, self.name)
        self._require_spacing(query)
        shape = last.shape[1:]
        basis = PodBasis(self.arrays["mean"], self.arrays["modes"].astype(np.float64))
        if basis.mean.size != int(np.prod(shape)):
            raise InputError(
                f"The method '{self.name}' was fitted on {basis.mean.size} values per frame, the query has {shape}."
            )
        scale = field_scales(query.context, fields) * self.arrays["field_std"]
        scale = scale.reshape(*scale.shape, *[1] * (last.ndim - 2))
        start = basis.encode((last / scale).reshape(query.cases, -1))
        path, variances = roll(self._map(), start, self._parameters(query.context), self._query_signals(query))
        with np.errstate(over="ignore", invalid="ignore"):
            frames = basis.decode(path).reshape(query.cases, query.steps, *shape) * scale[:, None]
            mean = forecast_fields(frames, query, fields)
            if variances is None:
                return Forecast(mean)
            spread = (variances @ basis.modes**2 + self.arrays["missed"]).reshape(frames.shape) * scale[:, None] ** 2
        return Forecast(mean, variance=forecast_fields(spread, query, fields))

    def _choose(
        self, fitted_on: list[Trajectory], held_out: list[Trajectory], modes: int
    ) -> tuple[float, int, int, StepMap]:
        """Error, rank, position and map of the variant with the lowest validation error."""
        best: tuple[float, int, int, StepMap] | None = None
        for rank in sorted({min(rank, modes) for rank in self.rank}):
            for index, candidate in enumerate(self._maps(fitted_on, rank)):
                error = validation_error(candidate, held_out, rank, self.select)
                if best is None or error < best[0]:
                    best = error, rank, index, candidate
        assert best is not None  # there is at least one rank and one variant
        return best

    def _fit_inputs(self, train: Dataset) -> None:
        """Scales of fields, parameters and signals."""
        space = ParameterSpace.fit(train)
        inverse = []
        for name in space.names:
            column = np.asarray(train.header[name].values, np.float64)
            if column.min() * column.max() > 0:  # 1/p is only of use away from 0
                inverse.append([name, float((1 / column).min()), float((1 / column).max())])
        self.state = {
            "fields": list(train.fields),
            "signals": list(train.signals),
            "space": space.to_json(),
            "inverse": inverse,
            "spacing": frame_spacing(train),
        }
        values = np.concatenate(_signals(train))
        self.arrays = {
            "field_std": field_deviations(train),
            "signal_mean": values.mean(axis=0),
            "signal_std": np.maximum(values.std(axis=0), 1e-12),
        }

    def _parameters(self, cases: xr.Dataset) -> np.ndarray:
        """p (logarithmic where declared) and 1/p, each mapped to [-1, 1] over the training range, [case, P]."""
        space = ParameterSpace.from_json(self.state["space"])
        columns = list(2 * space.encode(cases).T - 1)
        for name, low, high in self.state["inverse"]:
            columns.append(2 * (1 / np.asarray(cases[name].values, np.float64) - low) / (high - low) - 1)
        return np.stack(columns, axis=1) if columns else np.zeros((cases.sizes["case"], 0))

    def _query_signals(self, query: Query) -> np.ndarray:
        """Scaled signals from the last context frame on, [case, steps + 1, G]."""
        missing = [name for name in self.state["signals"] if name not in query.signals]
        if missing:
            raise InputError(f"The query lacks the signal '{missing[0]}' that the method was fitted on.")
        first = query.context_times.shape[1] - 1
        values = [np.asarray(query.signals[name], np.float64)[:, first:] for name in self.state["signals"]]
        empty = np.zeros((query.cases, query.steps + 1, 0))
        return self._scaled(np.stack(values, axis=-1)) if values else empty

    def _scaled(self, signals: np.ndarray) -> np.ndarray:
        return (signals - self.arrays["signal_mean"]) / self.arrays["signal_std"]

    def _trajectories(self, dataset: Dataset, basis: PodBasis) -> list[Trajectory]:
        parameters, signals = self._parameters(dataset.header), _signals(dataset)
        out = []
        for index, frames in enumerate(case_frames(dataset, self.arrays["field_std"])):
            coefficients = basis.encode(frames)
            missed = np.sum((frames - basis.decode(coefficients)) ** 2, axis=-1)
            energy = np.sum(frames**2, axis=-1)
            out.append(Trajectory(coefficients, missed, energy, self._scaled(signals[index]), parameters[index]))
        return out

    def _require_spacing(self, query: Query) -> None:
        times = np.concatenate([query.context_times[:, -1:], query.times], axis=1)
        gaps = np.diff(times, axis=1) / time_scales(query.context)[:, None]
        spacing = self.state["spacing"]
        wrong = np.abs(gaps - spacing)
        if wrong.max() > 1e-2 * spacing:
            raise InputError(
                f"The method '{self.name}' steps by the spacing of its training frames, {spacing:.6g}; the query asks "
                f"for {gaps.flat[wrong.argmax()]:.6g}."
            )


def _signals(dataset: Dataset) -> list[np.ndarray]:
    """Signals of each case at its valid frames, [T, G] each."""
    return [case[: int(length)] for case, length in zip(dataset.signal_values(), dataset.lengths, strict=True)]
