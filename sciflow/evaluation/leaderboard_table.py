"""The leaderboard as a Markdown table with its explanations, and as a table for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sciflow.evaluation.leaderboard_notes import notes
from sciflow.evaluation.number_text import count, factor, matched, ranged, seconds, short, solves
from sciflow.evaluation.ranking import Entry, Score
from sciflow.evaluation.statistics import LEVEL, Interval

if TYPE_CHECKING:
    from rich.table import Table

Cell = Callable[[Entry], str]
_CI = f"[{LEVEL:.0%} CI]"


def columns(entries: Sequence[Entry]) -> tuple[list[str], list[list[str]]]:
    """Headings and cells of the full table, as text; costs that no method has are left out."""
    made = [*_scores(entries), *_transfers(entries), *_costs(entries)]
    heads = ["method", "seeds", *(head for head, _ in made)]
    return heads, [[entry.method, str(entry.seeds), *(cell(entry) for _, cell in made)] for entry in entries]


def markdown(entries: Sequence[Entry]) -> str:
    """The leaderboard as a Markdown table and what its columns mean."""
    heads, rows = columns(entries)
    return f"{markdown_table(heads, rows)}\n{notes(entries, heads)}\n"


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, numbers to the right."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def rich_table(entries: Sequence[Entry], title: str = "") -> Table:
    """The leaderboard for a terminal of 100 columns.

    It has the shortest and the longest horizon, the worst case of the longest, and of the costs parameters, training,
    speed and break-even. Intervals and everything else are in the files.
    """
    from rich import box
    from rich.table import Table

    table = Table(title=title or None, box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("method", no_wrap=True)
    made = _terminal(entries)
    for head, _ in made:
        table.add_column(head, justify="right", no_wrap=True)
    for entry in entries:
        table.add_row(entry.method, *(cell(entry) for _, cell in made))
    return table


def horizon_text(steps: int, kind: str, alone: bool) -> str:
    """What a heading says about a horizon: nothing where a task asks for all frames at once."""
    if kind != "forecast" and alone:
        return ""
    unit = "step" if kind == "forecast" else "frame"
    return f"{steps} {unit}" if steps == 1 else f"{steps} {unit}s"


def _horizons(entries: Sequence[Entry]) -> list[int]:
    return list(entries[0].scores) if entries else []


def _at(steps: int, read: Callable[[Score], str]) -> Cell:
    return lambda entry: read(entry.scores[steps])


def _scores(entries: Sequence[Entry]) -> list[tuple[str, Cell]]:
    made: list[tuple[str, Cell]] = []
    horizons = _horizons(entries)
    for steps in horizons:
        first = entries[0]
        after = horizon_text(steps, first.kind, len(horizons) == 1)
        after = f", {after}" if after else ""
        made.append((f"NMSE{after} {_CI}", _at(steps, lambda score: ranged(score.nmse))))
        if any(entry.scores[steps].nrmse for entry in entries):
            made.append((f"relative L2{after} {_CI}", _at(steps, lambda score: ranged(score.nrmse))))
        made.append((f"x over {first.reference}", _at(steps, lambda score: _gain(score.gain))))
        made.append(("worst case x", _at(steps, lambda score: factor(score.worst))))
        if any(entry.scores[steps].equivariance for entry in entries):
            made.append((f"equivariance error{after} {_CI}", _at(steps, lambda score: ranged(score.equivariance))))
    return made


def _transfers(entries: Sequence[Entry]) -> list[tuple[str, Cell]]:
    made: list[tuple[str, Cell]] = []
    for split in dict.fromkeys(split for entry in entries for split in entry.transfer):
        known = [entry.transfer[split] for entry in entries if split in entry.transfer]
        relative = all(score.nrmse is not None for score in known)

        def cell(entry: Entry, split: str = split, relative: bool = relative) -> str:
            score = entry.transfer.get(split)
            return "-" if score is None else ranged(score.nrmse if relative else score.nmse)

        name = "relative L2" if relative else "NMSE"
        where = f"at {split.split('@', 1)[1]}" if "@" in split else f"on {split}"
        made.append((f"{name} {where} {_CI}", cell))
    return made


def _costs(entries: Sequence[Entry]) -> list[tuple[str, Cell]]:
    known = {name for entry in entries for name in entry.cost}
    made: list[tuple[str, Cell]] = [("parameters", lambda entry: count(entry.cost.get("parameters")))]
    if "flops" in known:
        made.append(("FLOPs/frame", lambda entry: count(entry.cost.get("flops"))))
    if "tuning_seconds" in known:
        made.append(("tuning s", lambda entry: seconds(entry.cost.get("tuning_seconds"))))
    made.append(("training s", lambda entry: seconds(entry.cost.get("training_seconds"))))
    if "seconds_to_target" in known:
        made.append(("s to target", lambda entry: seconds(entry.cost.get("seconds_to_target"))))
    made += [("ms/frame", _milliseconds), ("peak MB", _megabytes)]
    if any(entry.break_even for entry in entries):
        made.append((f"break-even, solves {_CI}", lambda entry: solves(entry.break_even)))
        made.append(("matched at", lambda entry: matched(entry.break_even)))
    return made


def _terminal(entries: Sequence[Entry]) -> list[tuple[str, Cell]]:
    horizons = _horizons(entries)
    made: list[tuple[str, Cell]] = []
    for steps in dict.fromkeys((*horizons[:1], *horizons[-1:])):
        first = entries[0]
        over = {"persistence": "pers."}.get(first.reference, "mean")
        above = horizon_text(steps, first.kind, len(horizons) == 1)
        made.append((f"{above}\nNMSE", _at(steps, lambda score: short(score.nmse.value))))
        made.append((f"x over\n{over}", _at(steps, lambda score: factor(score.gain.value))))
    for steps in horizons[-1:]:
        made.append(("worst\ncase x", _at(steps, lambda score: factor(score.worst))))
    made.append(("\nparams", lambda entry: count(entry.cost.get("parameters"))))
    made.append(("train\ns", lambda entry: seconds(entry.cost.get("training_seconds"))))
    made.append(("ms/\nframe", _milliseconds))
    if any(entry.break_even for entry in entries):
        made.append(("break-\neven", lambda entry: solves(entry.break_even, interval=False)))
    return made


def _gain(gain: Interval) -> str:
    return "exact" if gain.value == float("inf") else ranged(gain)


def _milliseconds(entry: Entry) -> str:
    value = entry.cost.get("seconds_per_frame")
    return "-" if value is None else short(1e3 * value, 2)


def _megabytes(entry: Entry) -> str:
    value = entry.cost.get("peak_memory")
    return "-" if value is None else f"{value / 2**20:.0f}"
