"""Results of a suite as tidy tables, and the files they are kept in."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import pandas as pd

from sciflow.core import InputError, atomic_path

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
            bytes, and so on.
        facts: what the numbers rest on: suite, title, data set and its digest, split, task, budget, environment.
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

    def write(self, folder: str | Path) -> None:
        """Write ``results.csv``, ``curves.csv`` and ``results.json`` (facts, costs, failures, the table once more)."""
        path = Path(folder)
        for name, table in (("results.csv", self.table), ("curves.csv", self.curves)):
            with atomic_path(path / name) as temporary:
                table.to_csv(temporary, index=False)
        content = {
            "facts": self.facts,
            "failures": self.failures,
            "costs": self.costs.to_dict("records"),
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
        costs = pd.DataFrame(content["costs"])
        return cls(tables[0], tables[1], costs, content["facts"], content["failures"])


def to_json(content: Any) -> str:
    """JSON text; numbers that are not finite, which JSON lacks, become the strings "inf", "-inf" and "nan"."""
    return json.dumps(_finite(content), indent=1, ensure_ascii=False)


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {str(key): _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    if hasattr(content, "item"):
        content = content.item()
    if isinstance(content, float) and not math.isfinite(content):
        return str(content)
    return content
