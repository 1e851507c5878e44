"""The data of a suite: where they lie, generating them if need be, and their split."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import sciflow
from sciflow.core import InputError, digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from sciflow.data import Dataset, Recipe
    from sciflow.evaluation.suite import Suite


def data_path(suite: Suite, folder: Path) -> Path:
    """File of the data set.

    That of a recipe has a digest of the recipe, of the problem's declaration and of the version of sciflow in its name:
    a change of any is a new file.

    Raises:
        UnknownNameError: there is no such recipe or problem.
    """
    if suite.source.path is not None:
        return Path(suite.source.path)
    from sciflow import problems

    recipe = _recipe(suite)
    made_of = {"recipe": recipe, "problem": problems.get(recipe.problem).hash, "version": sciflow.__version__}
    return folder / "data" / f"{recipe.name}-{digest(made_of)[:8]}.h5"


def prepare(suite: Suite, folder: Path, console: Console) -> Path:
    """Path of the data set, generated now if its recipe has not been run yet.

    Raises:
        InputError: the file does not exist, or the recipe cannot be used.
    """
    path = data_path(suite, folder)
    if path.is_file():
        return path
    if suite.source.path is not None:
        raise InputError(f"The data set {path} of the suite '{suite.name}' does not exist.")
    from sciflow.data import generate

    recipe = _recipe(suite)
    count = _count(recipe)
    console.print(f"generating {path} ({count} cases by the recipe '{recipe.name}')", highlight=False)
    with _bar(console, count) as progress:
        generate(recipe, path, workers=_cpus(), progress=progress).close()
    return path


def data_bytes(suite: Suite) -> float:
    """About how large the file of a recipe will be."""
    from sciflow import problems

    recipe = _recipe(suite)
    problem = problems.get(recipe.problem)
    sizes = (recipe.resolution,) * len(problem.axes) if isinstance(recipe.resolution, int) else recipe.resolution
    frames = 1 if recipe.times is None else recipe.times.frames
    values = _count(recipe) * frames * len(recipe.fields or problem.fields) * math.prod(sizes)
    return float(values * (4 if recipe.dtype == "float32" else 8))


def split_parts(suite: Suite, path: Path) -> tuple[dict[str, Dataset], str, str]:
    """Train, valid and test, with the fields of the suite; the digest of the data set; the name of the split.

    Test cases that the solver marked as under-resolved are left out: their truth is none.

    Raises:
        InputError: the file is damaged, has no such split or field, or the split lacks training or test cases.
    """
    dataset = _opened(suite, path)
    name = suite.split
    if name is None:
        name = "default" if "default" in dataset.splits else next(iter(dataset.splits), None)
    parts = dataset.split(name)
    for part in ("train", "test"):
        if part not in parts:
            raise InputError(f"The split '{name}' of {path} has no {part} cases; choose another split.")
    parts["test"] = _resolved(parts["test"], path)
    return parts, dataset.digest, str(name)


def _resolved(test: Dataset, path: Path) -> Dataset:
    if "resolved" not in test.header.coords:
        return test
    good = np.asarray(test.header["resolved"].values, bool)
    if not good.any():
        raise InputError(f"All test cases of {path} are under-resolved; generate them at a higher resolution.")
    return test if good.all() else test.select(test.cases[good])


def prepare_transfer(suite: Suite, folder: Path, test: Dataset, console: Console) -> dict[str, Dataset]:
    """The test cases on the grids of `Suite.transfer`, by label; generated if need be."""
    from sciflow.data import Recipe, generate

    found = {}
    for grid in suite.transfer:
        sizes = grid.resolution if isinstance(grid.resolution, int) else list(grid.resolution)
        recipe = Recipe.load(str(suite.source.recipe), [*suite.source.set, f"resolution={sizes}", *grid.set])
        cases = [int(case) for case in test.cases]
        named = digest({"recipe": recipe, "version": sciflow.__version__, "only": cases})[:8]
        path = folder / "data" / f"{recipe.name}-at-{grid.label}-{named}.h5"
        if not path.is_file():
            console.print(f"generating {path} ({len(cases)} test cases)", highlight=False)
            generate(recipe, path, workers=_cpus(), only=cases).close()
        found[grid.label] = _opened(suite, path)
    return found


def _opened(suite: Suite, path: Path) -> Dataset:
    """A file with the fields that the suite is about."""
    from sciflow.data import open_dataset

    dataset = open_dataset(path)
    return dataset.with_fields(suite.source.fields) if suite.source.fields else dataset


def facts_of(path: Path, parts: dict[str, Dataset]) -> dict[str, Any]:
    """What the report says about the data: cases by part, and the seconds that generating all of them took."""
    from sciflow.data import open_dataset

    dataset = open_dataset(path)
    cases = {name: len(part) for name, part in parts.items()} | {"all": len(dataset)}
    seconds = dataset.attrs.get("generation_seconds")
    known = {} if seconds is None else {"generation_seconds": float(seconds)}
    if "resolved" in dataset.header.coords:
        known["under_resolved"] = float(1 - np.mean(dataset.header["resolved"].values))
    return {"data": str(path), "cases": cases, **known}


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _recipe(suite: Suite) -> Recipe:
    from sciflow.data import Recipe

    return Recipe.load(str(suite.source.recipe), suite.source.set)


def _count(recipe: Recipe) -> int:
    """Cases of a recipe."""
    from sciflow import problems
    from sciflow.data.generation import recipe_cases

    return recipe.cases or len(recipe_cases(recipe, problems.get(recipe.problem)))


@contextmanager
def _bar(console: Console, cases: int) -> Iterator[Callable[[int, int], None]]:
    """A progress bar for a terminal; yields the function that moves it."""
    from rich.progress import Progress

    with Progress(console=console, disable=not console.is_terminal or console.quiet) as progress:
        task = progress.add_task("cases", total=cases)
        yield lambda done, _: progress.update(task, completed=done)
