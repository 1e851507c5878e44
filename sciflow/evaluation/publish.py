"""From finished runs to the results folder: tables, leaderboard, picture, report."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from sciflow.core import InputError, atomic_path, digest
from sciflow.evaluation.accuracy_cost import (
    accuracy_cost,
    accuracy_cost_figure,
    accuracy_cost_markdown,
    drawable,
)
from sciflow.evaluation.by_table import by_markdown, by_table
from sciflow.evaluation.lead_times import lead_time_markdown
from sciflow.evaluation.leaderboard_notes import left_out
from sciflow.evaluation.leaderboard_table import markdown
from sciflow.evaluation.methods import is_network
from sciflow.evaluation.metric_table import metric_markdown
from sciflow.evaluation.plan import PlannedRun, evaluation_digest, read_json
from sciflow.evaluation.ranking import Entry, as_json, as_table, leaderboard
from sciflow.evaluation.results import COLUMNS, CURVE_COLUMNS, Results
from sciflow.evaluation.targets import objective, read_history

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sciflow.evaluation.suite import MethodEntry, Suite

_MEASURED = ("metrics.csv", "curves.csv", "transfer.csv", "cost.json")


def collect(
    suite: Suite, folder: Path, runs: Iterable[PlannedRun], failures: Mapping[str, str], data: Mapping[str, Any]
) -> Results:
    """The tables of all finished runs of a suite in one.

    Args:
        suite: the suite, its split named.
        folder: the results folder.
        runs: of the suite.
        failures: run -> why it failed.
        data: further facts: data set, digest, generation_seconds, cases, target.

    Raises:
        InputError: no run is finished.
    """
    finished = [item for item in runs if (item.folder / "metrics.csv").is_file()]
    if not finished:
        reason = "; ".join(f"{name}: {text}" for name, text in failures.items()) or "no run is finished"
        raise InputError(f"The suite '{suite.name}' has no results: {reason}.")
    facts = {
        "suite": suite.name,
        "title": suite.title,
        "description": suite.description,
        "budget": suite.budget,
        "split": suite.split,
        "task": suite.task.described,
        "seeds": list(suite.seeds),
        "metrics": list(suite.metrics),
        **({"equivariance": list(suite.equivariance)} if suite.equivariance else {}),
        **data,
        "runs": {item.folder.name: _content(item.folder) for item in finished},
        "evaluation_digest": evaluation_digest(suite),
        "environments": environments([item.folder for item in finished]),
    }
    read = [_read(suite, item, "metrics.csv") for item in finished] + _transferred(suite, finished)
    table = pd.concat(read, ignore_index=True)
    curves = pd.concat([_read(suite, item, "curves.csv") for item in finished], ignore_index=True)
    costs = pd.DataFrame([_cost(item) for item in finished])
    return Results(table[COLUMNS], curves[CURVE_COLUMNS], costs, facts, dict(failures))


def environments(folders: Iterable[Path]) -> list[dict[str, Any]]:
    """The different environments in which runs were fitted.

    Only frameworks that a method uses report their devices, so devices are brought together and make no difference.
    """
    found: dict[str, dict[str, Any]] = {}
    for folder in folders:
        environment = read_json(folder / "environment.json")
        devices = environment.pop("devices", {})
        found.setdefault(digest(environment), {**environment, "devices": {}})["devices"].update(devices)
    return list(found.values())


def publish(results: Results, folder: Path, *, command: str, runs: Sequence[PlannedRun] = ()) -> list[Entry]:
    """Write tables, leaderboard, picture and report, unless those in the folder are made of the same contents already.

    Args:
        results: from `collect`.
        folder: the results folder.
        command: what reproduces the results.
        runs: whose examples are drawn.
    """
    entries = leaderboard(results)
    made_of = digest({**results.facts, "failures": results.failures, "command": command})
    results.facts["made_of"] = made_of
    before = read_json(folder / "results.json").get("facts", {})
    if before.get("made_of") == made_of and (folder / "report.html").is_file():
        return entries
    from sciflow.evaluation.page import report

    points = accuracy_cost(results)
    texts = {
        "leaderboard.md": markdown(entries) + left_out(results.facts.get("under_resolved", 0.0)),
        "accuracy_cost.md": accuracy_cost_markdown(points),
        "metrics.md": metric_markdown(results),
        "lead_times.md": lead_time_markdown(results),
        "leaderboard.json": as_json(entries),
        "leaderboard.csv": as_table(entries).to_csv(index=False),
    }
    if results.facts.get("by") or results.facts.get("pairs"):
        texts |= {"by.csv": by_table(results).to_csv(index=False), "by.md": by_markdown(results)}
    examples = {item.entry.title: item.folder / "example.h5" for item in reversed(runs)}
    texts["report.html"] = report(results, entries, examples=examples, command=command)
    for name, text in texts.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    shown = drawn_method(entries, {item.entry.title: item.entry for item in runs})
    _draw(folder, None if shown is None else (examples[shown], shown), results)
    results.write(folder)
    return entries


def drawn_method(entries: Sequence[Entry], methods: Mapping[str, MethodEntry]) -> str | None:
    """Title of the method to draw: the best network; without any, the best method that learned from data; else None."""
    titles = [entry.method for entry in entries if entry.method in methods]
    ranked = sorted(titles, key=lambda title: -_learns(methods[title]))  # stable: the leaderboard's order among equals
    return ranked[0] if ranked and _learns(methods[ranked[0]]) else None


def _learns(entry: MethodEntry) -> int:
    """2 for a network, 1 for another method that learned, 0 for one that did not."""
    kind, value = entry.source
    if kind != "method":
        return 1
    if is_network(value):
        return 2
    from sciflow.baselines import methods

    return int(getattr(methods.get(value), "learns", True))


def _draw(folder: Path, example: tuple[Path, str] | None, results: Results) -> None:
    """Write ``fields.png``, of an example and its method, ``accuracy_cost.png``, and maps such as ``by-10.png``."""
    from sciflow import plot
    from sciflow.evaluation.by_map import by_maps
    from sciflow.evaluation.pictures import final_fields

    pictures: dict[str, Figure] = {f"by-{steps}.png": made for steps, made in by_maps(results).items()}
    if example is not None:
        pictures["fields.png"] = final_fields(*example, results.kind)
    points = drawable(accuracy_cost(results))
    if points:
        pictures["accuracy_cost.png"] = accuracy_cost_figure(results, points)
    for name, made in pictures.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(plot.png(made))


def _cost(item: PlannedRun) -> dict[str, Any]:
    """Costs of a run, with the validations of its training if it has some."""
    named = {"method": item.entry.title, "seed": item.seed, "folder": item.folder.name}
    cost = {**named, **read_json(item.folder / "cost.json")}
    kind = item.entry.source[0]
    if kind != "method":  # what its training took is not known here, so it cannot break even
        cost["learns"] = False
    if kind == "predictions":  # reading a file is no solve
        cost = {name: value for name, value in cost.items() if name not in ("seconds_per_frame", "frame_seconds")}
    history = read_history(item.folder / "log.jsonl")
    if history:
        cost |= {"history": history, "objective": objective(item.folder, item.entry.training)}
    return cost


def _read(suite: Suite, item: PlannedRun, name: str) -> pd.DataFrame:
    """A table of a run with the columns that say whose it is."""
    table = pd.read_csv(item.folder / name, dtype={"field": str, "grid": str})
    named: dict[str, Any] = {"suite": suite.name, "method": item.entry.title, "seed": item.seed, "split": suite.split}
    return table.assign(**named)


def _transferred(suite: Suite, runs: Iterable[PlannedRun]) -> list[pd.DataFrame]:
    """Scores on the suite's other grids, their split named as in "random@128"."""
    wanted = [grid.label for grid in suite.transfer]
    tables = []
    for item in runs:
        if wanted and (item.folder / "transfer.csv").is_file():
            table = _read(suite, item, "transfer.csv")
            table = table[table["grid"].isin(wanted)]
            tables.append(table.assign(split=f"{suite.split}@" + table["grid"]))
    return tables


def _content(folder: Path) -> str:
    """Hash of what a run has measured, so that a run made again is published again."""
    parts = [(folder / name).read_bytes() for name in _MEASURED if (folder / name).is_file()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
