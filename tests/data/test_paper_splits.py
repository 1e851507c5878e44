"""The published splits of CFDBench: sizes as printed, lists as committed; splits without duplicates and outward."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from sciflow.core import InputError
from sciflow.core.files import shared
from sciflow.data import Dataset, from_arrays, open_dataset, splits
from sciflow.data.generation import draw
from sciflow.data.paper_splits import COUNTS, ORDER, drawn, paper, published, settings, split_name, write_case_lists
from sciflow.data.recipe import SplitRecipe
from sciflow.data.writer import write

# Train, valid and test cases as published; for tube and dam of the forecast task unless said otherwise.
PUBLISHED = {
    "cavity": {
        "prop": (67, 8, 9), "bc": (40, 5, 5), "geo": (20, 2, 3), "prop+bc": (107, 13, 14), "prop+geo": (87, 11, 11),
        "bc+geo": (60, 8, 7), "prop+bc+geo": (127, 16, 16),
    },
    "tube": {
        "prop": (80, 10, 10), "bc": (40, 5, 5), "geo": (20, 2, 3), "prop+bc": (120, 15, 15), "prop+geo": (100, 12, 13),
        "bc+geo": (60, 7, 8), "prop+bc+geo": (140, 17, 18),
    },
    "dam": {
        "prop": (80, 10, 10), "bc": (56, 7, 7), "geo": (40, 5, 5), "prop+bc": (136, 17, 17), "prop+geo": (120, 15, 15),
        "bc+geo": (96, 12, 12), "prop+bc+geo": (176, 22, 22),
    },
    "cylinder": {
        "prop": (92, 11, 12), "bc": (40, 5, 5), "geo": (16, 2, 2), "prop+bc": (132, 16, 17), "prop+geo": (108, 13, 14),
        "bc+geo": (56, 7, 7), "prop+bc+geo": (148, 18, 19),
    },
}  # fmt: skip
PARAMETRIC = {"bc+geo": (60, 8, 7), "prop+bc+geo": (140, 18, 17)}  # of the tube, where it differs


def made(lists: list[str], *, problem: str = "", **coords: object) -> Dataset:
    """One frame of nothing for each entry of `lists`, the subset that its case is from; parameters by name."""
    count, names = len(lists), list(dict.fromkeys((*ORDER, *lists)))
    flags = {"flag_values": np.arange(len(names), dtype=np.int8), "flag_meanings": " ".join(names)}
    subset = ("case", np.array([names.index(name) for name in lists], np.int8), flags)
    data = xr.Dataset(
        {"u": (("case", "time", "x"), np.zeros((count, 1, 4)), {"role": "field"})},
        {"subset": subset, **{name: ("case", *entry) for name, entry in coords.items()}},  # type: ignore[misc]
        {"problem": problem},
    )
    return from_arrays(data)


def role(values: object, kind: str = "parameter") -> tuple[np.ndarray, dict[str, str]]:
    return np.asarray(values, float), {"role": kind}


@pytest.mark.parametrize("problem", PUBLISHED)
def test_sizes_are_the_published_ones(problem: str) -> None:
    assert {"+".join(chosen) for chosen in settings()} == set(PUBLISHED[problem])
    for name, sizes in PUBLISHED[problem].items():
        count = sum(COUNTS[problem][part] for part in name.split("+"))
        other = PARAMETRIC.get(name, sizes) if problem == "tube" else sizes
        for task, wanted in (("forecast", sizes), ("parametric", other)):
            parts = drawn(count, problem, task)  # type: ignore[arg-type]
            assert tuple(len(own) for own in parts.values()) == wanted
            assert sorted(case for own in parts.values() for case in own) == list(range(count))


def test_a_data_set_is_split_as_the_joined_and_shuffled_lists(tmp_path: Path) -> None:
    """Cases may lie in the file in any order of the lists; the joined list is prop, bc, geo."""
    lists = ["geo"] * 25 + ["bc"] * 50 + ["prop"] * 84 + ["driven"] * 3
    data = made(lists, problem="cavity")
    joined = [*range(25, 75), *range(25)]
    random.seed(0)
    random.shuffle(joined)
    expected = {"train": joined[:60], "valid": joined[60:68], "test": joined[68:]}
    for order in (["bc", "geo"], ["geo", "bc"]):
        assert paper(data, order) == {part: sorted(own) for part, own in expected.items()}
    recipe = SplitRecipe(kind="paper", subsets=("bc", "geo"))
    stored = open_dataset(write(tmp_path / "cavity.h5", [data.xarray]))
    assert draw(stored, recipe) == paper(data, ["bc", "geo"])
    for wrong, message in ((["driven"], "know the subsets"), ([], "know the subsets")):
        with pytest.raises(InputError, match=message):
            paper(data, wrong)
    with pytest.raises(InputError, match="no case of the subset 'geo'"):
        paper(made(["bc"] * 50, problem="tube"), ["geo"])
    with pytest.raises(InputError, match="those of cavity, tube, dam, cylinder"):
        paper(made(["bc"] * 50, problem="cylinder-dfg"), ["bc"])


def test_committed_lists_are_those_of_the_function(tmp_path: Path) -> None:
    write_case_lists(tmp_path / "lists.json")
    committed = shared("datasets", "cavity-driven").parent / "cfdbench-splits.json"
    assert committed.read_text(encoding="utf-8") == (tmp_path / "lists.json").read_text(encoding="utf-8")


def test_a_flow_that_is_in_three_lists_is_kept_once() -> None:
    """The base case of a cavity is in bc (u = 10), prop (mu = 1e-5) and geo (width 0.01)."""
    lists = ["prop"] * 12 + ["bc"] * 20 + ["geo"] * 8
    speed = np.array([10.0] * 12 + [*range(1, 21)] + [10.0] * 8)
    mu = np.array([1e-5 * (1 + case) for case in range(12)] + [1e-5] * 28)
    width = np.array([0.01] * 32 + [0.01 * (1 + case) for case in range(8)])
    width[32] *= 1 + 1e-12
    data = made(lists, u_top=role(speed), mu=role(mu), width=role(width))
    parts = splits.deduplicated(data, seed=1)
    kept = sorted(case for own in parts.values() for case in own)
    assert kept == sorted(set(range(40)) - {21, 32})  # 0, 21 and 32 are one flow
    assert [len(parts[name]) for name in ("train", "valid", "test")] == [30, 4, 4]
    assert draw(data, SplitRecipe(kind="deduplicated", seed=1)) == parts
    alone = splits.deduplicated(data, subsets=["bc"], seed=1)
    assert sorted(case for own in alone.values() for case in own) == list(range(12, 32))
    phase = made(lists, u_top=role(speed), mu=role(mu), width=role(width), phase=role(np.arange(40), "coefficient"))
    assert sum(len(own) for own in splits.deduplicated(phase).values()) == 40  # signals of their own


def test_extrapolation_in_a_number_leaves_under_resolved_cases_out() -> None:
    number = np.arange(1.0, 21.0)
    resolved = number <= 15
    data = made(["bc"] * 20, Re=role(number, "number"), resolved=(resolved, {}))
    parts = draw(data, SplitRecipe(kind="extrapolate", parameter="Re", fraction=0.2))
    assert parts["test"] == [12, 13, 14]
    assert sorted(parts["train"] + parts["valid"]) == list(range(12))
    with pytest.raises(InputError, match="no parameter 'Ra'"):
        splits.extrapolate(data, "Ra")


def test_outermost_geometries_are_tested() -> None:
    """Most cases have the base geometry, a corner of the square of sides that the list of geometries spans."""
    sides = [0.01 * (1 + index) for index in range(5)]
    width = np.array([0.01] * 30 + [one for one in sides for _ in sides])
    height = np.array([0.01] * 30 + [other for _ in sides for other in sides])
    data = made(["prop"] * 30 + ["geo"] * 25, width=role(width), height=role(height), mu=role(np.ones(55)))
    recipe = SplitRecipe(kind="outermost", parameters=("width", "height"), fraction=0.3)
    parts = draw(data, recipe)
    outer = np.flatnonzero(np.maximum(width, height) > 0.045)
    assert parts["test"] == outer.tolist() and len(outer) == 9
    assert sorted(case for own in parts.values() for case in own) == list(range(55))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda data: splits.outermost(data, ["mu"]), "cases that differ"),
        (lambda data: splits.outermost(data, ["x1"]), "needs positive values"),
        (lambda data: splits.outermost(data, []), "needs parameters"),
        (lambda data: splits.deduplicated(data, subsets=["driven"]), "no case of the subset 'driven'"),
        (lambda data: SplitRecipe(kind="outermost"), "needs the parameters"),
        (lambda data: SplitRecipe(kind="paper"), "needs subsets"),
    ],
)
def test_clear_errors(call: Callable[[Dataset], object], message: str) -> None:
    data = made(["bc"] * 10, mu=role(np.ones(10)), x1=role(np.arange(10) - 5))
    with pytest.raises(ValueError, match=message):
        call(data)


def test_names_of_the_splits() -> None:
    assert split_name(["geo", "prop"]) == "paper-prop+geo"


def test_published_splits_are_those_that_the_lists_allow() -> None:
    """prop and bc are there, geo is too short for parts of its own and makes the unions longer."""
    data = made(["prop"] * 20 + ["bc"] * 10 + ["geo"] * 4, problem="cavity")
    found = published(data)
    assert set(found) == {split_name(chosen) for chosen in settings()} - {"paper-geo"}
    assert found["paper-prop"] == paper(data, ["prop"])
    assert sum(len(part) for part in found["paper-prop+bc+geo"].values()) == 34
