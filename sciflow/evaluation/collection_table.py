"""One page for a suite of several data sets: each leaderboard in short, then methods against data sets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from sciflow.evaluation.leaderboard_table import horizon_text, markdown_table
from sciflow.evaluation.measurements import longest
from sciflow.evaluation.number_text import factor, matched, ranged, seconds, short, solves
from sciflow.evaluation.ranking import Entry, Score, leaderboard
from sciflow.evaluation.results import Results
from sciflow.evaluation.scoring import ALL
from sciflow.evaluation.statistics import LEVEL

_NOTES = (
    "nRMSE: the square root of a case's NMSE, averaged over cases and seeds. Relative nRMSE: the nRMSE of a method / "
    "that of the reference forecast on the same frames: holding the start frame where the task has one, else the mean "
    "of the training cases; below 1 is better than the reference. Geometric mean: over all data sets (as in APEBench), "
    "for methods that were scored on each of them. Break-even: see the single tables; ≥ and ≤ mark bounds, never: the "
    "method is not faster than the solver of its error."
)


def combined(parts: Mapping[str, Results]) -> str:
    """Markdown: for each part its short leaderboard, then one table of methods against parts.

    Args:
        parts: name of the data set -> its results; at least one.
    """
    boards = {name: leaderboard(results) for name, results in parts.items()}
    sections = [_part(name, parts[name], entries) for name, entries in boards.items()]
    return "\n".join([*sections, _summary(parts, boards)])


def relative_nrmse(results: Results, method: str) -> float:
    """nRMSE of a method / nRMSE of the reference forecast at the longest horizon; nan if it was not scored.

    nRMSE = mean over cases and seeds of sqrt(NMSE of the case). A reference without error gives infinity, or 1 if the
    method has none either.
    """
    table = results.table
    rows = table[
        (table["split"] == results.split)
        & (table["horizon"] == longest(results))
        & (table["field"] == ALL)
        & (table["method"] == method)
    ]
    error, held = (
        float(np.sqrt(rows.loc[rows["metric"] == name, "value"].to_numpy(float)).mean()) if len(rows) else math.nan
        for name in ("nmse", "persistence_nmse")
    )
    if held == 0:
        return 1.0 if error == 0 else math.inf
    return error / held


def geometric_mean(values: Sequence[float]) -> float:
    """exp(mean(log(values))); nan if a value is missing, 0 if one is 0."""
    array = np.asarray(values, float)
    if np.isnan(array).any():
        return math.nan
    with np.errstate(divide="ignore"):
        return float(np.exp(np.log(array).mean())) if np.isfinite(array).all() else math.inf


def _part(name: str, results: Results, entries: Sequence[Entry]) -> str:
    title = str(results.facts.get("title") or name)
    steps = longest(results)
    about = horizon_text(steps, results.kind, alone=len(entries[0].scores) == 1)
    ci = f"[{LEVEL:.0%} CI]"
    columns: dict[str, Callable[[Entry, Score], str]] = {
        "method": lambda entry, _: entry.method,
        f"NMSE{f', {about}' if about else ''} {ci}": lambda _, score: ranged(score.nmse),
        "nRMSE": lambda _, score: short(score.nrmse.value if score.nrmse else None),
        f"x over {results.reference}": lambda _, score: factor(score.gain.value),
        "training s": lambda entry, _: seconds(entry.cost.get("training_seconds")),
        "ms/frame": lambda entry, _: short(_times(entry.cost.get("seconds_per_frame"), 1e3), 2),
        "break-even, solves": lambda entry, _: solves(entry.break_even, interval=False),
        "matched at": lambda entry, _: matched(entry.break_even),
    }
    rows = [[cell(entry, entry.scores[steps]) for cell in columns.values()] for entry in entries]
    heads, rows = _without_empty(list(columns), rows)
    heading = f"## {name}" if title == name else f"## {name}: {title}"
    return f"{heading}\n\n{markdown_table(heads, rows)}"


def _times(value: float | None, unit: float) -> float | None:
    return None if value is None else unit * value


def _without_empty(heads: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """Without columns in which no row has anything."""
    kept = [index for index in range(len(heads)) if any(row[index] != "-" for row in rows)]
    return [heads[index] for index in kept], [[row[index] for index in kept] for row in rows]


def _summary(parts: Mapping[str, Results], boards: Mapping[str, Sequence[Entry]]) -> str:
    """Three tables of methods against parts, the best geometric mean first."""
    entries = {name: {entry.method: entry for entry in board} for name, board in boards.items()}
    methods = list(dict.fromkeys(method for results in parts.values() for method in results.methods))
    means = {method: geometric_mean([relative_nrmse(part, method) for part in parts.values()]) for method in methods}
    methods.sort(key=lambda method: (math.isnan(means[method]), means[method]))

    def table(cell: Callable[[str, str], str], last: Mapping[str, float] | None = None) -> str:
        heads = ["method", *parts, *(["geometric mean"] if last else [])]
        rows = [
            [method, *(cell(name, method) for name in parts), *([short(last[method])] if last else [])]
            for method in methods
        ]
        return markdown_table(heads, rows)

    def error(name: str, method: str) -> str:
        found = entries[name].get(method)
        if found is None:
            return "-"
        score = found.scores[longest(parts[name])]
        return short(score.nmse.value) + (f" ({short(score.nrmse.value)})" if score.nrmse else "")

    def paid(name: str, method: str) -> str:
        found = entries[name].get(method)
        return solves(found.break_even if found else None)

    sections = [
        f"## All data sets\n\nNMSE (nRMSE) over the longest horizon:\n\n{table(error)}",
        "Relative nRMSE:\n\n" + table(lambda name, method: short(relative_nrmse(parts[name], method)), means),
    ]
    if any(entry.break_even for board in boards.values() for entry in board):
        sections.append(f"Break-even, solves [{LEVEL:.0%} CI]:\n\n{table(paid)}")
    return "\n".join([*sections, f"{_NOTES}\n"])
