"""The writer: streams, appends, and never leaves half a file."""

from __future__ import annotations

import errno
import tracemalloc

import h5py
import numpy as np
import pytest
import xarray as xr

from sciflow.core import InputError
from sciflow.data import check_file, from_arrays, open_dataset, splits, write


def batches(count, cases=2, frames=5, size=8, offset=0.0):
    for number in range(count):
        u = np.full((cases, frames, size, size), offset + number, np.float32)
        yield from_arrays({"u": u}, parameters={"Re": 1.0 + number + np.arange(cases)}).xarray


def test_batches_are_appended_in_order(tmp_path):
    path = write(tmp_path / "data.h5", batches(4, cases=3), attrs={"recipe": {"seed": 1}, "title": "a test"})
    data = open_dataset(path)
    assert len(data) == 12 and data.cases.tolist() == list(range(12))
    assert data.array()[:, 0, 0, 0, 0].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert data.attrs["recipe"] == '{"seed": 1}' and data.attrs["title"] == "a test"
    assert "numpy" in data.attrs["versions"]


def test_no_dimension_is_unlimited(tmp_path):
    # h5netcdf looks through all variables for the length of one that is, for each variable: opening took seconds.
    path = write(tmp_path / "data.h5", batches(2))
    with xr.open_dataset(path, engine="h5netcdf") as data:
        assert data.encoding["unlimited_dims"] == set()
        assert data.sizes["case"] == 4


def test_fields_are_float32_unless_asked(tmp_path):
    u = np.random.default_rng(0).standard_normal((2, 3, 4))
    raw = from_arrays({"u": u}).xarray
    assert raw["u"].dtype == np.float64
    single, double = write(tmp_path / "4.h5", [raw]), write(tmp_path / "8.h5", [raw], dtype="float64")
    assert open_dataset(single).xarray["u"].dtype == np.float32
    assert np.array_equal(open_dataset(double).xarray["u"].values, u)
    assert open_dataset(double).digest == from_arrays({"u": u}).digest


def test_compression_is_for_archives(tmp_path):
    plain, packed = (write(tmp_path / f"{c}.h5", batches(3), compression=c) for c in (None, "gzip"))
    with h5py.File(plain) as file:
        assert file["u"].compression is None
    with h5py.File(packed) as file:
        assert file["u"].compression == "gzip"
    assert np.array_equal(open_dataset(plain).array(), open_dataset(packed).array())


def test_shorter_batches_may_follow(tmp_path):
    path = write(tmp_path / "data.h5", [next(batches(1, frames=n)) for n in (5, 3, 4)])
    data = open_dataset(path)
    assert data.lengths.tolist() == [5, 5, 3, 3, 4, 4] and data.frame_count == 5
    assert check_file(path) == []


def test_splits_may_be_drawn_when_all_cases_are_there(tmp_path):
    counts = {"train": 5, "test": 3}
    path = write(
        tmp_path / "data.h5",
        batches(4),
        splits=lambda data: {"inner": splits.random(data, counts=counts, interior="Re")},
    )
    assert {part: len(own) for part, own in open_dataset(path).split("inner").items()} == counts
    path = write(tmp_path / "data.h5", batches(4), splits={"mine": {"train": [0], "test": [7]}})
    assert open_dataset(path).test.cases.tolist() == [7]
    with pytest.raises(InputError, match="no case in its part"):
        write(tmp_path / "data.h5", batches(4), splits={"other": {"train": []}})
    assert open_dataset(path).test.cases.tolist() == [7]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError("solver"), InputError("solver"), MemoryError])
def test_an_interruption_leaves_nothing_and_harms_nothing(tmp_path, error):
    path = write(tmp_path / "data.h5", batches(1))
    before = path.read_bytes()

    def failing():
        yield from batches(2, offset=5)
        raise error

    for target in (path, tmp_path / "new.h5"):
        with pytest.raises(type(error) if isinstance(error, Exception) else error):
            write(target, failing())
    assert [item.name for item in tmp_path.iterdir()] == ["data.h5"]
    assert path.read_bytes() == before


def test_memory_does_not_grow_with_the_number_of_cases(tmp_path):
    def peak(count):
        tracemalloc.start()
        write(tmp_path / "data.h5", batches(count, cases=1, frames=8, size=128))
        return (tracemalloc.get_traced_memory()[1], tracemalloc.stop())[0]

    batch = 8 * 128 * 128 * 4
    few, many = peak(2), peak(12)
    assert many < few + batch and many < 8 * batch


