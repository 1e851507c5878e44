"""Which runs a suite consists of, which of them are done, and what the others will take."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

import sciflow
from sciflow.core import digest
from sciflow.evaluation.methods import is_network, seeds_of

if TYPE_CHECKING:
    from sciflow.data import Dataset
    from sciflow.evaluation.suite import MethodEntry, Suite

Status = Literal["finished", "rescore", "resume", "new"]
_SECONDS_PER_STEP = 0.05  # batch 16 on 32 x 32, 2 cores; stated where nothing better is known
_REFERENCE = 16 * 32 * 32
_STEPS = 2000
_AFTER_TRAINING = ("predict", "conserve", "conformal")  # parts of an identity
_BASELINE_MINUTES, _NETWORK_BYTES, _BASELINE_BYTES = 0.25, 25e6, 15e6


@final
@dataclass(frozen=True)
class PlannedRun:
    """One method with one seed.

    Attributes:
        entry: the suite's entry.
        seed: of the method.
        folder: where a finished run lies; an unfinished one is beside it, its name ending in ``.partial``.
        identity: all that the fitted method depends on, as JSON values.
        status: finished; rescore (fitted, but other scores are wanted); resume (interrupted); new.
        minutes, bytes: estimates of what is left to do, 0 if finished.
    """

    entry: MethodEntry
    seed: int
    folder: Path
    identity: dict[str, Any]
    status: Status
    minutes: float
    bytes: float

    @property
    def base(self) -> str:
        """Digest of all that the trained part depends on; runs with the same one share one training."""
        return base_digest(self.identity)

    @property
    def partial(self) -> Path:
        """Folder of the run while it is not finished."""
        return self.folder.with_name(f"{self.folder.name}.partial")

    @property
    def title(self) -> str:
        """For progress and logs."""
        return f"{self.entry.title}, seed {self.seed}"


def plan(suite: Suite, out: Path, parts: dict[str, Dataset] | None, data_digest: str) -> list[PlannedRun]:
    """The runs of a suite in its order.

    Args:
        suite: the suite.
        out: its output folder.
        parts: train, valid and test, or None before the data exist.
        data_digest: of the data set; "" before it exists.

    Raises:
        UnknownNameError: a method is not registered.
    """
    split = {name: [int(case) for case in part.cases] for name, part in (parts or {}).items()}
    cells = 1
    for size in parts["train"].shape if parts else (32, 32):
        cells *= int(size)
    wanted = evaluation_digest(suite)
    runs: list[PlannedRun] = []
    for entry in suite.methods:
        for seed in seeds_of(entry, suite.seeds):
            identity = {
                "version": sciflow.__version__,
                "source": list(entry.source),
                "config": entry.config,
                "training": entry.training,
                "frames_in": suite.task.asked.frames_in,
                "seed": seed,
                "data": data_digest,
                "split": digest(split),
                "content": _content(entry),
            }
            if suite.task.step > 1:
                identity["step"] = suite.task.step
            if suite.tuning is not None and entry.search:
                identity |= {"search": entry.search, "tuning": suite.tuning.model_dump(mode="json")}
            identity |= _around(entry)
            name = f"{_slug(entry.title)}-seed{seed}-{digest(identity)}"
            folder = out / "runs" / name
            status = _status(folder, wanted) if parts else "new"
            minutes, size_ = _estimate(entry, out, cells, status, _tuning_steps(entry, suite))
            if any(earlier.base == base_digest(identity) for earlier in runs):
                minutes = min(minutes, _BASELINE_MINUTES)
            runs.append(PlannedRun(entry, seed, folder, identity, status, minutes, size_))
    return runs


def evaluation_digest(suite: Suite) -> str:
    """Short hash of everything that scores depend on beside the fitted method."""
    transfer = [grid.model_dump(mode="json") for grid in suite.transfer]
    flows = {"equivariance": list(suite.equivariance)} if suite.equivariance else {}
    return digest({"task": suite.task.described, "metrics": list(suite.metrics), "transfer": transfer, **flows})


def base_digest(identity: Mapping[str, Any]) -> str:
    """Short hash of the part of a run's identity that its training depends on."""
    return digest({name: value for name, value in identity.items() if name not in _AFTER_TRAINING})


def _around(entry: MethodEntry) -> dict[str, Any]:
    """What an entry asks for beside a single trained model; nothing where it does not."""
    found: dict[str, Any] = {} if entry.ensemble is None else {"ensemble": entry.ensemble}
    found |= {"predict": entry.predict} if entry.predict else {}
    found |= {} if entry.conserve is None else {"conserve": entry.conserve}
    return found | ({"conformal": True} if entry.conformal else {})


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file's mapping, empty if the file is missing or broken off."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _status(folder: Path, wanted: str) -> Status:
    if folder.is_dir():
        return "finished" if read_json(folder / "config.json").get("evaluation_digest") == wanted else "rescore"
    return "resume" if folder.with_name(f"{folder.name}.partial").is_dir() else "new"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "method"


def _content(entry: MethodEntry) -> str:
    """Hash of the file behind a callable or predictions, so that a changed file is scored again."""
    kind, value = entry.source
    if kind == "method":
        return ""
    path = Path(value)
    if kind == "callable":
        try:
            found = importlib.util.find_spec(value.partition(":")[0])
        except (ImportError, ValueError):
            found = None
        path = Path(found.origin) if found is not None and found.origin else Path()
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _tuning_steps(entry: MethodEntry, suite: Suite) -> int:
    """Optimiser steps that come before the training."""
    return suite.tuning.trials * suite.tuning.steps if suite.tuning is not None and entry.search else 0


def _estimate(entry: MethodEntry, out: Path, cells: int, status: Status, tuning: int) -> tuple[float, float]:
    """Minutes and bytes: from an earlier run of the same method here, else from stated rates."""
    if status == "finished":
        return 0.0, 0.0
    kind, value = entry.source
    network = kind == "method" and is_network(value)
    steps = int(entry.training.get("steps", _STEPS)) * (entry.ensemble or 1) if network else 1
    for cost in sorted(out.glob("runs/*/cost.json")):
        config, seconds = read_json(cost.with_name("config.json")), read_json(cost)
        earlier = config.get("identity", {})
        if earlier.get("source") == [kind, value] and "total_seconds" in seconds:
            before = int(earlier.get("training", {}).get("steps", _STEPS)) if network else 1
            before *= (earlier.get("ensemble") or 1) if network else 1
            size = sum(file.stat().st_size for file in cost.parent.rglob("*") if file.is_file())
            rate = (seconds["total_seconds"] - seconds.get("tuning_seconds", 0.0)) / before
            return rate * (steps + tuning) / 60, float(size)
    if not network:
        return _BASELINE_MINUTES, _BASELINE_BYTES
    batch = int(entry.training.get("batch_size", 16))
    return _SECONDS_PER_STEP * (steps + tuning) * batch * cells / _REFERENCE / 60, _NETWORK_BYTES
