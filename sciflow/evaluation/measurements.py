"""What a suite has measured of one method at one horizon, and bootstrap samples of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import pandas as pd

from sciflow.evaluation.results import Results
from sciflow.evaluation.scoring import ALL
from sciflow.evaluation.statistics import resampled_medians, weighted_means


@final
@dataclass(frozen=True, eq=False)
class Measured:
    """One method at one horizon; a solve is the forecast of one case over the whole horizon.

    Attributes:
        method: its label.
        errors: NMSE [seeds, cases] on the main split.
        reference_error: mean NMSE of the reference forecast on the same frames.
        timings: for each seed, seconds of a solve, one value for each timed prediction; [nan] where none was timed.
        training, tuning: seconds [seeds]; tuning is 0 where nothing was tuned.
        points: of the grid, if the method is a reference solver on a coarser grid.
        learns: whether it was fitted to data.
        device: where it ran, "" if that is not known.
    """

    method: str
    errors: np.ndarray
    reference_error: float
    timings: tuple[np.ndarray, ...]
    training: np.ndarray
    tuning: np.ndarray
    points: float | None
    learns: bool
    device: str

    @property
    def error(self) -> float:
        """Mean NMSE over seeds and cases."""
        return float(self.errors.mean())

    @property
    def seconds(self) -> float:
        """Seconds of a solve: the median of a run's timings, then the mean over seeds."""
        return float(np.mean([np.median(times) for times in self.timings]))


@final
@dataclass(frozen=True, eq=False)
class Drawn:
    """Bootstrap samples [samples] of a method's error and of its seconds for a solve, training and tuning."""

    error: np.ndarray
    seconds: np.ndarray
    training: np.ndarray
    tuning: np.ndarray


def longest(results: Results) -> int:
    """The longest horizon on the main split."""
    return int(results.table.loc[results.table["split"] == results.split, "horizon"].max())


def measured(results: Results, horizon: int | None = None) -> list[Measured]:
    """All methods of a suite, on the cases that every one of them was scored on.

    Args:
        results: of the suite.
        horizon: steps; by default the longest.
    """
    steps = longest(results) if horizon is None else horizon
    table = results.table
    rows = table[(table["split"] == results.split) & (table["horizon"] == steps) & (table["field"] == ALL)]
    held = float(rows.loc[rows["metric"] == "persistence_nmse", "value"].mean())
    grids = {
        str(method): part.pivot(index="seed", columns="case", values="value")
        for method, part in rows[rows["metric"] == "nmse"].groupby("method", sort=False)
    }
    shared = sorted(set.intersection(*(set(grid.columns) for grid in grids.values()))) if grids else []
    return [_one(results, method, grid[shared], held, steps) for method, grid in grids.items() if shared]


def drawn(item: Measured, of_cases: np.ndarray, generator: np.random.Generator) -> Drawn:
    """Bootstrap samples of one method: seeds, test cases and timings are drawn with replacement.

    Args:
        item: the method.
        of_cases: weights [samples, cases], the same for all methods (see `sciflow.evaluation.statistics.resampling`).
        generator: draws seeds and timings.
    """
    samples, seeds = len(of_cases), len(item.errors)
    of_seeds = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=samples) / seeds
    seconds = np.stack([resampled_medians(times, samples, generator) for times in item.timings], axis=1)
    return Drawn(
        error=weighted_means(item.errors, of_seeds, of_cases),
        seconds=(of_seeds * seconds).sum(axis=1),
        training=of_seeds @ item.training,
        tuning=of_seeds @ item.tuning,
    )


def _one(results: Results, method: str, errors: pd.DataFrame, held: float, steps: int) -> Measured:
    table = results.costs
    rows = table[table["method"] == method].drop_duplicates("seed") if "method" in table else table
    records = {int(record["seed"]): record for record in rows.to_dict("records")}
    runs: list[dict[Any, Any]] = [records.get(int(seed), {}) for seed in errors.index]
    points = [value for run in runs if np.isfinite(value := _number(run, "points"))]
    return Measured(
        method=method,
        errors=errors.to_numpy(float),
        reference_error=held,
        timings=tuple(_timings(run) * steps for run in runs),
        training=np.array([_number(run, "training_seconds") for run in runs]),
        tuning=np.nan_to_num([_number(run, "tuning_seconds") for run in runs]),
        points=points[0] if points else None,
        learns=_learns(runs) and not points,
        device=next((run["device"] for run in runs if isinstance(run.get("device"), str)), ""),
    )


def _timings(run: dict[Any, Any]) -> np.ndarray:
    """Seconds per frame, one by one; the stored median where single timings are missing."""
    times = run.get("frame_seconds")
    if isinstance(times, list | tuple) and times:
        return np.asarray(times, float)
    return np.array([_number(run, "seconds_per_frame")])


def _learns(runs: Sequence[dict[Any, Any]]) -> bool:
    """As the runs say; runs that say nothing learned if they have parameters."""
    said = [run["learns"] for run in runs if isinstance(run.get("learns"), bool | np.bool_)]
    return bool(said[0]) if said else any(_number(run, "parameters") > 0 for run in runs)


def _number(run: dict[Any, Any], name: str) -> float:
    value = run.get(name)
    return float("nan") if value is None or isinstance(value, str) else float(value)
