"""One run: fit (or resume, or load), score, and leave a folder that says how.

A run folder holds config.json, environment.json, log.jsonl, checkpoint/, metrics.csv, curves.csv, example.h5 and
cost.json. It is called ``.partial`` until it is whole. What was fitted stays when only scoring was interrupted.
"""

from __future__ import annotations

import inspect
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sciflow.core import InputError, Method, atomic_path, describe, explained
from sciflow.evaluation.calibration import calibrated
from sciflow.evaluation.cost import PeakMemory
from sciflow.evaluation.forecast import evaluate
from sciflow.evaluation.methods import build_base, completed
from sciflow.evaluation.plan import PlannedRun, base_digest, evaluation_digest, read_json
from sciflow.evaluation.shared_training import take_training
from sciflow.evaluation.tasks import on_grid, training_mean
from sciflow.evaluation.tuning import tune

if TYPE_CHECKING:
    from sciflow.data import Dataset
    from sciflow.evaluation.suite import MethodEntry, Suite


def execute(
    run: PlannedRun,
    suite: Suite,
    parts: dict[str, Dataset],
    transfer: Mapping[str, Dataset] | None = None,
    *,
    progress: bool = False,
    log: Sequence[str] = (),
) -> None:
    """Do what is left of a run; afterwards its folder is finished.

    Args:
        run: from `plan`.
        suite: the suite it belongs to.
        parts: train, valid and test.
        transfer: the test cases on other grids, by label.
        progress: show the progress of training.
        log: names of `sciflow.training.loggers` that take down the training of networks, in the run's folder ``logs``.

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
        trained = _fitted(run, suite, parts, folder, write, progress=progress, log=log)
        method = calibrated(completed(trained, run.entry), parts.get("valid"), suite.task.asked)
        _score(run, suite, parts, transfer or {}, method, folder, write)
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
    log: Sequence[str],
) -> Method:
    """The trained part of a run: loaded if a checkpoint of it is complete, here or in another run, else fitted."""
    task = suite.task.asked
    if "fit_seconds" not in read_json(folder / "cost.json"):
        _write_json(folder / "config.json", _config(run, suite, scored=False))
        _write_json(folder / "environment.json", describe())
        if (source := take_training(run.base, folder, run.folder.parent)) is not None:
            write({"event": "shared", "training_of": source})
    if "fit_seconds" in read_json(folder / "cost.json"):
        method = build_base(run.entry, run.seed, task)
        if (folder / "checkpoint").is_dir():
            return type(method).load(folder / "checkpoint")
        return method.fit(parts["train"], parts.get("valid"))  # cannot be stored: foreign code or a solver
    entry, tuning_seconds = _tuned(run, suite, parts)
    method = build_base(entry, run.seed, task)
    extra = _fit_options(method, folder, write, progress=progress, log=log)
    begin = time.perf_counter()
    with PeakMemory() as memory:
        method.fit(parts["train"], parts.get("valid"), **extra)
    seconds = time.perf_counter() - begin
    if type(method).save is not Method.save:
        method.save(folder / "checkpoint")
    known = {name: float(value) for name, value in method.cost().items() if value is not None}
    measured: dict[str, Any] = {"fit_seconds": seconds, "training_seconds": seconds, **known, **tuning_seconds}
    measured |= {"learns": bool(getattr(method, "learns", True)), "device": _device(method)}
    _write_json(folder / "cost.json", {**measured, "peak_memory": memory.bytes or known.get("peak_memory")})
    write({"event": "fitted", "seconds": measured["training_seconds"]})
    return method


def _tuned(run: PlannedRun, suite: Suite, parts: dict[str, Dataset]) -> tuple[MethodEntry, dict[str, float]]:
    """The entry with the values that its tuning chose, and what the tuning took; the same for all seeds of an entry."""
    entry = run.entry
    if suite.tuning is None or not entry.search:
        return entry, {}
    task, seed = suite.task.asked, suite.seeds[0]
    shared = base_digest({name: value for name, value in run.identity.items() if name != "seed"})
    folder = run.folder.parents[1] / "tuning" / shared

    def candidate(config: Mapping[str, Any], training: Mapping[str, Any]) -> Method:
        changed = entry.model_copy(update={"config": dict(config), "training": dict(training), "ensemble": None})
        return build_base(changed, seed, task)

    setting = (entry.title, entry.config, entry.training, entry.search, suite.tuning)
    found = tune(*setting, parts["train"], parts.get("valid"), folder, candidate)
    chosen = entry.model_copy(update={"config": found.config, "training": found.training})
    return chosen, {"tuning_seconds": found.seconds}


def _device(method: Method) -> str:
    """Where a method computes: that of its network, else JAX's default where it is a solver, else the CPU."""
    network = getattr(next(iter(getattr(method, "methods", ())), method), "network", None)
    if network is not None:
        return next((parameter.device.type for parameter in network.parameters()), "cpu")
    if getattr(method, "learns", True):
        return "cpu"
    import jax

    return {"gpu": "cuda"}.get(jax.default_backend(), jax.default_backend())


