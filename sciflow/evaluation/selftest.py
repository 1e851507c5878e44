"""Does the harness measure what it says: the truth, the reference and a forecast of the wrong time, on every task.

Three methods that know the answer are scored on small data sets with exact solutions: one returns the truth, one the
task's reference (persistence, or the training mean), and one that of another time (in a map: another place).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, final

import numpy as np
import xarray as xr

from sciflow.core import Forecast, InputError, Method, Query
from sciflow.evaluation.forecast import evaluate
from sciflow.evaluation.horizon import Horizon
from sciflow.evaluation.measures import metrics
from sciflow.evaluation.scoring import summarise, totals
from sciflow.evaluation.tasks import EvaluationTask, FieldTask, ForecastTask, training_mean

if TYPE_CHECKING:
    from sciflow.data import Dataset

_ZERO = 1e-9  # rounding of sums over float32 fields, relative to scores of order 1
_STEPS = 6
_REFERENCE = {"gain": 1.0, "skill": 0.0}  # what the reference scores; nmse must equal persistence_nmse


@final
@dataclass(frozen=True)
class Check:
    """What one metric gave on one task and data set, and whether that is right."""

    task: str
    data: str
    metric: str
    perfect: float
    reference: float
    shifted: float
    passed: bool


@final
class _Oracle(Method):
    """Answers with frames of the data set itself: those asked for, or those `shift` frames (cells, in a map) off."""

    def __init__(self, dataset: Dataset, shift: int = 0) -> None:
        self.name, self.dataset, self.shift = "truth", dataset, shift

    def fit(self, train: Dataset, valid: Dataset | None = None) -> Self:
        return self

    def predict(self, query: Query | Dataset) -> Forecast:
        """The frames at the query's times."""
        assert isinstance(query, Query)
        whole = self.dataset.xarray
        times = np.asarray(whole["time"].values)
        frames = np.stack([np.searchsorted(times, row - 1e-9) for row in query.times])
        if len(times) > 1:
            frames = (frames - self.shift) % len(times)
        parts = []
        for case, row in zip(query.context["source_case"].values, frames, strict=True):
            part = whole[self.dataset.fields].isel(case=int(case), time=row).drop_vars("time")
            parts.append(part.roll(x=self.shift) if len(times) == 1 else part)
        return Forecast(xr.concat(parts, "case", coords="minimal", compat="override"))


@final
class _Reference(Method):
    """Persistence, or a given mean."""

    name = "reference"

    def __init__(self, mean: np.ndarray | None) -> None:
        self.mean = mean

    def fit(self, train: Dataset, valid: Dataset | None = None) -> Self:
        return self

    def predict(self, query: Query | Dataset) -> Forecast:
        """The last context frame, or the mean, at every time asked for."""
        assert isinstance(query, Query)
        fields = {name: part for name, part in query.context.data_vars.items() if "time" in part.dims}
        if self.mean is None:
            held = {name: part.isel(time=[-1] * query.steps) for name, part in fields.items()}
            return Forecast(xr.Dataset(held))
        space = [dim for dim in next(iter(fields.values())).dims if dim not in ("case", "time")]
        shape = (query.cases, query.steps, *(query.context.sizes[dim] for dim in space))
        means = {
            name: (("case", "time", *space), np.broadcast_to(self.mean[:, index], shape))
            for index, name in enumerate(fields)
        }
        return Forecast(xr.Dataset(means))


def selftest() -> list[Check]:
    """Every metric on every task: all that can be computed there."""
    return [check for data, dataset, task in _subjects() for check in _checks(data, dataset, task)]


def _checks(data: str, dataset: Dataset, task: EvaluationTask) -> Iterator[Check]:
    steps = task.horizons_on(dataset)[-1].steps
    mean = training_mean(dataset, task, steps)
    methods = (_Oracle(dataset), _Reference(mean), _Oracle(dataset, shift=1))
    names = [name for name in metrics.names() if _applies(name, dataset, task)]
    tables = [totals(evaluate(method, dataset, task, names, reference=mean).table) for method in methods]
    duration = float(dataset.times[steps] - dataset.times[0]) if task.kind == "forecast" else 0.0
    for name in names:
        perfect, reference, shifted = (_overall(name, table) for table in tables)
        held = _overall("persistence_nmse", tables[1]) if name == "nmse" else _REFERENCE.get(name)
        passed = _right(name, duration, perfect, reference, shifted, held)
        yield Check(task.kind, data, name, perfect, reference, shifted, passed)