def test_a_full_disk_keeps_the_cases_that_had_room(tmp_path, monkeypatch):
    path = write(tmp_path / "data.h5", batches(1))
    before = path.read_bytes()
    asked = []

    def usage(folder):
        asked.append(folder)
        return type("Usage", (), {"free": 10**12 if len(asked) <= 3 else 0})()

    monkeypatch.setattr("sciflow.data.writer.shutil.disk_usage", usage)
    with pytest.raises(InputError, match=r"disk is full.* 6 cases.*data\.partial\.h5"):
        write(path, batches(9), splits={"default": {"train": [17]}})
    assert path.read_bytes() == before
    assert {item.name for item in tmp_path.iterdir()} == {"data.h5", "data.partial.h5"}
    kept = open_dataset(tmp_path / "data.partial.h5")
    assert len(kept) == 6 and kept.splits == {} and check_file(kept.path) == []


def test_a_full_disk_before_the_first_case(tmp_path, monkeypatch):
    monkeypatch.setattr("sciflow.data.writer.shutil.disk_usage", lambda folder: type("Usage", (), {"free": 0})())
    with pytest.raises(InputError, match="no room"):
        write(tmp_path / "data.h5", batches(2))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError("Can't write data (errno = 28, error message = 'No space left on device')"),
        RuntimeError("Can't decrement id ref count (error message = 'No space left on device')"),
    ],
)
def test_a_disk_that_fills_while_hdf5_writes(tmp_path, monkeypatch, error):
    path = write(tmp_path / "data.h5", batches(1))
    before = path.read_bytes()

    def fail(*_):
        raise error

    monkeypatch.setattr(h5py.Dataset, "__setitem__", fail)
    with pytest.raises(InputError, match="disk is full"):
        write(path, batches(2, offset=3))
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write(tmp_path / "file" / "data.h5", batches(1))


def changed(**values):
    first, second = batches(2)
    for name, value in values.items():
        if name == "attrs":
            second.attrs |= value
        elif value is None:
            second = second.drop_vars(name)
        else:
            second = second.assign_coords({name: value}) if name in second.coords else second.assign({name: value})
    return [first, second]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda: [], "no cases to write"),
        (lambda: changed(Re=None), "begins with case 2 lacks 'Re'"),
        (
            lambda: changed(v=(("case", "time", "y", "x"), np.zeros((2, 5, 8, 8)), {"role": "field"})),
            "has 'v' in addition",
        ),
        (lambda: changed(x=np.arange(8.0)), "differs from the first one in 'x'"),
        (lambda: changed(time=np.arange(5.0) * 2), "differs from the first one in 'time'"),
        (lambda: changed(attrs={"grid": "cells"}), "has the grid 'cells', the first one 'nodes'"),
        (lambda: [next(batches(1, frames=3)), next(batches(1, frames=4))], "give the longest batch first"),
        (lambda: [next(batches(1)), next(batches(1, size=4))], "first one in"),
        (lambda: [next(batches(1)).drop_vars("x")], "coordinate 'x' is missing"),
        (lambda: [next(batches(1)).drop_vars("u")], "has no field"),
        (lambda: [xr.Dataset()], "has no field"),
    ],
)
def test_batches_that_do_not_fit(tmp_path, given, message):
    with pytest.raises(InputError, match=message):
        write(tmp_path / "data.h5", given())
    assert list(tmp_path.iterdir()) == []


def test_nan_is_found_with_its_case_and_frame(tmp_path):
    def broken():
        for batch in batches(3):
            if batch["u"][0, 0, 0, 0] == 2:
                batch = batch.copy(deep=True)
                batch["u"][1, 3, 4, 5] = np.nan
            yield batch

    with pytest.raises(InputError, match="field 'u' holds NaN or infinity in case 5, frame 3"):
        write(tmp_path / "data.h5", broken())
    assert list(tmp_path.iterdir()) == []


def test_values_too_large_for_float32(tmp_path):
    raw = from_arrays({"u": np.full((1, 2, 3), 1e300)}).xarray
    with pytest.raises(InputError, match="infinity in case 0, frame 0"):
        write(tmp_path / "data.h5", [raw])


@pytest.mark.parametrize(("option", "value"), [("compression", "blosc"), ("dtype", "int8")])
def test_options(tmp_path, option, value):
    with pytest.raises(InputError, match=f"'{value}'"):
        write(tmp_path / "data.h5", batches(1), **{option: value})
