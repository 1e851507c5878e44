"""Ranking: per method the error at each horizon with its interval, the factor below a reference, and all costs."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, final

import numpy as np
import pandas as pd

from sciflow.evaluation.breakeven import BreakEven, break_even
from sciflow.evaluation.json_text import to_json
from sciflow.evaluation.results import Results
from sciflow.evaluation.scoring import ALL
from sciflow.evaluation.statistics import Interval, bootstrap_mean, bootstrap_ratio
from sciflow.evaluation.targets import time_to_target

_COSTS = ("parameters", "flops", "tuning_seconds", "training_seconds", "seconds_per_frame", "peak_memory")


@final
@dataclass(frozen=True)
class Score:
    """One method at one horizon.

    Attributes:
        nmse: mean over seeds and cases, with its interval.
        gain: mean NMSE of the reference forecast / mean NMSE of the method, on the same frames, with its interval.
        worst: smallest gain of a single case (NMSE averaged over seeds).
        worst_case: that case.
        nrmse: relative L2 error with its interval, if it is among the metrics.
        equivariance: equivariance error with its interval, if the method was scored on flows.
    """

    nmse: Interval
    gain: Interval
    worst: float
    worst_case: int
    nrmse: Interval | None = None
    equivariance: Interval | None = None


@final
@dataclass(frozen=True)
class Entry:
    """One row of the leaderboard.

    Attributes:
        method: its label.
        seeds: number of runs.
        scores: by horizon, on the main split.
        cost: means over seeds of parameters, flops (per frame and case), tuning_seconds, training_seconds,
            seconds_per_frame and peak_memory in bytes; seconds_to_target and the target_error they refer to. What is
            not known is left out.
        transfer: by other split, at the longest horizon; without those that a method was not scored on.
        break_even: for learned methods of suites that have a solver to compare with.
        reference: the forecast that gains are relative to.
        kind: of the task.
    """

    method: str
    seeds: int
    scores: dict[int, Score]
    cost: dict[str, float]
    transfer: dict[str, Score] = field(default_factory=dict)
    break_even: BreakEven | None = None
    reference: str = "persistence"
    kind: str = "forecast"


def leaderboard(results: Results) -> list[Entry]:
    """One entry per method, the lowest error over the longest horizon of the main split first."""
    table = results.table[results.table["field"] == ALL]
    main = table[table["split"] == results.split]
    horizons = sorted({int(horizon) for horizon in main["horizon"]})
    paid = {found.method: found for found in break_even(results)}
    target, reached = time_to_target(results)
    entries = []
    for method in dict.fromkeys(main["method"]):
        rows = main[main["method"] == method]
        cost = _cost(results.costs, method)
        if method in reached:
            cost |= {"seconds_to_target": reached[method], "target_error": target}
        entries.append(
            Entry(
                method=method,
                seeds=int(rows["seed"].nunique()),
                scores={horizon: _score(rows[rows["horizon"] == horizon]) for horizon in horizons},
                cost=cost,
                transfer=_transfer(table[table["method"] == method], results.transfers),
                break_even=paid.get(method),
                reference=results.reference,
                kind=results.kind,
            )
        )
    return sorted(entries, key=lambda entry: [_order(entry.scores[horizon]) for horizon in reversed(horizons)])


def _order(score: Score) -> float:
    return math.inf if math.isnan(score.nmse.value) else score.nmse.value


def _cost(costs: pd.DataFrame, method: str) -> dict[str, float]:
    rows = costs[costs["method"] == method] if "method" in costs else costs
    return {name: float(rows[name].mean()) for name in _COSTS if name in rows and rows[name].notna().any()}


def _transfer(rows: pd.DataFrame, splits: list[str]) -> dict[str, Score]:
    scores = {}
    for split in splits:
        part = rows[rows["split"] == split]
        if len(part):
            scores[split] = _score(part[part["horizon"] == part["horizon"].max()])
    return scores


def _score(rows: pd.DataFrame) -> Score:
    errors, held = _by_case(rows, "nmse"), _by_case(rows, "persistence_nmse").to_numpy(float)
    nmse = errors.to_numpy(float)
    relative, moved = (_by_case(rows, name).to_numpy(float) for name in ("nrmse", "equivariance_error"))
    with np.errstate(divide="ignore", invalid="ignore"):
        gains = np.nan_to_num(held.mean(axis=0) / nmse.mean(axis=0), nan=1.0, posinf=np.inf)
    worst = int(gains.argmin())
    return Score(
        nmse=bootstrap_mean(nmse),
        gain=bootstrap_ratio(held, nmse),
        worst=float(gains[worst]),
        worst_case=int(errors.columns[worst]),
        nrmse=bootstrap_mean(relative) if relative.size else None,
        equivariance=bootstrap_mean(moved) if moved.size else None,
    )


def _by_case(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    return rows[rows["metric"] == metric].pivot(index="seed", columns="case", values="value")


def as_json(entries: list[Entry]) -> str:
    """The leaderboard as JSON with all digits."""
    return to_json([asdict(entry) for entry in entries])


def as_table(entries: list[Entry]) -> pd.DataFrame:
    """One row per method with all digits.

    Columns such as ``nmse_10``, ``nmse_10_low``, ``gain_10``, ``worst_10``, ``nmse_random@128``, ``training_seconds``,
    ``break_even``, ``break_even_high``, ``break_even_grid``.
    """
    rows: list[dict[str, Any]] = []
    for entry in entries:
        row: dict[str, Any] = {"method": entry.method, "seeds": entry.seeds}
        for suffix, score in (*entry.scores.items(), *entry.transfer.items()):
            named = {"nmse": score.nmse, "gain": score.gain, "nrmse": score.nrmse, "equivariance": score.equivariance}
            for name, interval in named.items():
                row |= {} if interval is None else _three(f"{name}_{suffix}", interval)
            row[f"worst_{suffix}"], row[f"worst_case_{suffix}"] = score.worst, score.worst_case
        row |= entry.cost
        if (found := entry.break_even) is not None:
            row |= _three("break_even", found.solves) | _three("break_even_smooth", found.smooth)
            others = {name: value for name, value in vars(found).items() if name not in ("method", "solves", "smooth")}
            row |= {f"break_even_{name}": value for name, value in others.items()}
        rows.append(row)
    return pd.DataFrame(rows)


def _three(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
