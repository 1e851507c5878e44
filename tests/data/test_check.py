"""`check_file` finds what is wrong, and where."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from sciflow.data import check_file


@pytest.fixture
def path(make, tmp_path):
    mask = np.ones((4, 5), bool)
    mask[0, 0] = False
    data = make((6, 3, 5), mask=mask, signals={"g": np.arange(6.0)}, path=tmp_path / "data.h5")
    data.with_split({"train": [0, 1], "test": [2]}).close()
    return data.path


def edit(path, change):
    with h5py.File(path, "r+") as file:
        change(file)


def put(name, place, value):
    return lambda file: file[name].__setitem__(place, value)


def split(parts):
    def change(file):
        del file["splits/default"]
        file["splits"].create_dataset("default", data=json.dumps(parts))

    return change


def test_a_good_file(path):
    assert check_file(path) == []


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        (
            put("u", (1, 2, 3, 4), np.nan),
            ["field 'u' holds NaN or infinity in case 1, frame 2", "values of case 1 have"],
        ),
        (
            put("v", (0, 5, 3, 4), np.inf),
            ["field 'v' holds NaN or infinity in case 0, frame 5", "values of case 0 have"],
        ),
        (put("u", (1, 4, 3, 4), np.nan), []),  # after the valid frames
        (put("u", (2, 0, 0, 0), 1.0), ["'u' does not hold 0 in the solid cells of case 2", "values of case 2 have"]),
        (put("u", (2, 0, 1, 0), 1.0), ["values of case 2 have changed"]),
        (put("Re", 1, 7.0), ["values of case 1 have changed"]),
        (put("x", 4, 2.0), ["coordinates or other shared values have changed"]),
        (put("x", 4, 0.0), ["coordinate 'x' must be finite and increase"]),
        (put("time", 1, 0.0), ["coordinate 'time' must be finite and increase"]),
        (put("mask", Ellipsis, 0), ["without any fluid cell"]),
        (put("length", 0, 9), ["between 1 and the 6 stored frames"]),
        (split({"train": [0, 1], "test": []}), ["no case in its part 'test'"]),
        (split({"train": [0, 1], "test": [1]}), ["the case 1 twice"]),
        (split({"train": [0, 3]}), ["names the case 3"]),
        (lambda file: file.__delitem__("integrity"), ["notes no hash"]),
        (lambda file: file["u"].attrs.__delitem__("role"), ["'u' has the role None"]),
        (lambda file: file.attrs.__setitem__("problem", "burgers"), ["parameter 'nu' of the problem", "shared values"]),
        (lambda file: file.attrs.__setitem__("problem", "from_elsewhere"), ["shared values"]),
    ],
)
def test_what_is_wrong(path, change, messages):
    edit(path, change)
    found = check_file(path)
    assert len(found) == len(messages), found
    for sentence, message in zip(found, messages, strict=True):
        assert message in sentence


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "text.h5").write_text("no data")
    assert ["not HDF5" in sentence for sentence in check_file(tmp_path / "text.h5")] == [True]
    assert ["There is no file" in sentence for sentence in check_file(tmp_path / "none.h5")] == [True]
