"""Leaderboard: per method the error at each horizon with its interval, the factor below persistence, and the cost."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pandas as pd

from sciflow.evaluation.results import Results, to_json
from sciflow.evaluation.scoring import ALL
from sciflow.evaluation.statistics import LEVEL, Interval, bootstrap_mean, bootstrap_ratio

if TYPE_CHECKING:
    from rich.table import Table

NOTES = (
    "NMSE: sum of squared errors over all frames of a case / sum of the squared truth, fields of one unit pooled and "
    "the mean taken over units; averaged over cases and seeds, with bootstrap confidence intervals over both. "
    "x over persistence: mean NMSE of holding the start frame / mean NMSE of the method, on the same frames. "
    "Worst case: the smallest factor of a single case. "
    "ms/frame: throughput of a batch over the longest horizon, without the first call. "
    "Peak MB: on a GPU what tensors took; on a CPU the whole process with its libraries and whatever earlier methods "
    "left there, so it depends on the order of the suite and compares no methods."
)
_COSTS = ("parameters", "training_seconds", "seconds_per_frame", "peak_memory")


@final
@dataclass(frozen=True)
class Score:
    """One method at one horizon.

    Attributes:
        nmse: mean over seeds and cases, with its interval.
        gain: mean NMSE of persistence / mean NMSE of the method, on the same frames, with its interval.
        worst: smallest gain of a single case (NMSE averaged over seeds).
        worst_case: that case.
    """

    nmse: Interval
    gain: Interval
    worst: float
    worst_case: int


@final
@dataclass(frozen=True)
class Entry:
    """One row of the leaderboard; costs are means over seeds, those unknown are left out."""

    method: str
    seeds: int
    scores: dict[int, Score]
    cost: dict[str, float]


def leaderboard(results: Results) -> list[Entry]:
    """One entry per method, the lowest error over the longest horizon first."""
    horizons = sorted({int(horizon) for horizon in results.table["horizon"]})
    entries = []
    for method in results.methods:
        rows = results.table[(results.table["method"] == method) & (results.table["field"] == ALL)]
        scores = {horizon: _score(rows[rows["horizon"] == horizon]) for horizon in horizons}
        costs = results.costs[results.costs["method"] == method]
        cost = {name: float(costs[name].mean()) for name in _COSTS if name in costs and costs[name].notna().any()}
        entries.append(Entry(method, int(rows["seed"].nunique()), scores, cost))
    return sorted(entries, key=lambda entry: [_order(entry.scores[horizon]) for horizon in reversed(horizons)])


def _order(score: Score) -> float:
    return math.inf if math.isnan(score.nmse.value) else score.nmse.value


def _score(rows: pd.DataFrame) -> Score:
    errors = rows[rows["metric"] == "nmse"].pivot(index="seed", columns="case", values="value")
    persistence = rows[rows["metric"] == "persistence_nmse"].pivot(index="seed", columns="case", values="value")
    nmse, held = errors.to_numpy(float), persistence.to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        gains = np.nan_to_num(held.mean(axis=0) / nmse.mean(axis=0), nan=1.0, posinf=np.inf)
    worst = int(gains.argmin())
    return Score(bootstrap_mean(nmse), bootstrap_ratio(held, nmse), float(gains[worst]), int(errors.columns[worst]))


def short(value: float | None, digits: int = 3) -> str:
    """A number with few significant digits, for tables."""
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "diverged" if value > 0 else "-inf"
    if value != 0 and (abs(value) < 1e-2 or abs(value) >= 1e5):
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{value:.{digits}g}" if abs(value) < 100 else f"{value:.0f}"


def columns(entries: list[Entry]) -> tuple[list[str], list[list[str]]]:
    """Headings and cells of the table, as text."""
    horizons = list(entries[0].scores) if entries else []
    heads = ["method", "seeds"]
    for horizon in horizons:
        steps = f"{horizon} step" if horizon == 1 else f"{horizon} steps"
        heads += [f"NMSE, {steps} [{LEVEL:.0%} CI]", "x over persistence", "worst case x"]
    heads += ["parameters", "training s", "ms/frame", "peak MB"]
    return heads, [_cells(entry) for entry in entries]


def _cells(entry: Entry) -> list[str]:
    cells = [entry.method, str(entry.seeds)]
    for score in entry.scores.values():
        error, gain = score.nmse, score.gain
        worst = "exact" if math.isinf(score.worst) else short(score.worst)
        factor = "exact" if math.isinf(gain.value) else f"{short(gain.value)} [{short(gain.low)}, {short(gain.high)}]"
        cells += [f"{short(error.value)} [{short(error.low)}, {short(error.high)}]", factor, worst]
    cost = entry.cost
    seconds, memory = cost.get("seconds_per_frame"), cost.get("peak_memory")
    cells += [_count(cost.get("parameters")), _seconds(cost.get("training_seconds"))]
    per_frame = "-" if seconds is None else short(1e3 * seconds, 2)
    return [*cells, per_frame, "-" if memory is None else f"{memory / 2**20:.0f}"]


def _seconds(value: float | None) -> str:
    return "-" if value is None else "<0.1" if value < 0.1 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _count(number: float | None) -> str:
    if number is None or math.isnan(number):
        return "-"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return f"{number:.0f}"


def markdown(entries: list[Entry]) -> str:
    """The leaderboard as a Markdown table and what its columns mean."""
    heads, rows = columns(entries)
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines) + f"\n{NOTES}\n"


def rich_table(entries: list[Entry], title: str = "") -> Table:
    """The leaderboard for a terminal: intervals and memory are left to the files, so that it fits into 100 columns."""
    from rich import box
    from rich.table import Table

    table = Table(title=title or None, box=box.SIMPLE_HEAD, pad_edge=False)
    horizons = list(entries[0].scores) if entries else []
    table.add_column("method", no_wrap=True)
    for horizon in horizons:
        steps = f"{horizon} step" if horizon == 1 else f"{horizon} steps"
        for head in (f"{steps}\nNMSE", "x over\npers.", "worst\ncase x"):
            table.add_column(head, justify="right", no_wrap=True)
    for head in ("\nparams", "train\ns", "ms/\nframe"):
        table.add_column(head, justify="right", no_wrap=True)
    for entry in entries:
        cells = _cells(entry)
        kept = [cells[0]]
        kept += [cell.split(" [")[0] for cell in cells[2 : 2 + 3 * len(horizons)]]
        table.add_row(*kept, *cells[-4:-1])
    return table


def as_json(entries: list[Entry]) -> str:
    """The leaderboard as JSON with all digits."""
    return to_json([asdict(entry) for entry in entries])


def as_table(entries: list[Entry]) -> pd.DataFrame:
    """One row per method with all digits; columns such as ``nmse_10``, ``nmse_10_low``, ``gain_10``, ``worst_10``."""
    rows: list[dict[str, Any]] = []
    for entry in entries:
        row: dict[str, Any] = {"method": entry.method, "seeds": entry.seeds}
        for horizon, score in entry.scores.items():
            for name, interval in (("nmse", score.nmse), ("gain", score.gain)):
                row[f"{name}_{horizon}"] = interval.value
                row[f"{name}_{horizon}_low"], row[f"{name}_{horizon}_high"] = interval.low, interval.high
            row[f"worst_{horizon}"], row[f"worst_case_{horizon}"] = score.worst, score.worst_case
        rows.append({**row, **entry.cost})
    return pd.DataFrame(rows)
