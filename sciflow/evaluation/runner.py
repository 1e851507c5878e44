"""Run a suite: data, runs, leaderboard, report. Finished work is skipped, interrupted work goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from sciflow.core import InputError, atomic_path, describe, digest, require_writable
from sciflow.evaluation.execute import execute
from sciflow.evaluation.methods import build_entry
from sciflow.evaluation.plan import PlannedRun, evaluation_digest, plan, read_json
from sciflow.evaluation.preparation import data_path, prepare, split_parts
from sciflow.evaluation.ranking import Entry, as_json, as_table, leaderboard, markdown, rich_table, short
from sciflow.evaluation.results import COLUMNS, CURVE_COLUMNS, Results
from sciflow.evaluation.suite import Suite, load_suite

if TYPE_CHECKING:
    from rich.console import Console

    from sciflow.data import Dataset


def run(
    suite: Suite | Mapping[str, Any] | str | Path,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    *,
    dry_run: bool = False,
    progress: bool = True,
) -> Results | list[PlannedRun]:
    """Run a suite, or say what running it would mean.

    Args:
        suite: path of a YAML file, name such as "quickstart", mapping, or `Suite`.
        out: output folder, by default ``results/<name of the suite>``. It gets ``data/`` (if a recipe is generated),
            ``runs/``, ``results.csv|json``, ``curves.csv``, ``leaderboard.md|csv|json`` and ``report.html``.
        overrides: texts such as ``methods.0.training.steps=100``.
        dry_run: only list the runs with their state and an estimate of what is left, and return the list.
        progress: print progress and the leaderboard.

    Returns:
        The results; a run that failed is named in `Results.failures` and does not stop the others.

    Raises:
        InputError: the suite, its data or a method's options are wrong, or the folder cannot be written. Options of all
            methods are checked before the first run.
    """
    loaded = load_suite(suite, overrides)
    folder = Path(out) if out is not None else Path("results") / loaded.name
    console = _console(progress)
    if dry_run:
        runs = plan(loaded, folder, *_existing(loaded, folder))
        console.print(_listing(runs, loaded, data_exists=data_path(loaded, folder).exists()))
        return runs
    require_writable(folder)
    path = prepare(loaded, folder, console)
    parts, data_digest = split_parts(loaded, path)
    runs = plan(loaded, folder, parts, data_digest)
    pending = [item for item in runs if item.status != "finished"]
    for item in pending:
        build_entry(item.entry, item.seed, loaded.task.frames_in)
    failures = _execute_all(runs, loaded, parts, console, progress=progress)
    results = collect(loaded, folder, runs, failures, {"data": str(path), "data_digest": data_digest})
    entries = publish(results, folder, command=_command(suite, out, overrides), data=path, example_runs=runs)
    console.print(rich_table(entries, loaded.title or loaded.name))
    for name, reason in results.failures.items():
        console.print(f"[red]failed[/red] {name}: {reason}", highlight=False)
    console.print(f"{folder / 'leaderboard.md'}, {folder / 'report.html'}", highlight=False, soft_wrap=True)
    return results


def collect(
    suite: Suite, folder: Path, runs: Iterable[PlannedRun], failures: Mapping[str, str], data: Mapping[str, str]
) -> Results:
    """The tables of all finished runs of a suite in one.

    Raises:
        InputError: no run is finished.
    """
    tables: dict[str, list[pd.DataFrame]] = {"metrics.csv": [], "curves.csv": []}
    costs, folders = [], []
    for item in runs:
        if not (item.folder / "metrics.csv").is_file():
            continue
        named: dict[str, Any] = {
            "suite": suite.name,
            "method": item.entry.title,
            "seed": item.seed,
            "split": suite.split,
        }
        for name, collected in tables.items():
            collected.append(pd.read_csv(item.folder / name, dtype={"field": str}).assign(**named))
        cost = read_json(item.folder / "cost.json")
        costs.append({"method": item.entry.title, "seed": item.seed, "folder": item.folder.name, **cost})
        folders.append(item.folder.name)
    if not folders:
        reason = "; ".join(f"{name}: {text}" for name, text in failures.items()) or "no run is finished"
        raise InputError(f"The suite '{suite.name}' has no results: {reason}.")
    facts = {
        "suite": suite.name,
        "title": suite.title,
        "description": suite.description,
        "budget": suite.budget,
        "split": suite.split,
        "task": suite.task.model_dump(mode="json"),
        "seeds": list(suite.seeds),
        "metrics": list(suite.metrics),
        **data,
        "runs": folders,
        "evaluation_digest": evaluation_digest(suite),
    }
    table = pd.concat(tables["metrics.csv"], ignore_index=True)[COLUMNS]
    curves = pd.concat(tables["curves.csv"], ignore_index=True)[CURVE_COLUMNS]
    return Results(table, curves, pd.DataFrame(costs), facts, dict(failures))


def publish(
    results: Results, folder: Path, *, command: str, data: Path, example_runs: Sequence[PlannedRun] = ()
) -> list[Entry]:
    """Write tables, leaderboard and report, unless those in the folder are made of the same runs already."""
    entries = leaderboard(results)
    made_of = digest({**results.facts, "failures": results.failures, "command": command})
    results.facts["made_of"] = made_of
    before = read_json(folder / "results.json").get("facts", {})
    if before.get("made_of") == made_of and (folder / "report.html").is_file():
        return entries
    from sciflow.evaluation.page import report

    results.facts["environment"] = describe()
    texts = {
        "leaderboard.md": markdown(entries),
        "leaderboard.json": as_json(entries),
        "leaderboard.csv": as_table(entries).to_csv(index=False),
    }
    examples = {item.entry.title: item.folder / "example.h5" for item in reversed(example_runs)}
    texts["report.html"] = report(results, entries, examples=examples, command=command)
    for name, text in texts.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    results.write(folder)
    return entries


def _execute_all(
    runs: Sequence[PlannedRun], suite: Suite, parts: dict[str, Dataset], console: Console, *, progress: bool
) -> dict[str, str]:
    """Do all runs; name -> error of those that failed."""
    failures = {}
    for number, item in enumerate(runs, start=1):
        place = f"[{number}/{len(runs)}] {item.title}"
        if item.status == "finished":
            console.print(f"{place}: finished before", markup=False, highlight=False)
            continue
        about = f" (about {item.minutes:.1f} min)" if item.minutes >= 0.5 else ""
        console.print(f"{place}: {item.status}{about}", markup=False, highlight=False)
        try:
            execute(item, suite, parts, progress=progress)
        except Exception as error:  # one method must not take the others down with it
            failures[item.title] = _reason(error)
            console.print(f"{place}: failed: {failures[item.title]}", markup=False, highlight=False)
            continue
        console.print(f"{place}: {_summary(item)}", markup=False, highlight=False)
    return failures


def _reason(error: Exception) -> str:
    """Kind and first line of an error; the run's log has all of it."""
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:300]}"


