"""The cases of a recipe, and the groups that they are drawn in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sciflow.core.errors import InputError
from sciflow.data.recipe import GroupRecipe, Recipe
from sciflow.problems.sampling import Listed

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.problems import Case, Problem


def recipe_cases(recipe: Recipe, problem: Problem) -> list[Case]:
    """The cases of a recipe, in the order of its data set; those of a group are drawn from a seed of their own.

    Raises:
        InputError: a family that is drawn has no number of cases, or the problem does not know it.
    """
    if not recipe.groups:
        whole = GroupRecipe(subset=recipe.subset, cases=recipe.cases, parameters=recipe.parameters)
        return _sampled(recipe, problem, whole, recipe.seed, "")
    drawn = []
    for place, (name, group) in enumerate(recipe.groups.items()):
        seed = int(np.random.SeedSequence([recipe.seed, place]).generate_state(1)[0])
        drawn.append([replace(case, group=name) for case in _sampled(recipe, problem, group, seed, name)])
    drawn.sort(key=lambda cases: -(recipe.frames_of(cases[0].group) or 0))
    return [replace(case, index=index) for index, case in enumerate(case for cases in drawn for case in cases)]


def _sampled(recipe: Recipe, problem: Problem, group: GroupRecipe, seed: int, name: str) -> list[Case]:
    listed = group.subset is not None and all(
        isinstance(problem.subsets.get(part), Listed) for part in group.subset.split("+")
    )
    if group.cases is None and not listed:
        where = f"groups.{name}.cases=32" if name else "cases=32"
        raise InputError(f"Recipe '{recipe.name}' draws its cases; say how many, as in {where}.")
    return problem.sample(group.cases, seed, group.subset, **{**recipe.parameters, **group.parameters})


def marked(data: xr.Dataset, recipe: Recipe, cases: Sequence[Case]) -> xr.Dataset:
    """The data set with the number of the group of each case, a hidden parameter with the names beside it."""
    names = list(recipe.groups)
    attrs = {"role": "parameter", "hidden": 1, "units": "", "scale": "linear", "long_name": "group of the recipe"}
    attrs |= {"flag_values": np.arange(len(names)), "flag_meanings": " ".join(names)}
    return data.assign_coords(group=("case", np.array([names.index(case.group) for case in cases]), attrs))
