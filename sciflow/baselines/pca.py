"""Maps from principal components of the inputs to POD coefficients of whole cases."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, final

import numpy as np
import xarray as xr

from sciflow.baselines.base import Baseline, require_grid
from sciflow.baselines.parameters import ParameterSpace, field_scales, time_scales
from sciflow.baselines.pod_basis import PodBasis, field_deviations
from sciflow.baselines.pod_steps import StepMap
from sciflow.baselines.space_time import at_times, require_shared_times, whole_cases
from sciflow.core import Forecast, InputError, Query
from sciflow.data.query_arrays import forecast_fields, input_array
from sciflow.data.schema import space_of

if TYPE_CHECKING:
    from sciflow.data import Dataset


@final
@dataclass(frozen=True, eq=False)
class Known:
    """Cases as a map sees them: components of the inputs [N, R_in], parameters [N, P], and their vectors [N, D]."""

    components: np.ndarray
    parameters: np.ndarray
    frames: np.ndarray


class PcaBaseline(Baseline):
    """a = f(z, p): from components z of the input fields and case parameters p to the POD coefficients of a whole case.

    A case is one vector, all its frames and fields, so all cases must have the same times; fields are divided by their
    scales and root mean square first, input fields standardised. Parameters are mapped to [-1, 1] (logarithmic where
    declared). Variants (ranks and, say, ridge) are compared on the validation cases by their NMSE in these scaled
    fields, averaged over cases. Without validation cases, every fifth training case takes their place. Start frames and
    signals of a query are not used. At other times than those of the training cases answers are interpolated linearly
    and held beyond their ends.
    """

    rank: Sequence[int]
    input_rank: Sequence[int]

    def __init__(self) -> None:
        super().__init__()
        for name in ("rank", "input_rank"):
            if not getattr(self, name) or min(getattr(self, name)) < 1:
                raise InputError(f"{name} must hold positive numbers of directions, not {getattr(self, name)}.")

    @abstractmethod
    def _maps(self, components: np.ndarray, parameters: np.ndarray, coefficients: np.ndarray) -> Iterable[StepMap]:
        """Fit the variants for inputs [N, R_in], [N, P] and coefficients [N, R], always in the same order."""

    @abstractmethod
    def _map(self) -> StepMap:
        """The fitted map, from `state` and `arrays`."""

    def fit(self, train: Dataset, valid: Dataset | None = None) -> Self:
        """Fit all variants on the training cases and keep the one that does best on the validation cases.

        Raises:
            InputError: times differ by case, there are fewer than two cases, or they differ in nothing that is known.
        """
        times = require_shared_times(train, self.name)
        self._fit_inputs(train)
        self.arrays |= {"times": times, "field_std": field_deviations(train)}
        seen = self._known(train)
        fitted_on, held_out = seen, seen
        if valid is not None and len(valid):
            held_out = self._known(valid)
        elif len(train) > 4:
            kept = np.arange(len(train)) % 5 > 0
            fitted_on, held_out = (
                Known(seen.components[part], seen.parameters[part], seen.frames[part]) for part in (kept, ~kept)
            )
        basis = PodBasis.fit(seen.frames, max(self.rank))
        error, rank, used, index = self._choose(fitted_on, held_out, basis)
        chosen = list(self._maps(seen.components[:, :used], seen.parameters, basis.encode(seen.frames)))[index]
        state, arrays = chosen.stored()
        # Cases that took part in a basis are missed less by it than new ones.
        other = PodBasis.fit(fitted_on.frames, rank) if fitted_on is not seen else basis
        left = held_out.frames - other.decode(other.encode(held_out.frames)[:, :rank])
        self.state |= {**state, "rank": rank, "used": used, "validation_nmse": error}
        self.arrays |= {
            **arrays,
            "mean": basis.mean,
            "modes": np.ascontiguousarray(basis.modes[:rank], np.float32),
            "missed": np.mean(left**2, axis=0).astype(np.float32),
        }
        return self

    def forecast(self, query: Query) -> Forecast:
        """Coefficients from the query's inputs and parameters, frames from the coefficients."""
        fields = self.state["fields"]
        grid = require_grid(query, self.state["grid"], self.name)
        components = self._components(input_array(query.context, self.state["inputs"], space_of(query.context)))
        found, spread = self._map()(components[:, : self.state["used"]], self._parameters(query.context))
        rank, times = self.state["rank"], self.arrays["times"]
        asked = query.times / time_scales(query.context)[:, None]
        scale = field_scales(query.context, fields) * self.arrays["field_std"]
        scale = scale.reshape(query.cases, 1, len(fields), *[1] * len(grid))
        modes = self.arrays["modes"].astype(np.float64)

        def frames(vectors: np.ndarray) -> np.ndarray:
            return at_times(vectors.reshape(query.cases, len(times), len(fields), *grid), times, asked)

        mean = frames(self.arrays["mean"] + found[:, :rank] @ modes) * scale
        if spread is None:
            return Forecast(forecast_fields(mean, query, fields))
        variance = frames(spread[:, :rank] @ modes**2 + self.arrays["missed"]) * scale**2
        return Forecast(forecast_fields(mean, query, fields), variance=forecast_fields(variance, query, fields))

    def _choose(self, fitted_on: Known, held_out: Known, basis: PodBasis) -> tuple[float, int, int, int]:
        """Validation error, rank, number of input components and position of the best variant."""
        real = basis.encode(held_out.frames)
        energy = np.maximum(np.sum(held_out.frames**2, axis=1), np.finfo(float).tiny)
        missed = np.sum((held_out.frames - basis.decode(real)) ** 2, axis=1)
        targets = basis.encode(fitted_on.frames)
        best = (np.inf, 0, 0, 0)
        for used in sorted({min(used, fitted_on.components.shape[1]) for used in self.input_rank}):
            maps = self._maps(fitted_on.components[:, :used], fitted_on.parameters, targets)
            for index, candidate in enumerate(maps):
                found, _ = candidate(held_out.components[:, :used], held_out.parameters)
                for rank in sorted({min(rank, len(basis.modes)) for rank in self.rank}):
                    wrong = np.sum((found - real)[:, :rank] ** 2, axis=1) + np.sum(real[:, rank:] ** 2, axis=1) + missed
                    error = float(np.mean(wrong / energy))
                    if error < best[0]:
                        best = error, rank, used, index
        return best

    def _fit_inputs(self, train: Dataset) -> None:
        """Parameters, and principal components of the input fields; sets `state` and `arrays` anew."""
        space = ParameterSpace.fit(train)
        self.state = {
            "fields": list(train.fields),
            "inputs": list(train.inputs),
            "grid": list(train.shape),
            "space": space.to_json(),
        }
        values = train.input_values().astype(np.float64)
        others = (0, *range(2, values.ndim))
        centre = values.mean(axis=others)
        deviation = values.std(axis=others)
        deviation[deviation <= 1e-12 * np.maximum(np.abs(centre), 1e-300)] = 1.0
        self.arrays = {"input_centre": centre, "input_std": deviation}
        vectors = self._standardised(values)
        basis = PodBasis.fit(vectors, max(self.input_rank)) if vectors.size and np.ptp(vectors, axis=0).any() else None
        if len(train) < 2 or (basis is None and not space.names):
            raise InputError(
                f"The method '{self.name}' needs two or more training cases that differ in input fields or parameters."
            )
        empty = np.zeros((0, vectors.shape[1]))
        self.arrays["input_mean"] = vectors.mean(axis=0) if basis is None else basis.mean
        self.arrays["input_modes"] = np.ascontiguousarray(empty if basis is None else basis.modes, np.float32)

    def _standardised(self, inputs: np.ndarray) -> np.ndarray:
        shape = (1, -1, *[1] * (inputs.ndim - 2))
        centred = inputs - self.arrays["input_centre"].reshape(shape)
        return (centred / self.arrays["input_std"].reshape(shape)).reshape(len(inputs), -1)

    def _components(self, inputs: np.ndarray) -> np.ndarray:
        modes = self.arrays["input_modes"].astype(np.float64)
        return (self._standardised(inputs) - self.arrays["input_mean"]) @ modes.T

    def _parameters(self, cases: xr.Dataset) -> np.ndarray:
        return 2 * ParameterSpace.from_json(self.state["space"]).encode(cases) - 1

    def _known(self, dataset: Dataset) -> Known:
        frames = whole_cases(dataset, self.arrays["field_std"])
        return Known(self._components(dataset.input_values()), self._parameters(dataset.header), frames)


def leading_size(components: np.ndarray) -> float:
    """Standard deviation of the first component, by which all are divided so that they keep their proportions."""
    return float(components[:, 0].std()) or 1.0 if components.shape[1] else 1.0
