"""One training for all runs of a suite whose trained part is the same."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from sciflow.core import atomic_path
from sciflow.evaluation.plan import base_digest, read_json

_OF_SCORING = ("seconds_per_frame", "frame_seconds", "evaluation_seconds", "total_seconds")


def take_training(base: str, folder: Path, runs: Path) -> str | None:
    """Give a run the checkpoint of another one with the same trained part, and what that training cost.

    Files are linked where the file system can, else copied. ``cost.json`` comes last, so that a run that has it is
    whole.

    Args:
        base: digest of the trained part, see `PlannedRun.base`.
        folder: of the run.
        runs: the folders of all runs of the suite, finished or not.

    Returns:
        Name of the other run; None if there is none that can be used.
    """
    for other in sorted(runs.iterdir()):
        cost = read_json(other / "cost.json")
        identity = read_json(other / "config.json").get("identity")
        checkpoint = other / "checkpoint"
        if other == folder or identity is None or "fit_seconds" not in cost or not checkpoint.is_dir():
            continue
        if base_digest(identity) != base:
            continue
        with atomic_path(folder / "checkpoint") as temporary:
            shutil.copytree(checkpoint, temporary, copy_function=_linked)
        kept = {name: value for name, value in cost.items() if name not in _OF_SCORING}
        with atomic_path(folder / "cost.json") as temporary:
            temporary.write_text(json.dumps(kept, indent=1), encoding="utf-8")
        return other.name
    return None


def _linked(source: str, target: str) -> None:
    """A file under a second name."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
