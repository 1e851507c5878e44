"""Recipes: what a generated data set holds, as YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from sciflow.core.config import Config, override, validate
from sciflow.core.errors import InputError, UnknownNameError, near
from sciflow.core.files import shared, shared_names
from sciflow.core.yamlfile import load_yaml

if TYPE_CHECKING:
    from sciflow.problems import Case, Problem

_OVERSAMPLED = ("periodic", "elliptic", "volume", "shallow-water")  # solvers with an option of this name


SplitKind = Literal["random", "extrapolate", "outermost", "where", "subsets", "groups", "deduplicated", "paper"]


class Times(Config):
    """Evenly spaced frames from `start` to `end`; the first one is the initial condition.

    Attributes:
        unit: ``"s"``, or ``"flow"`` for the characteristic time that the problem declares, which differs by case: a lid
            crosses its cavity once, the inflow passes the cylinder's diameter once.
    """

    start: float = 0.0
    end: float
    frames: int = Field(ge=2)
    unit: Literal["s", "flow"] = "s"

    @model_validator(mode="after")
    def _ordered(self) -> Times:
        if not self.end > self.start:
            raise ValueError("end must be later than start")
        return self

    def seconds(self, problem: Problem, cases: Sequence[Case]) -> np.ndarray:
        """Times of the frames in seconds, [T], or [case, T] in units of the flow."""
        moments = np.linspace(self.start, self.end, self.frames)
        if self.unit == "s":
            return moments
        return np.stack([moments * problem.scale("t", case.values) for case in cases])


class SplitRecipe(Config):
    """One named split; see `sciflow.data.splits` and `sciflow.data.paper_splits`.

    Attributes:
        kind: "random"; "extrapolate" in a parameter or number; "outermost" in several parameters; "where" a parameter
            has one of some values; "subsets", test cases are those of some lists, the others are dealt out by
            `fractions`; "groups", by the recipe's groups; "deduplicated", each flow once; "paper", that of CFDBench.
        parameter, parameters: to extrapolate in; of "where", the one that has the `values` in test cases.
        subsets: lists that "paper" and "deduplicated" take their cases from, and that "subsets" tests on.
        groups: of "groups", the names of the recipe's groups in each part, ``{train: [short], test: [long, fast]}``.
        task: for "paper", whose rounding of part sizes differs by task.
    """

    kind: SplitKind = "random"
    counts: dict[str, int] | None = None
    fractions: dict[str, float] | None = None
    interior: tuple[str, ...] = ()
    parameter: str | None = None
    parameters: tuple[str, ...] = ()
    values: tuple[float, ...] = ()
    subsets: tuple[str, ...] = ()
    groups: dict[str, tuple[str, ...]] = {}
    task: Literal["forecast", "parametric"] = "forecast"
    fraction: float = 0.2
    side: Literal["high", "low"] = "high"
    seed: int = 0

    @model_validator(mode="after")
    def _complete(self) -> SplitRecipe:
        if self.kind == "extrapolate" and self.parameter is None:
            raise ValueError("a split of kind 'extrapolate' needs the parameter to extrapolate in")
        if self.kind == "outermost" and not self.parameters:
            raise ValueError("a split of kind 'outermost' needs the parameters to extrapolate in")
        if self.kind == "where" and (self.parameter is None or not self.values):
            raise ValueError("a split of kind 'where' needs a parameter and the values of the test cases")
        if self.kind in ("paper", "subsets") and not self.subsets:
            raise ValueError(f"a split of kind '{self.kind}' needs subsets, such as [prop, bc]")
        if self.kind == "groups" and not self.groups:
            raise ValueError("a split of kind 'groups' needs the groups of each part, such as {train: [a], test: [b]}")
        return self


class GroupRecipe(Config):
    """Cases of a recipe that are drawn together.

    Attributes:
        subset, cases: as of the recipe.
        parameters: values that are fixed for these cases, beside those of the recipe.
        frames: only so many of the first frames; None takes all.
    """

    subset: str | None = None
    cases: int | None = Field(default=None, ge=1)
    parameters: dict[str, float] = {}
    frames: int | None = Field(default=None, ge=2)


class Recipe(Config):
    """Everything that determines a generated data set.

    Same recipe, seed and versions give the same fields; each case is drawn from its own seed.

    Attributes:
        problem: a registered problem, or ``package.module:attribute``.
        subset: named family of cases, or several lists joined by ``+``; None draws from the declared ranges.
        cases: how many; None takes all cases of a listed subset.
        groups: by name, instead of `subset` and `cases`: several groups of cases in one data set, such as short
            sequences to train on and long ones to test on. A group's cases do not depend on the size of the others;
            groups of more frames come first in the file. The hidden parameter ``group`` of the data set is its number.
        parameters: values that are fixed for all cases.
        fields: which fields to store; None stores all.
        resolution: of the stored frames: one number, or one per axis in the order x, y, z.
        padding: add a layer of cells that hold the prescribed boundary values, see `sciflow.data.padding`.
        times: of the frames; a steady problem has one frame and takes none.
        solver, options: another solver than the one that fits, and its options.
        dtype: of the stored fields; solvers run in float64.
        resolved_up_to: largest values of the problem's dimensionless numbers that the solver's grid resolves, as in
            ``{"Re": 10000}``; cases beyond are marked ``resolved = False`` and never tested on.
    """

    name: str
    title: str = ""
    problem: str
    subset: str | None = None
    cases: int | None = Field(default=None, ge=1)
    groups: dict[str, GroupRecipe] = {}
    seed: int = 0
    parameters: dict[str, float] = {}
    fields: tuple[str, ...] | None = None
    resolution: int | tuple[int, ...]
    padding: bool = False
    times: Times | None = None
    solver: str | None = None
    options: dict[str, Any] = {}
    dtype: Literal["float32", "float64"] = "float32"
    resolved_up_to: dict[str, float] = {}
    batch: int = Field(default=8, ge=1)
    splits: dict[str, SplitRecipe] = {"random": SplitRecipe()}

    @model_validator(mode="after")
    def _counts_add_up(self) -> Recipe:
        for name, split in self.splits.items():
            total = self.cases if split.counts is None else sum(split.counts.values())
            if self.cases is not None and total != self.cases:
                raise ValueError(f"the counts of the split '{name}' add up to {total}, not to {self.cases} cases")
        return self

    @model_validator(mode="after")
    def _groups_fit(self) -> Recipe:
        if self.groups and (self.cases is not None or self.subset is not None):
            raise ValueError("give either groups, or subset and cases")
        frames = 1 if self.times is None else self.times.frames
        for name, group in self.groups.items():
            if not name.isidentifier():
                raise ValueError(f"the group '{name}' needs a name of letters, digits and underscores")
            if group.frames is not None and group.frames > frames:
                raise ValueError(f"the group '{name}' asks for {group.frames} frames; the recipe has {frames}")
        for label, split in self.splits.items():
            for name in (name for names in split.groups.values() for name in names):
                if name not in self.groups:
                    raise ValueError(f"the split '{label}' names the group '{name}'.{near(name, self.groups)}")
        return self

    def frames_of(self, group: str) -> int | None:
        """How many frames the cases of a group have, if the recipe depends on time; "" for a recipe without groups."""
        if self.times is None:
            return None
        return (self.groups[group].frames if group else None) or self.times.frames

    @classmethod
    def load(
        cls, source: str | Path | Mapping[str, Any] | Recipe, overrides: tuple[str, ...] | list[str] = ()
    ) -> Recipe:
        """A recipe from a YAML file, the name of one that comes with sciflow, a mapping, or a problem's name.

        For a problem's name: 32 cases, of 41 frames over its time interval unless it is steady, with 64 points along
        each axis, solved on a finer grid where the solver can: 4 times in 1-D, 2 times in 2-D and 3-D, 3 times for
        steady problems.

        Raises:
            InputError: an option is unknown or has the wrong type; the message gives its path.
        """
        if isinstance(source, Recipe):
            return validate(cls, override(source.model_dump(exclude_none=True), overrides), source.name)
        if isinstance(source, Mapping):
            return validate(cls, override(source, overrides), "the recipe")
        where, mapping = cls._found(source)
        return validate(cls, override(mapping, overrides), where)

    @classmethod
    def _found(cls, source: str | Path) -> tuple[str, dict[str, Any]]:
        if str(source).endswith((".yaml", ".yml")):
            return str(source), load_yaml(source)
        name = str(source)
        if name in shared_names("datasets"):
            path = shared("datasets", name)
            return path.name, load_yaml(path)
        return f"the default recipe of '{name}'", _default(name)


def _default(name: str) -> dict[str, Any]:
    from sciflow.problems import registry
    from sciflow.solvers import choose

    recipes = shared_names("datasets")
    if ":" not in name and name not in registry.problems:
        known = [*recipes, *registry.names()]
        raise UnknownNameError(f"There is no recipe or problem named '{name}'.{near(name, known)}")
    problem = registry.get(name)
    mapping: dict[str, Any] = {
        "name": problem.name,
        "title": problem.title,
        "problem": name,
        "cases": 32,
        "resolution": 64,
    }
    if problem.t is not None:
        if problem.time is None:
            raise InputError(f"Problem '{name}' declares no time interval; write a recipe with times.")
        mapping["times"] = {"start": problem.time[0], "end": problem.time[1], "frames": 41}
    # 64 points are for networks; shocks, solitons and jumps of a coefficient need more to be solved on.
    solver = choose(problem)[0]
    if solver in _OVERSAMPLED:
        mapping["options"] = {"oversample": 3 if solver == "elliptic" else 4 if len(problem.axes) == 1 else 2}
    return mapping
