"""Views of some of the fields: everything that reads a data set sees these, in the order asked for."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sciflow.core import InputError
from sciflow.data import Dataset, Normaliser, Windows, check_file, open_dataset, query, truth, write

FIELDS = ("u", "v", "p")


@pytest.fixture(params=["memory", "file"])
def data(request: pytest.FixtureRequest, make: Callable[..., Dataset], tmp_path: Path) -> Dataset:
    known = np.zeros((4, 5), bool)
    known[0] = True
    where = {"path": tmp_path / "data.h5"} if request.param == "file" else {}
    return make((6, 5, 6), fields=FIELDS, known=known, **where)


def test_a_view_is_read_in_its_own_order(data: Dataset) -> None:
    view = data.with_fields(["p", "u"])
    assert view.fields == ["p", "u"] and data.fields == list(FIELDS)
    whole = data.array()
    assert np.array_equal(view.array(), whole[:, :, [2, 0]], equal_nan=True)
    assert np.array_equal(view.frames(1, 0, 3), whole[1, :3, [2, 0]].swapaxes(0, 1))
    assert [str(name) for name in view.xarray.data_vars] == ["p", "u", "known"]
    assert view.known_fields == ["p", "u"] and view.field_scales().shape == (3, 2)
    for cache in (0, 2**20):
        mine, full = (Windows(each, 2, 1, cache_bytes=cache)[[0, 5, 9]] for each in (view, data))
        assert np.array_equal(mine["x"], full["x"][:, :, [2, 0]]) and np.array_equal(mine["y"], full["y"][:, :, [2, 0]])
        assert mine["scale"].shape == (3, 2) and mine["known"].shape == (3, 2, 4, 5)
    normaliser, every = Normaliser.fit(view), Normaliser.fit(data)
    assert normaliser.fields == ["p", "u"] and np.array_equal(normaliser.mean, every.mean[[2, 0]])
    asked = query(view, [0], 1, 2)
    assert [name for name in asked.context.data_vars if name in FIELDS] == ["p", "u"]
    assert asked.known is not None and list(asked.known.data_vars) == ["p", "u"]
    assert list(truth(view, [0], 1, 2).data_vars) == ["p", "u"]


def test_selections_splits_and_copies_stay_views(data: Dataset) -> None:
    view = data.with_fields(["v"])
    divided = view.with_split({"train": [0, 2], "test": [1]}, "parts")
    again = pickle.loads(pickle.dumps(divided))
    for each in (divided.train, divided.select([2]), divided.split("parts")["test"], again, view.with_fields("v")):
        assert each.fields == ["v"] and each.array(times=slice(0, 1)).shape[2] == 1
    assert np.array_equal(again.select([2]).array(), data.select([2]).array("v"))
    assert data.with_fields(FIELDS[:2]).with_fields(["v"]).digest == view.digest


def test_a_view_has_a_digest_of_its_own(data: Dataset) -> None:
    digests = {data.with_fields(names).digest for names in (FIELDS, ("u",), ("u", "v"), ("v", "u"))}
    assert len(digests) == 4 and data.digest in digests


def test_a_view_can_be_written(data: Dataset, tmp_path: Path) -> None:
    path = write(tmp_path / "view.h5", [data.with_fields(["p", "v"]).xarray.load()])
    stored = open_dataset(path)
    assert stored.fields == ["p", "v"] and stored.known_fields == ["p", "v"] and check_file(path) == []
    assert np.array_equal(stored.array(), data.array(["p", "v"]), equal_nan=True)


def test_fields_that_cannot_be_asked_for(data: Dataset) -> None:
    with pytest.raises(InputError, match="no field 'w'"):
        data.with_fields(["u", "w"])
    with pytest.raises(InputError, match="no field 'u'"):
        data.with_fields(["v"]).with_fields(["u"])
    for names in ([], ["u", "u"]):
        with pytest.raises(InputError, match="each once"):
            data.with_fields(names)
    with pytest.raises(InputError, match="no field 'u'"):
        data.with_fields(["v"]).array("u")
