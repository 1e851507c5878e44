"""One run: fit (or resume, or load), score, and leave a folder that says how.

A run folder holds config.json, environment.json, log.jsonl, checkpoint/, metrics.csv, curves.csv, example.h5 and
cost.json. It is called ``.partial`` until it is whole. What was fitted stays when only scoring was interrupted.
"""

from __future__ import annotations

import inspect
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sciflow.core import Method, atomic_path, describe, explained
from sciflow.evaluation.cost import PeakMemory
from sciflow.evaluation.forecast import ForecastTask, evaluate
from sciflow.evaluation.methods import build_entry
from sciflow.evaluation.plan import PlannedRun, evaluation_digest, read_json

if TYPE_CHECKING:
    from sciflow.data import Dataset
    from sciflow.evaluation.suite import Suite


def execute(run: PlannedRun, suite: Suite, parts: dict[str, Dataset], *, progress: bool = False) -> None:
    """Do what is left of a run; afterwards its folder is finished.

    Args:
        run: from `plan`.
        suite: the suite it belongs to.
        parts: train, valid and test.
        progress: show the progress of training.

    Raises:
        Exception: whatever the method raises; it is written to the log first, and the state of training is removed, so
            that the next attempt starts anew.
    """
    folder = run.folder if run.status == "rescore" else run.partial
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write = _logger(folder / "log.jsonl")
    write({"event": run.status})
    try:
        method = _fitted(run, suite, parts, folder, write, progress=progress)
        _score(run, suite, parts["test"], method, folder, write)
    except Exception as error:
        write({"event": "failed", "error": f"{type(error).__name__}: {error}"})
        shutil.rmtree(folder / "training", ignore_errors=True)
        raise
    shutil.rmtree(folder / "training", ignore_errors=True)
    write({"event": "finished"})
    if folder != run.folder:
        folder.rename(run.folder)


def _fitted(
    run: PlannedRun,
    suite: Suite,
    parts: dict[str, Dataset],
    folder: Path,
    write: Callable[[dict[str, Any]], None],
    *,
    progress: bool,
) -> Method:
    """The fitted method: loaded if its checkpoint is complete, else fitted and saved."""
    method = build_entry(run.entry, run.seed, suite.task.frames_in)
    cost = read_json(folder / "cost.json")
    if "fit_seconds" in cost:
        if (folder / "checkpoint").is_dir():
            return type(method).load(folder / "checkpoint")
        return method.fit(parts["train"], parts.get("valid"))  # cannot be stored: foreign code or a solver
    _write_json(folder / "config.json", _config(run, suite, scored=False))
    _write_json(folder / "environment.json", describe())
    extra = _fit_options(method, folder, write, progress=progress)
    begin = time.perf_counter()
    with PeakMemory() as memory:
        method.fit(parts["train"], parts.get("valid"), **extra)
    seconds = time.perf_counter() - begin
    if type(method).save is not Method.save:
        method.save(folder / "checkpoint")
    known = {name: float(value) for name, value in method.cost().items() if value is not None}
    measured = {"fit_seconds": seconds, "training_seconds": seconds, **known}
    _write_json(folder / "cost.json", {**measured, "peak_memory": memory.bytes or known.get("peak_memory")})
    write({"event": "fitted", "seconds": measured["training_seconds"]})
    return method


def _fit_options(
    method: Method, folder: Path, write: Callable[[dict[str, Any]], None], *, progress: bool
) -> dict[str, Any]:
    """Further arguments that this method's fit understands: where to resume from, progress, and a log."""
    offered = {"resume": folder / "training", "progress": progress, "on_step": _records(write)}
    accepted = inspect.signature(method.fit).parameters
    return {name: value for name, value in offered.items() if name in accepted}


def _records(write: Callable[[dict[str, Any]], None]) -> Callable[[Any], None]:
    def record(step: Any, /) -> None:
        write({"event": "step", **vars(step)})

    return record


def _score(
    run: PlannedRun,
    suite: Suite,
    test: Dataset,
    method: Method,
    folder: Path,
    write: Callable[[dict[str, Any]], None],
) -> None:
    task = ForecastTask(suite.task.horizons, suite.task.frames_in)
    begin = time.perf_counter()
    with PeakMemory() as memory:
        scored = evaluate(method, test, task, suite.metrics)
    seconds = time.perf_counter() - begin
    for name, table in (("metrics.csv", scored.table), ("curves.csv", scored.curves)):
        with atomic_path(folder / name) as temporary:
            table.to_csv(temporary, index=False)
    with atomic_path(folder / "example.h5") as temporary:
        scored.example.to_netcdf(temporary, engine="h5netcdf")
    cost = read_json(folder / "cost.json")
    peaks = [value for value in (cost.get("peak_memory"), memory.bytes) if value]
    cost |= {"seconds_per_frame": scored.seconds_per_frame, "evaluation_seconds": seconds}
    cost |= {"peak_memory": max(peaks) if peaks else None, "total_seconds": cost["training_seconds"] + seconds}
    _write_json(folder / "cost.json", cost)
    skipped = [list(item) for item in scored.skipped]
    _write_json(folder / "config.json", {**_config(run, suite, scored=True), "skipped": skipped})
    write({"event": "scored", "seconds": seconds})


def _config(run: PlannedRun, suite: Suite, *, scored: bool) -> dict[str, Any]:
    config = {
        "suite": suite.name,
        "label": run.entry.title,
        "seed": run.seed,
        "split": suite.split,
        "identity": run.identity,
        "budget": suite.budget,
    }
    if scored:
        config |= {
            "task": suite.task.model_dump(mode="json"),
            "metrics": list(suite.metrics),
            "evaluation_digest": evaluation_digest(suite),
        }
    return config


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _logger(path: Path) -> Callable[[dict[str, Any]], None]:
    """A function that appends one JSON line with the time; text that broke off in an earlier run is closed first."""
    if path.exists() and not path.read_bytes().endswith(b"\n") and path.stat().st_size:
        with path.open("a", encoding="utf-8") as file:
            file.write("\n")

    def write(record: dict[str, Any]) -> None:
        with explained(path), path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"time": round(time.time(), 3), **record}) + "\n")

    return write
