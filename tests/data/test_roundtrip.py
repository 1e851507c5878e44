"""What goes into a file comes out of it, with and without sciflow."""

from __future__ import annotations

import pickle

import h5py
import numpy as np
import pytest
import xarray as xr

from sciflow.data import Dataset, check_file, from_arrays, open_dataset, write


def test_xarray_opens_the_file_without_sciflow(make, tmp_path):
    path = tmp_path / "data.h5"
    make(
        (6, 4, 5),
        parameters={"Re": [10.0, 20.0, 30.0], "side": 2.0},
        signals={"lid": np.arange(18.0).reshape(3, 6)},
        units={"u": "m/s", "Re": "", "lid": "m/s"},
        mask=np.array([[0, 1, 1, 1, 1]] * 4),
        periodic=("y",),
        path=path,
    )
    with xr.open_dataset(path, engine="h5netcdf") as data:
        assert data["u"].dims == ("case", "time", "y", "x")
        assert dict(data.sizes) == {"case": 3, "time": 6, "y": 4, "x": 5}
        assert data["u"].dtype == np.float32
        assert data["u"].attrs["units"] == "m/s" and data["u"].attrs["role"] == "field"
        assert {"Re", "side", "length", "case", "time", "x", "y"} == set(data.coords)
        assert data["length"].values.tolist() == [6, 4, 5]
        assert data["mask"].dtype == bool and not data["mask"][:, 0].any()
        assert (data["u"].values[0, :, :, 0] == 0).all()  # solid
        assert data["u"].values[1, 3, 2, 3] == np.float32(1003 + 13e-4)
        assert np.isnan(data["u"].values[1, 4:]).all()
        assert data.attrs["periodic"] == "y" and data.attrs["grid"] == "nodes"
        assert data["lid"].values[0].tolist() == [0, 1, 2, 3, 4, 5]
        assert data["y"].values.tolist() == [0, 0.25, 0.5, 0.75]  # periodic: the right end is left out
        assert data["x"].values.tolist() == [0, 0.25, 0.5, 0.75, 1]


@pytest.mark.parametrize("shape", [(7,), (4, 5), (3, 4, 5)])
@pytest.mark.parametrize("compression", [None, "gzip", "lzf"])
def test_memory_and_file_say_the_same(make, tmp_path, shape, compression):
    memory = make((6, 3, 5), shape=shape, signals={"g": np.linspace(0, 1, 6)})
    file = open_dataset(write(tmp_path / "data.bin", [memory.xarray], compression=compression))
    for data in (memory, file):
        assert data.fields == ["u", "v"] and data.parameters == ["Re"] and data.signals == ["g"]
        assert data.shape == shape and data.space == ("z", "y", "x")[3 - len(shape) :]
        assert data.lengths.tolist() == [6, 3, 5] and len(data) == 3
    assert np.array_equal(memory.array(), file.array(), equal_nan=True)
    assert np.array_equal(memory.times, file.times)
    assert np.array_equal(memory.parameter_values(), file.parameter_values())
    valid = np.arange(6) < memory.lengths[:, None]
    assert np.array_equal(memory.signal_values()[valid], file.signal_values()[valid])
    assert memory.digest == file.digest
    assert check_file(file.path) == []


def test_array_takes_fields_cases_and_frames(make, tmp_path):
    data = make((6, 3, 5), path=tmp_path / "data.h5")
    every = data.array()
    assert every.shape == (3, 6, 2, 4, 5) and every.dtype == np.float32
    assert np.array_equal(data.array("v"), every[:, :, 1:], equal_nan=True)
    assert np.array_equal(data.array(cases=[2, 0], times=slice(1, 4)), every[[2, 0], 1:4], equal_nan=True)
    assert np.array_equal(data.array(times=slice(None, None, -2)), every[:, ::-2], equal_nan=True)
    assert np.isnan(every[1, 3:]).all() and not np.isnan(every[0]).any()


def test_selections_keep_the_index_into_the_file(make, tmp_path):
    data = make((6, 3, 5, 4), path=tmp_path / "data.h5")
    part = data.select([3, 1])
    assert part.cases.tolist() == [3, 1] and part.lengths.tolist() == [4, 3]
    assert part.select([1]).cases.tolist() == [1]
    assert part.parameter_values()[:, 0].tolist() == [40, 20]
    assert part.xarray["case"].values.tolist() == [3, 1]
    assert np.array_equal(part.array(), data.array(cases=[3, 1]), equal_nan=True)
    assert np.array_equal(part.xarray["u"].values, data.xarray["u"].values[[3, 1]], equal_nan=True)


def test_fields_are_read_only_when_used(make, tmp_path):
    data = make(path=tmp_path / "data.h5")
    lazy = data.xarray["u"]
    assert not lazy.variable._in_memory
    assert lazy.values[2, 5, 0, 0] == 2005


