"""The splits of CFDBench, by its own procedure, and the committed lists of them.

Cases of the chosen subsets are joined in the order prop, bc, geo, each by number, shuffled by Python's generator with
seed 0, and cut at 80 % and 90 %. Whether sizes are rounded (half to even) or cut off depends on problem and task.

Source: Luo et al. (2023), CFDBench (arXiv:2310.05963), and its data loaders.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sciflow.core.errors import InputError
from sciflow.data.splits import CannotSplit, members

if TYPE_CHECKING:
    from sciflow.data.reader import Dataset
    from sciflow.data.splits import Split

Task = Literal["forecast", "parametric"]
ORDER = ("prop", "bc", "geo")
FRACTIONS = {"train": 0.8, "valid": 0.1, "test": 0.1}
COUNTS: dict[str, dict[str, int]] = {
    "cavity": {"prop": 84, "bc": 50, "geo": 25},
    "tube": {"prop": 100, "bc": 50, "geo": 25},
    "dam": {"prop": 100, "bc": 70, "geo": 50},
    "cylinder": {"prop": 115, "bc": 50, "geo": 20},
}


def settings() -> list[tuple[str, ...]]:
    """The seven settings of a problem: each subset, each pair, and all."""
    return [chosen for size in (1, 2, 3) for chosen in combinations(ORDER, size)]


def split_name(subsets: Sequence[str]) -> str:
    """What the split of a setting is called, such as "paper-prop+bc"."""
    return "paper-" + "+".join(name for name in ORDER if name in subsets)


def paper(dataset: Dataset, subsets: Sequence[str], *, task: Task = "forecast") -> Split:
    """The published split of a data set whose coordinate ``subset`` says from which list a case comes.

    Args:
        dataset: cases of ``cavity``, ``tube``, ``dam`` or ``cylinder``, each list in its published order.
        subsets: of "prop", "bc" and "geo".
        task: rounding differs between forecast and parametric task for tube and dam.

    Raises:
        InputError: a subset is unknown or not in the data set, or the problem is none of CFDBench's.
    """
    if dataset.problem not in COUNTS:
        raise InputError(
            f"The published splits are those of {', '.join(COUNTS)}; the data set is of '{dataset.problem}'."
        )
    wrong = [name for name in subsets if name not in ORDER]
    if wrong or not subsets:
        raise InputError(f"The published splits know the subsets {', '.join(ORDER)}, not {list(subsets)}.")
    found = members(dataset, [name for name in ORDER if name in subsets])
    cases = [int(case) for own in found.values() for case in own]
    parts = drawn(len(cases), dataset.problem, task)
    if not all(parts.values()):
        raise CannotSplit(f"The published split of {len(cases)} cases has an empty part; it needs at least 10.")
    return {part: sorted(cases[index] for index in own) for part, own in parts.items()}


def published(dataset: Dataset) -> dict[str, Split]:
    """Every published split of the forecast task that the cases of a data set allow, by name."""
    found = {}
    for chosen in settings():
        with suppress(CannotSplit):
            found[split_name(chosen)] = paper(dataset, chosen)
    return found


def drawn(count: int, problem: str, task: Task) -> dict[str, list[int]]:
    """Positions in the joined list of cases, by part, in the published order."""
    order = list(range(count))
    random.Random(0).shuffle(order)
    whole = int if problem == "cylinder" or (problem in ("tube", "dam") and task == "forecast") else round
    train, valid = whole(FRACTIONS["train"] * count), whole(FRACTIONS["valid"] * count)
    return {"train": order[:train], "valid": order[train : train + valid], "test": order[train + valid :]}


def case_lists() -> dict[str, Any]:
    """Every published split: problem, task, split and part, then positions in each subset, from 0.

    The lists of a task are left out where they are those of the other one.
    """
    lists: dict[str, Any] = {}
    for problem, counts in COUNTS.items():
        tasks = {task: _of_problem(problem, counts, task) for task in ("forecast", "parametric")}
        other = {name: own for name, own in tasks["parametric"].items() if own != tasks["forecast"][name]}
        lists[problem] = {"counts": counts, "forecast": tasks["forecast"], **({"parametric": other} if other else {})}
    return lists


def _of_problem(problem: str, counts: Mapping[str, int], task: Task) -> dict[str, dict[str, dict[str, list[int]]]]:
    found = {}
    for chosen in settings():
        places = [(name, index) for name in chosen for index in range(counts[name])]
        parts = drawn(len(places), problem, task)
        found[split_name(chosen)] = {
            part: {name: sorted(places[own][1] for own in numbers if places[own][0] == name) for name in chosen}
            for part, numbers in parts.items()
        }
    return found


def write_case_lists(path: str | Path) -> None:
    """Write `case_lists` as JSON, one line for each part."""
    lines = []
    for problem, content in case_lists().items():
        rows = [f'  "counts": {json.dumps(content["counts"])}']
        for task in ("forecast", "parametric"):
            named = [
                f'   "{name}": {{\n'
                + ",\n".join(f'    "{p}": {json.dumps(own)}' for p, own in parts.items())
                + "\n   }"
                for name, parts in content.get(task, {}).items()
            ]
            if named:
                rows.append(f'  "{task}": {{\n' + ",\n".join(named) + "\n  }")
        lines.append(f' "{problem}": {{\n' + ",\n".join(rows) + "\n }")
    Path(path).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
