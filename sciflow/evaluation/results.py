"""Results of a suite as tidy tables, and the files they are kept in."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import pandas as pd

from sciflow.core import InputError, atomic_path
from sciflow.evaluation.json_text import to_json

COLUMNS = ["suite", "method", "seed", "split", "horizon", "metric", "field", "case", "value"]
CURVE_COLUMNS = ["suite", "method", "seed", "split", "horizon", "metric", "field", "step", "case", "value"]


@final
@dataclass(frozen=True, eq=False)
class Results:
    """Everything a suite has measured.

    Attributes:
        table: one row per method, seed, split, horizon, metric, field and case (`COLUMNS`); frames and starts pooled.
        curves: the same by lead time (`CURVE_COLUMNS`).
        costs: one row per run: method, seed, folder, parameters, training_seconds, seconds_per_frame, peak_memory in
            bytes, flops and so on; frame_seconds holds single timings, history the validations [step, seconds, error]
            of a training. What a run does not know is missing.
        facts: what the numbers rest on: suite, title, data set and its digest, split, task, budget, environment;
            generation_seconds of all cases and their numbers, cases["train"] and so on, if sciflow made the data.
        failures: run -> why it failed.
    """

    table: pd.DataFrame
    curves: pd.DataFrame
    costs: pd.DataFrame
    facts: dict[str, Any] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def methods(self) -> list[str]:
        """Labels of the methods, in the order of the suite."""
        return list(dict.fromkeys(self.table["method"]))

    @property
    def split(self) -> str:
        """The split that methods are ranked on; others, such as "random@128", test what a method transfers to."""
        return str(self.facts.get("split") or self.table["split"].iloc[0])

    @property
    def transfers(self) -> list[str]:
        """The other splits, in the order of the table."""
        return [str(name) for name in dict.fromkeys(self.table["split"]) if name != self.split]

    @property
    def reference(self) -> str:
        """The forecast that ``persistence_nmse`` belongs to: the training mean where a task has no start frames."""
        return "persistence" if self.kind == "forecast" else "training mean"

    @property
    def kind(self) -> str:
        """Kind of the task: "forecast", "parametric", "map" or "condition"."""
        return str((self.facts.get("task") or {}).get("kind", "forecast"))

    def write(self, folder: str | Path) -> None:
        """Write ``results.csv``, ``curves.csv`` and ``results.json`` (facts, costs, failures, the table once more)."""
        path = Path(folder)
        for name, table in (("results.csv", self.table), ("curves.csv", self.curves)):
            with atomic_path(path / name) as temporary:
                table.to_csv(temporary, index=False)
        content = {
            "facts": self.facts,
            "failures": self.failures,
            "costs": [_known(record) for record in self.costs.to_dict("records")],
            "results": self.table.to_dict("records"),
        }
        with atomic_path(path / "results.json") as temporary:
            temporary.write_text(to_json(content), encoding="utf-8")

    @classmethod
    def read(cls, folder: str | Path) -> Results:
        """Read what `write` wrote.

        Raises:
            InputError: the folder holds no results.
        """
        path = Path(folder)
        try:
            content = json.loads((path / "results.json").read_text(encoding="utf-8"))
            tables = [pd.read_csv(path / name, dtype={"field": str}) for name in ("results.csv", "curves.csv")]
        except (OSError, ValueError) as error:
            raise InputError(
                f"{path} holds no results ({error}); run a suite with this output folder first."
            ) from error
        costs = pd.DataFrame([_numbers(record) for record in content["costs"]])
        return cls(tables[0], tables[1], costs, content["facts"], content["failures"])


def _known(record: dict[Any, Any]) -> dict[str, Any]:
    """A row without what is missing in it."""
    return {str(name): value for name, value in record.items() if not (isinstance(value, float) and math.isnan(value))}


def _numbers(record: dict[str, Any]) -> dict[str, Any]:
    """A row with the numbers that JSON lacks put back."""
    return {name: float(value) if value in ("inf", "-inf", "nan") else value for name, value in record.items()}