def _right(name: str, duration: float, perfect: float, reference: float, shifted: float, held: float | None) -> bool:
    """Whether three scores are what they must be; `held` is that of the reference, where it is known."""
    metric = metrics.get(name)
    best = duration if name == "correlation_time" else metric.perfect
    good = best is None or perfect == best or abs(perfect - best) < _ZERO
    if held is not None:
        good &= abs(reference - held) < _ZERO
    if metric.sees_shifts and best is not None:
        good &= abs(shifted - best) > 1e-3 if np.isfinite(best) else np.isfinite(shifted)
        good &= shifted > best if metric.better == "lower" else shifted < best
    return bool(good)


def _applies(name: str, dataset: Dataset, task: EvaluationTask) -> bool:
    from sciflow.evaluation.scoring import check_metrics

    try:
        check_metrics([name], dataset, task)
    except InputError:
        return False
    return True


def _overall(name: str, table: object) -> float:
    """Mean over cases, over the rows of a metric that has no row "all"."""
    rows = table[(table["metric"] == name)]  # type: ignore[index]
    values = {label: part["value"].to_numpy() for label, part in rows.groupby("label")}
    if name == "gain":
        values |= {
            other: table[table["metric"] == other]["value"].to_numpy()  # type: ignore[index]
            for other in ("nmse", "persistence_nmse")
        }
        return summarise(name, values)
    return float(np.mean([part.mean() for part in values.values()]))


def _subjects() -> Iterator[tuple[str, Dataset, EvaluationTask]]:
    waves, vortex, disc = _waves(), _vortex(), _map()
    forecast = ForecastTask((Horizon(steps=_STEPS, stride=_STEPS),))
    yield "decaying waves", waves, forecast
    yield "drifting vortices", vortex, forecast
    yield "decaying waves", waves, FieldTask("parametric")
    yield "decaying waves", waves, FieldTask("condition", points=8)
    yield "square of a field", disc, FieldTask("map")


def _waves() -> Dataset:
    """Travelling, decaying waves of every band: exact solutions of the advection-diffusion equation."""
    from sciflow.data import from_arrays

    x, times = np.arange(40) / 40, 0.2 * np.arange(_STEPS + 1)
    speed, kappa = np.array([1.0, 1.2, 1.4]), np.array([2e-4, 3e-4, 4e-4])
    phase = 2 * np.pi * (x - speed[:, None, None] * times[:, None])
    decay = np.exp(-kappa[:, None, None] * (2 * np.pi) ** 2 * times[:, None])
    u = sum(decay ** (k * k) * np.sin(k * phase) / k for k in (1, 2, 7, 13))
    return from_arrays(
        {"u": u},
        times=times,
        coordinates={"x": x},
        parameters={"c": speed, "kappa": kappa},
        problem="advection-diffusion",
    )


def _vortex() -> Dataset:
    """Vortices of two sizes carried by a mean flow, decaying."""
    from sciflow.data import from_arrays

    n, times = 16, 0.25 * np.arange(_STEPS + 1)
    drift, nu = np.array([0.8, 1.0])[:, None, None, None], 1e-3
    y, x = np.meshgrid(2 * np.pi * np.arange(n) / n, 2 * np.pi * np.arange(n) / n, indexing="ij")
    t = times[:, None, None]
    moved = x - 2 * np.pi * drift * t
    u, v = drift, 0.0
    for k in (1, 5):
        decay = np.exp(-2 * (2 * np.pi * k) ** 2 * nu * t) / k
        u = u + decay * np.cos(k * moved) * np.sin(k * y)
        v = v - decay * np.sin(k * moved) * np.cos(k * y)
    return from_arrays(
        {"u": u, "v": v},
        times=times,
        parameters={"drift": drift.ravel()},
        units={"u": "m/s", "v": "m/s"},
        coordinates={"x": np.arange(n) / n, "y": np.arange(n) / n},
        periodic=("x", "y"),
    )


def _map() -> Dataset:
    """A field and its square, between walls."""
    from sciflow.data import from_arrays

    y, x = np.meshgrid((np.arange(12) + 0.5) / 12, (np.arange(16) + 0.5) / 16, indexing="ij")
    slope = np.array([1.0, 2.0, 3.0])[:, None, None]
    a = np.sin(slope * x) + slope * y + np.cos(12 * np.pi * x) / 2
    return from_arrays(
        {"u": a**2},
        inputs={"a": a},
        coordinates={"x": x[0], "y": y[:, 0]},
        grid="cells",
        steady=True,
    )
