"""Time to target: training seconds until the validation error first fell to a common target.

Networks of one suite share the normaliser, so that their validation errors compare as long as they minimise the same
loss of the same quantity over as many frames. Those that differ from most in ``loss``, ``predict``, ``frames_out``,
``unroll`` or ``pushforward`` are left out. The target
is the suite's, or the worst of all best validation errors, which every run reaches. A training validates ten times
unless its settings say otherwise, so the seconds are known to a tenth of the training. Tuning does not count.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any, final

import pandas as pd

from sciflow.evaluation.plan import read_json
from sciflow.evaluation.results import Results

_OBJECTIVE = {"loss": "mse", "frames_out": 1, "unroll": 1, "pushforward": False}  # with their defaults


@final
class History(list[tuple[float, float]]):
    """Validations of one training, in order: (seconds, validation error)."""

    def seconds_to(self, target: float) -> float:
        """Seconds at the first error that is not above the target; infinite if there is none."""
        return next((seconds for seconds, error in self if error <= target), math.inf)

    @property
    def best(self) -> float:
        """The lowest validation error."""
        return min((error for _, error in self), default=math.inf)


def read_history(log: str | Path) -> list[list[float]]:
    """The validations [seconds, error] of a run's ``log.jsonl``, without steps that an interruption undid.

    Lines that broke off are passed over; a file that does not exist has no validations.
    """
    path = Path(log)
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    found: list[tuple[int, float, float]] = []
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if record.get("event") != "step":
            continue
        # A training that goes on from a stored state, or starts anew, does these steps again.
        found = [item for item in found if item[0] < record["step"]]
        if record.get("valid") is not None:
            found.append((int(record["step"]), float(record["seconds"]), float(record["valid"])))
    return [[seconds, error] for _, seconds, error in found]


def objective(folder: Path, training: dict[str, Any]) -> str:
    """What a run's validation error is an error of, as a text that is equal for comparable runs.

    Args:
        folder: of the run; its checkpoint holds all settings.
        training: those that the suite gave, used where there is no checkpoint.
    """
    settings = read_json(folder / "checkpoint" / "model.json").get("training") or training
    chosen = {name: settings.get(name, default) for name, default in _OBJECTIVE.items()}
    chosen["predict"] = settings.get("predict") or ("increment" if settings.get("frames_in", 1) else "state")
    return json.dumps(chosen, sort_keys=True)


def time_to_target(results: Results) -> tuple[float, dict[str, float]]:
    """The target and the mean seconds over seeds that each comparable network took to reach it.

    Seconds are infinite where a seed never reached the target; methods without comparable validations are left out.
    Without any the target is nan.

    Args:
        results: costs hold ``history`` (see `read_history`) and ``objective``; ``facts["target"]`` may give a target.
    """
    runs = _comparable(results.costs)
    if not runs:
        return math.nan, {}
    given = results.facts.get("target")
    target = float(given) if given is not None else max(history.best for _, history in runs)
    seconds: dict[str, list[float]] = {}
    for method, history in runs:
        seconds.setdefault(method, []).append(history.seconds_to(target))
    return target, {method: sum(values) / len(values) for method, values in seconds.items()}


def _comparable(costs: pd.DataFrame) -> list[tuple[str, History]]:
    """Method and history of each run that has one and that shares the commonest objective."""
    found = []
    for record in costs.to_dict("records"):
        stored = record.get("history")
        if isinstance(stored, list | tuple) and stored:
            history = History((float(seconds), float(error)) for seconds, error in stored)
            found.append((str(record["method"]), history, str(record.get("objective", ""))))
    if not found:
        return []
    common = Counter(objective for _, _, objective in found).most_common(1)[0][0]  # the first one among equals
    return [(method, history) for method, history, objective in found if objective == common]
