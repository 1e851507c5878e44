"""Does the harness measure what it says: the truth, the reference and a forecast of the wrong time, on every task.

Three methods that know the answer are scored on small data sets with exact solutions: one returns the truth, one the
task's reference (persistence, or the training mean), and one that of another time (in a map: another place). What they
answer in the solid and in known cells is nonsense, which must not be seen. One data set has obstacles, boundary cells,
domains, times and numbers of frames that differ by case, and is asked for every second frame.
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
    import pandas as pd

    from sciflow.data import Dataset

_ZERO = 1e-9  # rounding of sums over float32 fields, relative to scores of order 1
_ROUNDING = 1e-6  # of fields in float32, relative to their size
_STEPS = 6
_SPACED_STEPS = 10
_ANYTHING = 1e6  # what is answered in cells that must not be scored
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
        whole = self.dataset.xarray[self.dataset.fields].drop_vars(["time", "time_of_case"], errors="ignore")
        steady = self.dataset.frame_count == 1
        parts = []
        for entry, (case, row) in enumerate(zip(query.context["source_case"].values, query.times, strict=True)):
            times = self.dataset.case_times[case, : self.dataset.lengths[case]]
            frames = np.searchsorted(times, row - 1e-9)
            frames = frames if steady else (frames - self.shift) % len(times)
            part = whole.isel(case=int(case), time=frames)
            part = part.roll(x=self.shift) if steady else part
            parts.append(part.where(_asked_for(query.context, entry), _ANYTHING))
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


def _asked_for(context: xr.Dataset, entry: int) -> xr.DataArray | bool:
    """Where a query wants an answer: cells that are neither solid nor known."""
    asked: xr.DataArray | bool = True
    for name in ("mask", "known"):
        if name in context:
            cells = context[name] if name == "mask" else ~context[name]
            asked = asked & (cells.isel(case=entry, drop=True) if "case" in cells.dims else cells)
    return asked


def selftest() -> list[Check]:
    """Every metric on every task: all that can be computed there."""
    return [*(check for data, dataset, task in _subjects() for check in _checks(data, dataset, task)), _of_flows()]


def _of_flows() -> Check:
    """The equivariance error, which is held against closed forms: a forecast has it without a truth."""
    from sciflow.evaluation.flow_selftest import flow_scores, known_scores

    symmetric, held, fast = found = flow_scores()
    passed = bool(np.allclose(found, known_scores(), rtol=0, atol=_ROUNDING))
    return Check("forecast", "carried waves", "equivariance_error", symmetric, held, fast, passed)


def _checks(data: str, dataset: Dataset, task: EvaluationTask) -> Iterator[Check]:
    steps = task.horizons_on(dataset)[-1].steps
    mean = training_mean(dataset, task, steps)
    methods = (_Oracle(dataset), _Reference(mean), _Oracle(dataset, shift=1))
    names = [name for name in metrics.names() if _applies(name, dataset, task)]
    tables = [totals(evaluate(method, dataset, task, names, reference=mean).table) for method in methods]
    times, last = dataset.case_times, task.frames_in - 1
    duration = float(np.mean(times[:, (last + steps) * task.step] - times[:, last * task.step])) if last >= 0 else 0.0
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


def _overall(name: str, table: pd.DataFrame) -> float:
    """The number over cases; its mean over the rows of a metric that has no row "all"."""
    labels = table.loc[table["metric"] == name, "label"].unique()
    return float(np.mean([summarise(label, table) for label in labels]))


def _subjects() -> Iterator[tuple[str, Dataset, EvaluationTask]]:
    waves, vortex, disc = _waves(), _vortex(), _map()
    forecast = ForecastTask((Horizon(steps=_STEPS, stride=_STEPS),))
    yield "decaying waves", waves, forecast
    yield "drifting vortices", vortex, forecast
    spaced = ForecastTask((Horizon(steps=_SPACED_STEPS, stride=3),), frames_in=2, step=2)
    yield "wakes of cylinders", wakes(), spaced
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


def wakes() -> Dataset:
    """Vortex streets behind discs in channels of different sizes, with known inflow and walls, in cells.

    Everything differs by case: lengths of the domain, obstacle, frequency, times, number of frames. Not a solution of
    the equations: velocities and pressure of closed form, so that frequency and fluxes are known.
    """
    from sciflow.data import from_arrays

    frames, cells = np.array([27, 25, 26]), 24
    points = (np.arange(cells) + 0.5) / cells
    width, height = np.array([2.0, 3.0, 2.5]), np.array([1.0, 1.2, 1.1])
    rate = np.array([0.5, 0.8, 0.65])  # shedding, in 1/s
    times = np.arange(frames.max()) * np.array([0.2, 0.12, 0.15])[:, None]
    x, y = (points * size[:, None] for size in (width, height))
    place_x, place_y = x[:, None, None, :], y[:, None, :, None]
    phase = 2 * np.pi * (place_x / width[:, None, None, None] - (rate[:, None] * times)[..., None, None])
    across = np.sin(np.pi * place_y / height[:, None, None, None])
    radius = np.array([0.1, 0.12, 0.11])[:, None, None]
    distance = np.hypot(x[:, None] - 0.3 * width[:, None, None], y[:, :, None] - 0.5 * height[:, None, None])
    mask, known = distance > radius, np.zeros((cells, cells), bool)
    known[:, 0] = known[0] = known[-1] = True
    values = {
        "u": across * (1 + 0.3 * np.cos(phase)), "v": 0.4 * across * np.sin(phase), "p": 1 - place_x + np.cos(phase)
    }  # fmt: skip
    dims = ("case", "time", "y", "x")
    units = {"u": "m/s", "v": "m/s", "p": "Pa"}
    fields = {
        name: (dims, np.where(mask[:, None], value, 0.0), {"role": "field", "units": units[name]})
        for name, value in values.items()
    }
    coords = {
        "length": ("case", frames), "time_of_case": (("case", "time"), times),
        "x": ("x", points, {"low": 0.0, "high": 1.0}), "y": ("y", points, {"low": 0.0, "high": 1.0}),
        "x_of_case": (("case", "x"), x), "y_of_case": (("case", "y"), y),
        "rho": ("case", np.ones(3), {"role": "parameter"}), "mu": ("case", 0.01 * rate, {"role": "parameter"}),
    }  # fmt: skip
    cells_of = {"mask": (("case", "y", "x"), mask, {"role": "mask"}), "known": (("y", "x"), known, {"role": "known"})}
    return from_arrays(xr.Dataset({**fields, **cells_of}, coords), grid="cells")