def _fit_options(
    method: Method, folder: Path, write: Callable[[dict[str, Any]], None], *, progress: bool, log: Sequence[str]
) -> dict[str, Any]:
    """Further arguments that this method's fit understands: where to resume from, progress, and logs."""
    offered = {"resume": folder / "training", "progress": progress, "on_step": _records(write)}
    accepted = inspect.signature(method.fit).parameters
    if log and "loggers" in accepted:
        from sciflow.training.loggers import open_logger

        offered["loggers"] = [open_logger(name, folder / "logs" / name) for name in log]
    return {name: value for name, value in offered.items() if name in accepted}


def _records(write: Callable[[dict[str, Any]], None]) -> Callable[[Any], None]:
    def record(step: Any, /) -> None:
        write({"event": "step", **vars(step)})

    return record


def _score(
    run: PlannedRun,
    suite: Suite,
    parts: dict[str, Dataset],
    transfer: Mapping[str, Dataset],
    method: Method,
    folder: Path,
    write: Callable[[dict[str, Any]], None],
) -> None:
    task, test = suite.task.asked, parts["test"]
    steps = max(horizon.steps for horizon in task.horizons_on(test))
    reference = training_mean(parts["train"], task, steps)
    begin = time.perf_counter()
    with PeakMemory() as memory:
        flows = () if run.entry.predictions is not None else suite.equivariance  # a file answers no moved query
        scored = evaluate(method, test, task, suite.metrics, reference=reference, equivariance=flows)
    seconds = time.perf_counter() - begin
    others, refused = _transferred(suite, parts["train"], transfer, method, reference)
    tables = {"metrics.csv": scored.table, "curves.csv": scored.curves, "transfer.csv": others}
    for name, table in tables.items():
        if table is None:
            (folder / name).unlink(missing_ok=True)  # of an earlier scoring
            continue
        with atomic_path(folder / name) as temporary:
            table.to_csv(temporary, index=False)
    with atomic_path(folder / "example.h5") as temporary:
        scored.example.to_netcdf(temporary, engine="h5netcdf")
    cost = read_json(folder / "cost.json")
    peaks = [value for value in (cost.get("peak_memory"), memory.bytes) if value]
    cost |= {"seconds_per_frame": scored.seconds_per_frame, "frame_seconds": list(scored.frame_seconds)}
    total = cost["training_seconds"] + cost.get("tuning_seconds", 0.0) + seconds
    cost |= {"evaluation_seconds": seconds, "total_seconds": total, "peak_memory": max(peaks) if peaks else None}
    _write_json(folder / "cost.json", cost)
    skipped = [list(item) for item in scored.skipped]
    _write_json(folder / "config.json", {**_config(run, suite, scored=True), "skipped": skipped, "refused": refused})
    write({"event": "scored", "seconds": seconds})


def _transferred(
    suite: Suite, train: Dataset, transfer: Mapping[str, Dataset], method: Method, reference: np.ndarray | None
) -> tuple[pd.DataFrame | None, dict[str, str]]:
    """Scores on other grids, with a column "grid"; and why a method has none there."""
    tables, refused = [], {}
    for label, dataset in transfer.items():
        there = None if reference is None else on_grid(reference, train, dataset)
        try:
            table = evaluate(method, dataset, suite.task.asked, suite.metrics, reference=there).table
        except InputError as error:
            refused[label] = str(error)
            continue
        original = np.asarray(dataset.header["source_index"].values)
        tables.append(table.assign(grid=label, case=original[table["case"].to_numpy()]))
    return (pd.concat(tables, ignore_index=True) if tables else None), refused


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
            "task": suite.task.described,
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