def test_frames_that_are_not_there_take_no_space(make, tmp_path):
    frames = 400
    full = make((frames, frames, frames, frames), shape=(16, 16), fields=("u",), path=tmp_path / "full.h5")
    ragged = make((frames, 4, 4, 4), shape=(16, 16), fields=("u",), path=tmp_path / "ragged.h5")
    saved = full.path.stat().st_size - ragged.path.stat().st_size
    assert saved > 0.95 * 3 * (frames - 16) * 16 * 16 * 4
    with h5py.File(full.path) as file:
        chunks = file["u"].chunks
        assert chunks[0] == 1 and chunks[2:] == (16, 16)


def test_a_pickled_data_set_reads_again(make, tmp_path):
    data = make((6, 3, 5), path=tmp_path / "data.h5").select([2, 0])
    data.array()
    data.xarray["u"].load()
    copy = pickle.loads(pickle.dumps(data))
    assert np.array_equal(copy.array(), data.array(), equal_nan=True)
    assert copy.digest == data.digest
    state = data.source.handle.__getstate__()
    assert set(state) == {"path"}


def test_another_process_opens_the_file_for_itself(make, tmp_path):
    data = make(path=tmp_path / "data.h5")
    first = data.source.handle.file
    data.source.handle._process = -1  # as if this were a fork
    assert data.source.handle.file is not first


def test_times_may_differ_by_case(make, tmp_path):
    times = np.cumsum(np.full((3, 6), [[1.0], [2.0], [4.0]]), axis=1)
    data = make(times=times, path=tmp_path / "data.h5")
    assert np.array_equal(data.case_times, times)
    with pytest.raises(ValueError, match="case_times"):
        _ = data.times
    with xr.open_dataset(data.path, engine="h5netcdf") as plain:
        assert plain["time_of_case"].dims == ("case", "time")
    assert check_file(data.path) == []


def test_from_xarray_finds_the_roles():
    u = xr.DataArray(np.random.default_rng(0).random((5, 4, 3)), dims=("x", "time", "case"))
    given = xr.Dataset(
        {
            "u": u,
            "force": (("case", "time"), np.ones((3, 4))),
            "mask": (("x",), np.array([False, True, True, True, True])),
            "depth": (("x",), np.arange(5.0)),
        },
        coords={"x": np.arange(5.0), "time": np.arange(4.0), "nu": ("case", [0.1, 0.2, 0.3])},
    )
    data = from_arrays(given, units={"nu": "m^2/s"})
    assert (data.fields, data.signals, data.parameters) == (["u"], ["force"], ["nu"])
    assert data.has_mask and data.units("nu") == "m^2/s" and data.units("u") == ""
    assert (data.array()[..., 0] == 0).all()
    assert np.allclose(data.array()[:, :, 0, 1:], u.transpose("case", "time", "x").values[..., 1:])
    assert "role" not in given["u"].attrs  # what is given stays as it was


def test_one_case_without_the_dimension_case():
    data = from_arrays(xr.DataArray(np.zeros((4, 5)), dims=("time", "x"), name="w"))
    assert len(data) == 1 and data.fields == ["w"]


def test_a_parameter_may_be_called_length(make, tmp_path):
    data = make((6, 3, 5), parameters={"length": [1.0, 2.0, 3.0]}, path=tmp_path / "data.h5")
    assert data.parameters == ["length"]
    assert data.parameter_values()[:, 0].tolist() == [1, 2, 3]
    assert data.lengths.tolist() == [6, 3, 5]
    assert check_file(data.path) == []


def test_scales_are_found_by_name(make):
    raw = make().xarray.assign_coords(speed=("case", [1.0, 2.0, 4.0]), turn=("case", [3.0, 2.0, 1.0]))
    raw["u"].attrs["scale_coord"] = "speed"
    raw.attrs["time_scale_coord"] = "turn"
    data = from_arrays(raw)
    assert data.field_scales().tolist() == [[1, 1], [2, 1], [4, 1]]
    assert data.time_scales().tolist() == [3, 2, 1]
    assert data.parameters == ["Re"]


def test_a_registered_problem_describes_the_arrays():
    u = np.random.default_rng(0).random((2, 3, 16))
    data = from_arrays({"u": u}, parameters={"nu": [0.1, 0.01]}, problem="burgers")
    assert data.problem == "burgers" and data.periodic == ("x",)
    assert data.header["nu"].attrs["scale"] == "log"
    assert data.units("u") == "m/s"


def test_summary(make):
    text = repr(make((6, 3), problem=None))
    assert "2 cases" in text and "u, v" in text
    assert isinstance(make(), Dataset)
