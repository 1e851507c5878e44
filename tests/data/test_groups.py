"""Recipes whose cases are drawn in groups, and the recipes of moving digits."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sciflow.core.errors import InputError
from sciflow.data import Dataset, Recipe, check_file, generate
from sciflow.data.generation import recipe_cases
from sciflow.problems import dealt, get, grid, sampled, table

CHANGES = {
    "moving-digits": ["groups.train.cases=9", "groups.valid.cases=3", "groups.test.cases=4", "groups.fixed.cases=49"],
    "moving-digits-axis": [
        "groups.train.cases=5", "groups.valid.cases=3", "groups.axis.cases=5", "groups.diagonal.cases=4",
    ],
    "rotating-digits": ["groups.train.cases=9", "groups.valid.cases=3", "groups.test.cases=4", "groups.fixed.cases=11"],
}  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    folder = tmp_path_factory.mktemp("digits")
    return {name: generate(name, folder / f"{name}.h5", overrides=changes) for name, changes in CHANGES.items()}


def test_moving_digits_has_short_training_and_long_test_sequences(small: dict[str, Dataset]) -> None:
    data = small["moving-digits"]
    assert data.path is not None and check_file(data.path) == []
    parts, fixed = data.split("long"), data.split("velocities")
    assert [(len(parts[part]), set(parts[part].lengths)) for part in ("train", "valid", "test")] == [
        (9, {40}), (3, {40}), (4, {80}),
    ]  # fmt: skip
    assert fixed["train"].cases.tolist() == parts["train"].cases.tolist() and len(fixed["test"]) == 49
    assert data.parameters == [] and {"vx1", "group", "images"} <= set(data.hidden)
    for part, place in (("train", 0), ("valid", 1), ("test", 2)):
        assert set(parts[part].header["images"].values) == {place}
    header = fixed["test"].header
    assert len({(a, b) for a, b in zip(header["vx1"].values, header["vy1"].values, strict=True)}) == 49
    assert np.abs(parts["train"].header["vx1"].values).max() == 1


def test_axis_recipe_tests_on_diagonal_motion_that_it_does_not_train_on(small: dict[str, Dataset]) -> None:
    splits = {name: small["moving-digits-axis"].split(name) for name in ("both", "axis", "diagonal")}

    def slanted(part: Dataset) -> np.ndarray:
        return np.abs(part.header["vx1"].values * part.header["vy1"].values)

    assert slanted(splits["both"]["train"]).max() == 0 == slanted(splits["axis"]["test"]).max()
    assert slanted(splits["diagonal"]["test"]).min() == 1 and len(splits["both"]["test"]) == 9


def test_rotating_digits(small: dict[str, Dataset]) -> None:
    data = small["rotating-digits"].split("rates")
    assert set(data["train"].lengths) == {20}
    assert sorted(data["test"].header["rate1"].values) == list(range(-50, 51, 10))
    assert not small["rotating-digits"].periodic


def test_a_group_does_not_depend_on_the_size_of_the_others() -> None:
    def cases(*changes: str) -> dict[str, list[Any]]:
        recipe = Recipe.load("moving-digits", list(changes))
        found: dict[str, list[Any]] = {}
        for case in recipe_cases(recipe, get("moving-digits")):
            found.setdefault(case.group, []).append((case.seed, case.parameters))
        return found

    whole, fewer, other = cases(), cases("groups.train.cases=20", "groups.fixed.cases=49"), cases("seed=1")
    assert {name: len(own) for name, own in whole.items()} == {"test": 128, "train": 2000, "valid": 128, "fixed": 392}
    assert fewer["test"] == whole["test"] and other["test"] != whole["test"]
    seeds = [seed for own in whole.values() for seed, _ in own]
    assert len(set(seeds)) == len(seeds)


def test_training_data_fit_in_memory() -> None:
    for name in CHANGES:
        recipe = Recipe.load(name)
        numbers = [(group.cases or 0) * (recipe.frames_of(name) or 0) for name, group in recipe.groups.items()]
        assert sum(numbers) * 24 * 24 * 4 < 300e6


ADVECTION = {
    "name": "two", "problem": "advection", "resolution": 16, "times": {"end": 1, "frames": 5}, "batch": 2,
    "solver": "exact", "groups": {"short": {"cases": 3, "frames": 3, "parameters": {"c": 0.5}}, "long": {"cases": 2}},
    "splits": {"s": {"kind": "groups", "groups": {"train": ["short"], "test": ["long"]}}},
}  # fmt: skip


def test_groups_of_any_problem(tmp_path: Path) -> None:
    data = generate(ADVECTION, tmp_path / "a.h5")
    assert data.lengths.tolist() == [5, 5, 3, 3, 3]  # longer ones first
    assert data.split("s") and data.split("s")["train"].header["c"].values.tolist() == [0.5] * 3
    assert data.header["group"].values.tolist() == [1, 1, 0, 0, 0]
    assert data.header["group"].attrs["flag_meanings"] == "short long"
    again = generate(ADVECTION, tmp_path / "b.h5", only=[3])
    assert np.array_equal(again.array()[0], data.array(cases=[3], times=slice(3))[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("cases=3", "give either groups, or subset and cases"),
        ("subset=all", "give either groups, or subset and cases"),
        ("groups.short.frames=9", "group 'short' asks for 9 frames; the recipe has 5"),
        ("splits.s.groups={train: [shrot], test: [long]}", "names the group 'shrot'. Did you mean 'short'"),
        ("splits.s={kind: groups}", "needs the groups of each part"),
        ("groups={a-b: {cases: 2}}", "'a-b' needs a name of letters"),
        ("groups.long.cases=null", r"say how many, as in groups\.long\.cases=32"),
        ("groups.long.subset=fast", "no subset 'fast'"),
    ],
)
def test_bad_groups(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        generate(ADVECTION, tmp_path / "bad.h5", overrides=[change])
    assert list(tmp_path.iterdir()) == []


def test_dealt_rows_come_equally_often() -> None:
    family = dealt(grid(a=[1, 2], b=[1, 2]), table(c=[5, 6, 7]))
    rows = family.draw(12, seed=0)
    assert family.names == ("a", "b", "c") and len(family.draw(None, 0)) == 4
    pairs, single = [(row["a"], row["b"]) for row in rows], [row["c"] for row in rows]
    assert {pairs.count(pair) for pair in pairs} == {3} and {single.count(c) for c in single} == {4}
    assert rows == family.draw(12, seed=0) != family.draw(12, seed=1)
    assert sorted(pairs[:4]) == [(1, 1), (1, 2), (2, 1), (2, 2)]  # none again before all have come


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ((), "lists that are not empty"),
        ((sampled(a=(0, 1)),), "lists that are not empty"),
        ((table(a=[]),), "lists that are not empty"),
        ((table(a=[1]), table(a=[2])), "set the parameter 'a'"),
    ],
)
def test_bad_lists(lists: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message):
        dealt(*lists)
