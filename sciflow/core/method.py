"""Method, Query and Forecast: the contract between everything that predicts and everything that evaluates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self, final

from sciflow.core.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from sciflow.data import Dataset


@final
@dataclass(frozen=True, eq=False)
class Query:
    """What is asked of a method: what is known of some cases (start frames, inputs, parameters), and the times wanted.

    With T_in = 0 nothing is known of the fields at any time: they follow from input fields (a map), from parameters and
    time alone, or from observations. The context then still names the fields, with a dimension ``time`` of size 0.

    Attributes:
        context: dims (case, time, \\*space), the T_in start frames of every field in physical units. Input fields are
            variables (case, \\*space) with the attribute ``role="input"``. Case parameters and signal coefficients are
            coordinates on ``case``; a static ``mask`` (True = fluid) is there if the problem has one, and ``known``
            (True = boundary data) if some cells are given at all times; space coordinates in tensor order (z, y, x);
            no time coordinate.
        context_times: (case, T_in) float64, seconds.
        times: (case, T_out) float64, seconds: the frames asked for.
        signals: name -> (case, T_in + T_out), values of time-dependent boundary data at ``context_times``, then at
            ``times``.
        observations: dims (case, point), values at scattered points: one variable for each field, which may carry
            noise, and one for each coordinate (``x``, ``y``, ... and, unless the problem is steady, ``t``).
        known: dims (case, time, \\*space), every field at ``times``: boundary data where they are given, NaN elsewhere.
            A forecast that steps through time puts them into each of its frames; these cells are never scored.

    Raises:
        InputError: the parts disagree in their fields, cases or frames, or the observations lack a coordinate or hold
            NaN.
    """

    context: xr.Dataset
    context_times: np.ndarray
    times: np.ndarray
    signals: dict[str, np.ndarray] = field(default_factory=dict)
    observations: xr.Dataset | None = None
    known: xr.Dataset | None = None

    def __post_init__(self) -> None:
        sizes = self.context.sizes
        missing = [dim for dim in ("case", "time") if dim not in sizes]
        if missing:
            raise InputError(f"A query's context needs the dimensions case and time; {missing[0]} is missing.")
        cases, frames = sizes["case"], sizes["time"]
        if self.context_times.shape != (cases, frames):
            raise InputError(
                f"A query's context_times must have the shape {(cases, frames)} of its context, "
                f"not {self.context_times.shape}."
            )
        if self.times.ndim != 2 or self.times.shape[0] != cases:
            raise InputError(f"A query's times must have the shape ({cases}, frames), not {self.times.shape}.")
        expected = (cases, frames + self.times.shape[1])
        for name, values in self.signals.items():
            if values.shape != expected:
                raise InputError(
                    f"The signal '{name}' of a query must have the shape {expected} (context frames, then the frames "
                    f"asked for), not {values.shape}."
                )
        if self.observations is not None:
            _require_observations(self.observations, self.context)
        if self.known is not None:
            _require_known(self.known, self.context, self.steps)

    @property
    def cases(self) -> int:
        """Number of cases."""
        return int(self.context.sizes["case"])

    @property
    def steps(self) -> int:
        """T_out, the number of frames asked for."""
        return int(self.times.shape[1])


def _require_known(known: xr.Dataset, context: xr.Dataset, steps: int) -> None:
    """Raise unless known values have the fields, cases and grid of a context, and the frames asked for."""
    for name, values in context.data_vars.items():
        if "time" not in values.dims:
            continue
        if name not in known:
            raise InputError(f"The known values of a query lack the field '{name}'; give NaN where it is not known.")
        expected = {**values.sizes, "time": steps}
        if dict(known[name].sizes) != expected:
            raise InputError(
                f"The known values of the field '{name}' have the sizes {dict(known[name].sizes)}, not {expected}."
            )


def _require_observations(observations: xr.Dataset, context: xr.Dataset) -> None:
    """Raise unless observations have the cases, fields and coordinates of a context, and numbers in all of them."""
    import numpy as np

    fields = [str(name) for name, values in context.data_vars.items() if "time" in values.dims]
    axes = [str(dim) for name in fields[:1] for dim in context[name].dims if dim not in ("case", "time")]
    for name in [*fields, *axes, *(["t"] if "t" in observations.variables else [])]:
        if name not in observations.variables:
            kind = "field" if name in fields else "coordinate"
            raise InputError(f"A query's observations lack the {kind} '{name}'; give its value at each point.")
        values = observations[name]
        if values.dims != ("case", "point"):
            raise InputError(
                f"The observations '{name}' of a query must have the dimensions (case, point), not {values.dims}."
            )
        if not np.isfinite(values.values).all():
            raise InputError(f"The observations '{name}' of a query hold NaN or infinity; leave out these points.")
    others = [str(name) for name in observations.data_vars if name not in (*fields, *axes, "t")]
    if others:
        raise InputError(f"A query's observations hold '{others[0]}', which is no field or coordinate of its context.")
    if observations.sizes["case"] != context.sizes["case"]:
        raise InputError(
            f"A query has {context.sizes['case']} cases, but its observations {observations.sizes['case']}; make them "
            "equal."
        )


@final
@dataclass(frozen=True, eq=False)
class Forecast:
    """What a method answers, in physical units; the context frames are never part of it.

    Attributes:
        mean: dims (case, time, \\*space), the fields only, T_out frames.
        variance: the same dims and fields, in squared units.
        members: samples or ensemble members, with an extra leading dimension ``member``.
        member_variance: the variance of each member, dims as ``members``: the forecast is the equally weighted mixture
            of these Gaussians, whose whole variance (mean of theirs plus spread of the members) is ``variance``.
        factor: low-rank covariance factor A, with an extra leading dimension ``rank``: the covariance is ``A^T A``, and
            where ``variance`` is given too, which is always the whole one, its diagonal is raised to that.

    Raises:
        InputError: a part has other fields or sizes than the mean.
    """

    mean: xr.Dataset
    variance: xr.Dataset | None = None
    members: xr.Dataset | None = None
    factor: xr.Dataset | None = None
    member_variance: xr.Dataset | None = None

    def __post_init__(self) -> None:
        parts = {
            "variance": (self.variance, None),
            "members": (self.members, "member"),
            "factor": (self.factor, "rank"),
            "member_variance": (self.member_variance, "member"),
        }
        for part, (dataset, extra) in parts.items():
            if dataset is None:
                continue
            if set(dataset.data_vars) != set(self.mean.data_vars):
                given = sorted(map(str, dataset.data_vars))
                raise InputError(
                    f"The {part} of a forecast must hold the fields of its mean, {sorted(self.fields)}, not {given}."
                )
            sizes = {dim: size for dim, size in dataset.sizes.items() if dim != extra}
            if sizes != dict(self.mean.sizes) or (extra is not None and extra not in dataset.sizes):
                lead = f" and a dimension {extra}" if extra else ""
                raise InputError(
                    f"The {part} of a forecast must have the sizes of its mean, {dict(self.mean.sizes)}{lead}, "
                    f"not {dict(dataset.sizes)}."
                )
        if self.member_variance is not None and (
            self.members is None or self.members.sizes["member"] != self.member_variance.sizes["member"]
        ):
            raise InputError("The member_variance of a forecast needs as many members beside it; give both.")

    @property
    def fields(self) -> list[str]:
        """Names of the fields."""
        return [str(name) for name in self.mean.data_vars]

    @property
    def cases(self) -> int:
        """Number of cases."""
        return int(self.mean.sizes["case"])

    @property
    def steps(self) -> int:
        """Number of frames."""
        return int(self.mean.sizes["time"])


class Method(ABC):
    """Anything that predicts: a network, a classical baseline, a reference solver, a saved prediction.

    Normalisation, devices and batching live inside; outside everything is in physical units.
    """

    name: str = ""

    @abstractmethod
    def fit(self, train: Dataset, valid: Dataset | None = None) -> Self:
        """Learn from the training cases; a method that has nothing to learn returns itself.

        Args:
            train: cases to learn from; nothing else may set normalisation or parameters.
            valid: cases for early stopping and for choosing among variants.
        """

    @abstractmethod
    def predict(self, query: Query | Dataset) -> Forecast:
        """Forecast the times asked for; a data set is rolled out from its first frame over all later ones.

        Raises:
            InputError: the method is not fitted, or the query lacks a field, parameter, signal or mask it needs.
        """

    def save(self, folder: str | Path) -> None:
        """Write the fitted method to ``folder`` as safetensors and JSON (never pickle).

        Raises:
            InputError: this method cannot be saved, or the folder cannot be written.
        """
        raise InputError(f"The method '{self.name}' cannot be saved to {folder}; save its predictions instead.")

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: this method cannot be loaded, or the folder does not hold one.
        """
        raise InputError(f"Methods of type {cls.__name__} cannot be loaded from {folder}; build and fit one instead.")

    def cost(self) -> dict[str, float]:
        """What using the method costs, as far as it knows; missing entries are unknown.

        Returns:
            Any of ``parameters`` (real numbers), ``flops`` (per frame and case), ``training_seconds``,
            ``seconds_per_frame``, ``peak_memory`` (bytes).
        """
        return {}
