"""Generating a data set: a recipe in, an HDF5 file out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from sciflow.core.errors import InputError, near
from sciflow.core.hashing import canonical
from sciflow.data import paper_splits, splits
from sciflow.data.groups import marked, recipe_cases
from sciflow.data.padding import pad
from sciflow.data.reader import Dataset, open_dataset
from sciflow.data.recipe import Recipe, SplitRecipe
from sciflow.data.writer import write
from sciflow.problems import registry

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.problems import Case, Problem
    from sciflow.solvers.base import ReferenceSolver

Progress = Callable[[int, int], None]
_SOLVERS: dict[tuple[str, str], ReferenceSolver] = {}  # the last one of this process


def generate(
    recipe: str | Path | Mapping[str, Any] | Recipe,
    path: str | Path,
    *,
    overrides: Sequence[str] = (),
    workers: int = 1,
    progress: Progress | None = None,
    only: Sequence[int] | None = None,
) -> Dataset:
    """Solve the cases of a recipe and write them to a file, batch by batch.

    The file's attribute ``generation_seconds`` is what solving took, in seconds summed over the workers.

    Args:
        recipe: a YAML file, the name of a recipe or problem, a mapping, or a `Recipe`.
        path: the HDF5 file; it appears under this name when it is complete.
        overrides: changes such as ``cases=8`` or ``times.frames=21``.
        workers: processes that solve batches side by side; each holds one batch.
        progress: called with (cases done, cases in all).
        only: solve just these of the recipe's cases, as with ``overrides=["resolution=128"]`` to test a model on
            another grid. Each has the seed and parameters that it has in the whole set; in the file they are numbered
            from 0, the coordinate ``source_index`` holds the number in the whole set, and no splits are drawn.

    Raises:
        InputError: the recipe cannot be used, or the file cannot be written.

    Splits that the chosen cases do not allow, such as that of a list which `overrides` leave out, are not drawn; a
    warning names them.
    """
    recipe = Recipe.load(recipe, list(overrides))
    problem = registry.get(recipe.problem)
    if workers < 1:
        raise InputError(f"workers is {workers}; give at least one.")
    known = [info.name for info in problem.fields]
    for name in recipe.fields or ():
        if name not in known:
            raise InputError(f"Recipe '{recipe.name}': '{problem.name}' has no field {name!r}.{near(name, known)}")
    if (recipe.times is None) != (problem.t is None):
        what = "is steady and takes no" if problem.t is None else "depends on time; give its"
        raise InputError(f"Recipe '{recipe.name}': '{problem.name}' {what} times.")
    cases = _chosen(recipe, recipe_cases(recipe, problem), only)
    batches = _batches(recipe, cases)
    attrs = {"title": recipe.title or problem.title, "recipe": canonical(recipe.model_dump(exclude_none=True))}
    solved = _counted(
        _solved(recipe, problem, batches, workers, _Form.of(recipe, problem, cases, only)), attrs, progress, len(cases)
    )

    wanted = partial(_drawn, recipe) if only is None else None
    return open_dataset(write(path, solved, attrs=attrs, dtype=recipe.dtype, splits=wanted))


def _drawn(recipe: Recipe, dataset: Dataset) -> dict[str, splits.Split]:
    """The splits of a recipe that its cases allow."""
    found = {}
    for name, wanted in recipe.splits.items():
        try:
            found[name] = draw(dataset, wanted)
        except splits.CannotSplit as error:
            message = f"Recipe '{recipe.name}': the split '{name}' is left out, as its cases do not allow it. {error}"
            warnings.warn(message, UserWarning, stacklevel=3)
    return found


@dataclass(frozen=True)
class _Form:
    """What the batches of a file must have in common."""

    numbered: bool  # with `source_index`
    own_times: bool  # with `time_of_case`
    own_bounds: bool  # with reference coordinates

    @classmethod
    def of(cls, recipe: Recipe, problem: Problem, cases: Sequence[Case], only: Sequence[int] | None) -> _Form:
        """That of all cases of a recipe."""
        from sciflow.solvers.base import same_bounds

        rows = _moments(recipe, problem, cases)
        return cls(only is not None, rows.ndim == 2 and not (rows == rows[0]).all(), not same_bounds(problem, cases))


def _moments(recipe: Recipe, problem: Problem, cases: Sequence[Case]) -> np.ndarray:
    """Times of the frames in seconds, [T] or [case, T]; as many as the longest of the cases has."""
    if recipe.times is None:
        return np.zeros(1)
    return recipe.times.seconds(problem, cases)[..., : max(recipe.frames_of(case.group) or 0 for case in cases)]


def _batches(recipe: Recipe, cases: Sequence[Case]) -> list[list[Case]]:
    """The cases in batches of one group each, whose cases have the same number of frames; the order is kept."""
    found = []
    for _, members in groupby(cases, key=lambda case: case.group):
        own = list(members)
        found += [own[i : i + recipe.batch] for i in range(0, len(own), recipe.batch)]
    return found


def _chosen(recipe: Recipe, cases: list[Case], only: Sequence[int] | None) -> list[Case]:
    """The cases with the numbers in `only`, in its order."""
    if only is None:
        return cases
    wrong = [index for index in only if not 0 <= index < len(cases)]
    if not len(only) or wrong or len(set(only)) < len(only):
        what = f"case {wrong[0]}" if wrong else "no case" if not len(only) else "a case twice"
        raise InputError(
            f"Recipe '{recipe.name}' has the cases 0 to {len(cases) - 1}, and only={list(only)} asks for {what}; "
            "name some of them once each."
        )
    return [cases[index] for index in only]


def draw(dataset: Dataset, wanted: SplitRecipe) -> splits.Split:
    """The split that a recipe asks for."""
    if wanted.kind == "extrapolate":
        assert wanted.parameter is not None
        return splits.extrapolate(
            dataset, wanted.parameter, fraction=wanted.fraction, side=wanted.side, seed=wanted.seed
        )
    if wanted.kind == "where":
        assert wanted.parameter is not None
        return splits.where(dataset, wanted.parameter, wanted.values)
    if wanted.kind == "subsets":
        return splits.listed(dataset, wanted.subsets, wanted.fractions, seed=wanted.seed)
    if wanted.kind == "groups":
        return splits.grouped(dataset, wanted.groups)
    if wanted.kind == "outermost":
        return splits.outermost(dataset, wanted.parameters, fraction=wanted.fraction, seed=wanted.seed)
    if wanted.kind == "deduplicated":
        return splits.deduplicated(dataset, wanted.fractions, seed=wanted.seed, subsets=wanted.subsets)
    if wanted.kind == "paper":
        return paper_splits.paper(dataset, wanted.subsets, task=wanted.task)
    return splits.random(dataset, wanted.fractions, counts=wanted.counts, seed=wanted.seed, interior=wanted.interior)


def _counted(
    batches: Iterator[tuple[xr.Dataset, float]], attrs: dict[str, Any], progress: Progress | None, total: int
) -> Iterator[xr.Dataset]:
    """The batches alone. Their seconds add up in `attrs`, which the writer stores when all batches are there."""
    done, attrs["generation_seconds"] = 0, 0.0
    for batch, seconds in batches:
        attrs["generation_seconds"] += seconds
        yield batch
        done += batch.sizes["case"]
        if progress is not None:
            progress(done, total)


def _solved(
    recipe: Recipe, problem: Problem, batches: Sequence[list[Case]], workers: int, form: _Form
) -> Iterator[tuple[xr.Dataset, float]]:
    """Data set and seconds of each batch, in order."""
    settings = recipe.model_dump_json()
    if workers == 1 or len(batches) == 1:
        yield from (_solve(settings, problem, batch, form) for batch in batches)
        return
    # Spawned, never forked: JAX has threads.
    count = len(batches)
    with ProcessPoolExecutor(min(workers, count), mp_context=get_context("spawn")) as pool:
        yield from pool.map(_solve, [settings] * count, [problem] * count, batches, [form] * count)


def _solve(settings: str, problem: Problem, cases: Sequence[Case], form: _Form) -> tuple[xr.Dataset, float]:
    from sciflow.solvers.groups import by_case_in_space, by_case_in_time, solve

    recipe = Recipe.model_validate_json(settings)
    times, solver = _moments(recipe, problem, cases), _solver(settings, problem)
    begin = perf_counter()
    data = solve(solver, cases, times)
    seconds = perf_counter() - begin
    if form.own_times:
        data = by_case_in_time(data)
    if form.own_bounds:
        data = by_case_in_space(data, problem, cases)
    for name, limit in recipe.resolved_up_to.items():
        within = np.array([problem.number(name, case.values) <= limit * (1 + 1e-9) for case in cases])
        before = data["resolved"].values if "resolved" in data.coords else np.ones(len(cases), bool)
        data = data.assign_coords(resolved=("case", before & within))
    if form.numbered:
        data = data.assign_coords(source_index=("case", np.array([case.index for case in cases], dtype=np.int64)))
    if recipe.groups:
        data = marked(data, recipe, cases)
    dropped = set() if recipe.fields is None else {i.name for i in problem.fields} - set(recipe.fields)
    unused = [
        n for n in data.variables if n in dropped or any(str(n).startswith((f"{f}_at_", f"scale_{f}")) for f in dropped)
    ]
    data = data.drop_vars(unused)
    return pad(data, problem) if recipe.padding else data, seconds


def _solver(settings: str, problem: Problem) -> ReferenceSolver:
    """One solver for all batches of a process, so that it is compiled once; a problem comes to a worker as a copy."""
    from sciflow.solvers import build

    key = settings, problem.hash
    if key not in _SOLVERS:
        recipe = Recipe.model_validate_json(settings)
        _SOLVERS.clear()
        _SOLVERS[key] = build(problem, recipe.resolution, solver=recipe.solver, **recipe.options)
    return _SOLVERS[key]