def _summary(item: PlannedRun) -> str:
    table = pd.read_csv(item.folder / "metrics.csv", dtype={"field": str}).query("field == 'all'")
    means = table.groupby(["horizon", "metric"])["value"].mean()
    parts = []
    for horizon in sorted(set(table["horizon"])):
        error, held = means[horizon, "nmse"], means[horizon, "persistence_nmse"]
        gain = "" if error == 0 else f" ({short(held / error)} x over persistence)"
        parts.append(f"NMSE over {horizon}: {short(error)}{gain}")
    seconds = read_json(item.folder / "cost.json").get("total_seconds", 0.0)
    return f"{', '.join(parts)}, {seconds:.0f} s"


def _existing(suite: Suite, folder: Path) -> tuple[dict[str, Dataset] | None, str]:
    path = data_path(suite, folder)
    return split_parts(suite, path) if path.is_file() else (None, "")


def _command(suite: Any, out: str | Path | None, overrides: Sequence[str]) -> str:
    named = str(suite) if isinstance(suite, str | Path) else "SUITE.yaml"
    parts = ["sciflow bench run", named, *(f"--set {text}" for text in overrides)]
    return " ".join([*parts, *([f"--out {out}"] if out is not None else [])])


def _listing(runs: Sequence[PlannedRun], suite: Suite, *, data_exists: bool) -> Any:
    from rich.table import Table

    minutes, size = sum(item.minutes for item in runs), sum(item.bytes for item in runs)
    note = "" if data_exists else "; the data will be generated first"
    table = Table(title=f"{suite.name}: {len(runs)} runs", caption=f"estimates{note}", show_footer=True)
    table.add_column("run", footer="in all")
    table.add_column("state")
    table.add_column("minutes", footer=f"{minutes:.1f}", justify="right")
    table.add_column("MB", footer=f"{size / 1e6:.0f}", justify="right")
    for item in runs:
        table.add_row(item.title, item.status, f"{item.minutes:.1f}", f"{item.bytes / 1e6:.0f}")
    return table


def _console(progress: bool) -> Console:
    from rich.console import Console

    console = Console(quiet=not progress)
    return console if console.is_terminal else Console(quiet=not progress, width=110)  # a log file
