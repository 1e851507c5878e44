"""How much a recipe's frames change when its cases are solved with other options, such as on twice the grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

import numpy as np

from sciflow.core.errors import InputError
from sciflow.data.generation import generate, recipe_cases
from sciflow.data.reader import Dataset
from sciflow.data.recipe import Recipe
from sciflow.problems import registry


@final
@dataclass(frozen=True)
class Refined:
    """What became of one case.

    Attributes:
        case: its number in the recipe.
        subset: the list that it is from, or "".
        numbers: its dimensionless numbers.
        change: relative change of each field, ``(sum of (a - b)^2 / sum of b^2)^(1/2)`` over all frames and points, b
            being solved with the changes; components of a vector have one change.
        last: the same of the last frame alone.
        seconds: what solving the case took, before and with the changes.
    """

    case: int
    subset: str
    numbers: dict[str, float]
    change: dict[str, float]
    last: dict[str, float]
    seconds: tuple[float, float]


def refine(
    recipe: str | Path | Mapping[str, Any] | Recipe,
    changes: Sequence[str],
    *,
    only: Sequence[int] | None = None,
    overrides: Sequence[str] = (),
) -> list[Refined]:
    """Solve cases of a recipe as it stands and with changes, and compare the stored frames.

    A recipe is fine enough where doubling its grid changes the frames by a few per cent at most.

    Args:
        recipe: as for `sciflow.data.generate`.
        changes: overrides of the second run, such as ``["options.solve_resolution=256"]``.
        only: numbers of the cases; by default those of the lowest, middle and highest Reynolds number of each listed
            subset (see `extremes`).
        overrides: of both runs.

    Raises:
        InputError: the recipe cannot be used, or the two runs have frames of different shapes.
    """
    before = Recipe.load(recipe, list(overrides))
    after = Recipe.load(before, list(changes))
    chosen = list(extremes(before) if only is None else only)
    rows = []
    with TemporaryDirectory() as folder:
        for case in chosen:
            pair = [
                generate(one, Path(folder) / f"{case}-{index}.h5", only=[case])
                for index, one in enumerate((before, after))
            ]
            rows.append(_compared(case, *pair))
            for dataset in pair:
                dataset.close()
    return rows


def extremes(recipe: Recipe, number: str = "Re") -> list[int]:
    """Cases with the lowest, middle and highest value of a dimensionless number among those of each subset.

    Raises:
        InputError: the problem does not declare the number.
    """
    problem = registry.get(recipe.problem)
    groups: dict[str, list[tuple[float, int]]] = {}
    for case in recipe_cases(recipe, problem):
        groups.setdefault(case.subset, []).append((problem.number(number, case.values), case.index))
    chosen = []
    for values in groups.values():
        ordered = [index for _, index in sorted(values)]
        chosen += [ordered[0], ordered[len(ordered) // 2], ordered[-1]]
    return list(dict.fromkeys(chosen))


def _compared(case: int, before: Dataset, after: Dataset) -> Refined:
    if before.shape != after.shape or before.frame_count != after.frame_count or before.fields != after.fields:
        raise InputError(
            f"Case {case} has {before.fields} on {before.shape} in one run and {after.fields} on {after.shape} in the "
            "other; change only how the recipe is solved."
        )
    problem, header = registry.get(before.problem), before.header
    groups: dict[str, list[str]] = {}
    for name in before.fields:
        groups.setdefault(problem.field(name).vector or name, []).append(name)
    parts = {
        label: (before.array(names).astype(np.float64), after.array(names).astype(np.float64))
        for label, names in groups.items()
    }
    subset = header["subset"].attrs["flag_meanings"].split()[int(header["subset"][0])] if "subset" in header else ""
    return Refined(
        case=case,
        subset=subset,
        numbers={name: float(header[name][0]) for name in problem.numbers},
        change={label: _relative(a, b) for label, (a, b) in parts.items()},
        last={label: _relative(a[:, -1], b[:, -1]) for label, (a, b) in parts.items()},
        seconds=(float(before.attrs["generation_seconds"]), float(after.attrs["generation_seconds"])),
    )


def _relative(a: np.ndarray, b: np.ndarray) -> float:
    size = float(np.sum(b**2))
    return float(np.sqrt(np.sum((a - b) ** 2) / size)) if size else float(np.sqrt(np.sum(a**2)))
