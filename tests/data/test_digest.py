"""The digest names the content, not its storage."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sciflow.data import from_arrays, open_dataset, splits, write


@settings(max_examples=12, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 6), min_size=2, max_size=5),
    batch=st.integers(1, 5),
    compression=st.sampled_from([None, "gzip", "lzf"]),
    chunk_bytes=st.sampled_from([1, 300, 2**20]),
    padding=st.integers(0, 3),
)
def test_storage_does_not_change_it(tmp_path_factory, lengths, batch, compression, chunk_bytes, padding):
    lengths = sorted(lengths, reverse=True)  # the longest batch comes first
    rng = np.random.default_rng(0)
    arrays = {"u": [rng.standard_normal((n, 3, 4)).astype(np.float32) for n in lengths]}
    memory = from_arrays(arrays, parameters={"Re": 1.0 + np.arange(len(lengths))}, signals={"g": np.ones(lengths[0])})
    padded = memory.xarray.copy(deep=True)
    padded["u"] = padded["u"].fillna(padding)  # what lies after the valid frames does not matter
    batches = [padded.isel(case=slice(i, i + batch)) for i in range(0, len(lengths), batch)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sciflow.data.writer.CHUNK_BYTES", chunk_bytes)
        path = write(tmp_path_factory.mktemp("digest") / "data.h5", batches, compression=compression)
    file = open_dataset(path)
    assert file.digest == memory.digest
    assert file.source.computed_digests() == file.source.stored_digests()
    before = file.digest
    assert file.with_split(splits.random(len(lengths), {"train": 0.5, "test": 0.5})).digest == before


def test_a_selection_has_the_digest_of_its_cases(make, tmp_path):
    data = make((6, 5, 4), path=tmp_path / "data.h5")
    part = data.select([2, 0])
    again = open_dataset(write(tmp_path / "part.h5", [part.xarray]))
    assert part.digest == again.digest != data.digest
    assert part.digest != data.select([0, 2]).digest


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data["u"].values.__setitem__(
            (1, 2, 3, 4), np.nextafter(data["u"].values[1, 2, 3, 4], np.float32(9e9))
        ),
        lambda data: data["Re"].values.__setitem__(1, 20.5),
        lambda data: data["g"].values.__setitem__((1, 0), 7.0),
        lambda data: data["u"].attrs.__setitem__("units", "km"),
        lambda data: data["Re"].attrs.__setitem__("scale", "log"),
        lambda data: data.attrs.__setitem__("periodic", "x"),
        lambda data: data.coords.__setitem__("x", data["x"].values * 1.001),
        lambda data: data.coords.__setitem__("time", data["time"].values + 1),
        lambda data: data.coords.__setitem__("length", ("case", [6, 4, 4])),
        lambda data: data.__setitem__("u", data["u"].astype(np.float64)),
    ],
)
def test_one_value_changes_it(make, change):
    data = make((6, 5, 4), signals={"g": np.arange(6.0)})
    raw = data.xarray.copy(deep=True)
    assert from_arrays(raw).digest == data.digest
    change(raw)
    assert from_arrays(raw).digest != data.digest


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.attrs.__setitem__("recipe", json.dumps({"seed": 3})),
        lambda data: data.coords.__setitem__("seed", ("case", [3, 4, 5])),
        lambda data: data["u"].attrs.__setitem__("long_name", "speed"),
        lambda data: data["u"].values.__setitem__((1, 5), 3.0),
    ],
)
def test_what_does_not_belong_to_the_content(make, change):
    data = make((6, 5, 4))
    raw = data.xarray.copy(deep=True)
    change(raw)
    assert from_arrays(raw).digest == data.digest


def test_changing_the_file_behind_its_back_is_seen(make, tmp_path):
    data = make(path=tmp_path / "data.h5")
    data.close()
    with h5py.File(data.path, "r+") as file:
        file["u"][1, 3, 0, 0] += 1
    source = open_dataset(data.path).source
    (static, now), (noted_static, noted) = source.computed_digests(), source.stored_digests()
    assert static == noted_static
    assert [a == b for a, b in zip(now, noted, strict=True)] == [True, False, True]
