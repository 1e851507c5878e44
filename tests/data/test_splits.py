"""Splits: complete, disjoint, drawn once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sciflow.core import InputError
from sciflow.data import check_file, from_arrays, open_dataset, splits


def with_parameter(values):
    values = np.asarray(values, float)
    return from_arrays({"u": np.zeros((len(values), 2, 3))}, parameters={"Re": values})


@given(cases=st.integers(3, 60), seed=st.integers(0, 1000), valid=st.floats(0.05, 0.4), test=st.floats(0.05, 0.4))
def test_random_splits_are_complete_disjoint_and_repeatable(cases, seed, valid, test):
    fractions = {"train": 1 - valid - test, "valid": valid, "test": test}
    drawn = splits.random(cases, fractions, seed=seed)
    assert sorted(case for part in drawn.values() for case in part) == list(range(cases))
    assert all(drawn.values()) and list(drawn) == list(fractions)
    assert drawn == splits.random(cases, fractions, seed=seed)
    assert splits.violations(drawn, cases) == []


def test_random_splits_depend_on_the_seed():
    assert splits.random(40, seed=0) != splits.random(40, seed=1)
    assert {part: len(own) for part, own in splits.random(40).items()} == {"train": 28, "valid": 4, "test": 8}


@settings(deadline=None)
@given(values=st.lists(st.floats(-5, 5), min_size=6, max_size=30), seed=st.integers(0, 100))
def test_interior_splits_interpolate(values, seed):
    data = with_parameter(values)
    counts = {"train": len(values) - 4, "valid": 1, "test": 3}
    drawn = splits.random(data, counts=counts, seed=seed, interior="Re")
    assert {part: len(own) for part, own in drawn.items()} == counts
    assert splits.violations(drawn, len(values)) == []
    train = np.array(values)[drawn["train"]]
    for part in ("valid", "test"):
        own = np.array(values)[drawn[part]]
        assert train.min() <= own.min() and own.max() <= train.max()


@settings(deadline=None)
@given(
    values=st.lists(st.sampled_from([1.0, 2.0, 3.0, 5.0, 8.0, 13.0]), min_size=4, max_size=20),
    fraction=st.floats(0.1, 0.6),
    side=st.sampled_from(["high", "low"]),
    seed=st.integers(0, 10),
)
def test_extrapolation_tests_strictly_outside_the_training_range(values, fraction, side, seed):
    data, values = with_parameter(values), np.array(values)
    try:
        drawn = splits.extrapolate(data, "Re", fraction=fraction, side=side, seed=seed)
    except InputError as error:
        assert "leaves no case" in str(error)
        return
    assert splits.violations(drawn, len(values)) == []
    assert sorted(case for part in drawn.values() for case in part) == list(range(len(values)))
    known = values[drawn["train"] + drawn.get("valid", [])]
    test = values[drawn["test"]]
    assert known.max() < test.min() if side == "high" else known.min() > test.max()
    assert drawn == splits.extrapolate(data, "Re", fraction=fraction, side=side, seed=seed)


def test_extrapolation_by_threshold():
    data = with_parameter([1, 5, 3, 4, 2])
    assert splits.extrapolate(data, "Re", threshold=3, valid=0)["test"] == [1, 3]
    assert splits.extrapolate(data, "Re", threshold=3, side="low", valid=0)["test"] == [0, 4]
    with pytest.raises(InputError, match="no case for testing"):
        splits.extrapolate(data, "Re", threshold=9)


def test_cases_with_listed_values_are_for_testing():
    data = with_parameter([1, 5, 3, 1 + 1e-9, 2])
    assert splits.where(data, "Re", [1, 2]) == {"train": [1, 2], "test": [0, 3, 4]}
    assert splits.where(data.select([4, 1]), "Re", [2]) == {"train": [1], "test": [4]}
    for values, word in (([7], "testing"), ([1, 2, 3, 5], "training")):
        with pytest.raises(InputError, match=f"no case for {word}"):
            splits.where(data, "Re", values)
    with pytest.raises(InputError, match="no parameter 'Ra'"):
        splits.where(data, "Ra", [1])


def test_a_split_of_a_selection_names_cases_of_the_file():
    part = with_parameter(np.arange(1, 11)).select([9, 2, 5, 7])
    drawn = splits.random(part, counts={"train": 2, "test": 2})
    assert sorted(drawn["train"] + drawn["test"]) == [2, 5, 7, 9]


@pytest.mark.parametrize("where", ["memory", "file"])
def test_splits_are_stored_by_name_outside_the_hash(make, tmp_path, where):
    data = make((6,) * 5, path=tmp_path / "data.h5" if where == "file" else None)
    before = data.digest
    data = data.with_split({"train": [0, 1, 2], "test": [4]}, "one")
    data = data.with_split({"train": [4, 3], "valid": [2], "test": [0]})
    if where == "file":
        data = open_dataset(data.path)
        assert check_file(data.path) == []
    assert set(data.splits) == {"one", "default"} and data.digest == before
    assert data.train.cases.tolist() == [4, 3]
    assert data.valid.cases.tolist() == [2] and data.test.cases.tolist() == [0]
    assert data.split("one")["test"].cases.tolist() == [4]
    assert data.train.train.cases.tolist() == [4, 3]
    assert set(data.train.split()) == {"train"}


def test_a_split_is_drawn_once(make):
    data = make((6,) * 4).with_split({"train": [0, 1], "test": [2]})
    assert data.with_split({"train": [0, 1], "test": [2]}) is data
    with pytest.raises(InputError, match="already has another split 'default'"):
        data.with_split({"train": [0], "test": [2]})


@pytest.mark.parametrize("where", ["memory", "file"])
def test_without_a_split_of_that_name_the_first_one_is_the_default(make, tmp_path, where):
    data = make((6,) * 4, path=tmp_path / "data.h5" if where == "file" else None)
    data = data.with_split({"train": [0, 1], "test": [2]}, "viscosity")
    assert data.train.cases.tolist() == [0, 1]
    data = data.with_split({"train": [3], "test": [1]}, "random")
    data = open_dataset(data.path) if where == "file" else data
    assert list(data.splits) == ["viscosity", "random"]
    assert data.train.cases.tolist() == data.split()["train"].cases.tolist() == [0, 1]
    data = data.with_split({"train": [2], "test": [0]})
    assert data.train.cases.tolist() == [2]
    with pytest.raises(InputError, match="Did you mean 'random'"):
        data.split("randon")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"train": [0, 1], "test": []}, "no case in its part 'test'"),
        ({}, "has no parts"),
        ({"train": [0, 1], "test": [1]}, "has the case 1 twice"),
        ({"train": [0, 7]}, "names the case 7"),
        ({"train": [0.5]}, "integer indices"),
    ],
)
def test_splits_that_cannot_be_used(make, parts, message):
    with pytest.raises(InputError, match=message):
        make((6,) * 4).with_split(parts)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda data: splits.random(2), "leaves no case"),
        (lambda data: splits.random(10, {"train": 0.5, "test": 0.2}), "add up to 1"),
        (lambda data: splits.random(10, counts={"train": 5}), "add up to 5"),
        (lambda data: splits.random(10, counts={"train": 10, "test": 0}), "no case for 'test'"),
        (lambda data: splits.random(10, interior="Re"), "needs the parameters of a data set"),
        (lambda data: splits.random(data, interior="Rey"), "Did you mean 'Re'"),
        (lambda data: splits.random(data, counts={"train": 1, "test": 3}, interior="Re"), "to enclose the others"),
        (lambda data: splits.extrapolate(data, "nu"), "no parameter 'nu'"),
        (lambda data: splits.extrapolate(data, "Re", side="left"), "expected 'high' or 'low'"),
        (lambda data: data.train, "has no split"),
        (lambda data: data.with_split({"train": [0]}).test, "no part 'test'"),
        (lambda data: data.with_split({"train": [0]}).split("other"), "no split 'other'"),
    ],
)
def test_clear_errors(make, call, message):
    with pytest.raises(InputError, match=message):
        call(make((6,) * 4))
