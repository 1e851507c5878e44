"""What cannot be used is refused in one sentence."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from sciflow.core import InputError, UnknownNameError
from sciflow.data import check_file, from_arrays, open_dataset

U = np.zeros((2, 3, 4, 5))
HOLED = U.copy()
HOLED[1, 2, 0, 3] = np.inf


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ({}, {}, "no fields"),
        ({"u": np.zeros((2, 3))}, {}, r"'u' has the shape \(2, 3\)"),
        ({"u": U.astype(str)}, {}, "expected real numbers"),
        ({"u": U, "v": U[:, :2]}, {}, "other numbers of frames"),
        ({"u": U, "v": U[..., :3]}, {}, "equal shapes"),
        ({"u": [U[0], U[1, :2, :3]]}, {}, "different grids"),
        ({"u": HOLED}, {}, "'u' holds NaN or infinity in case 1, frame 2"),
        ({"u": U[:, :0]}, {}, "no entries along time"),
        ({"u": U[:0]}, {}, "has no cases"),
        ({"u": U}, {"times": [0, 1]}, "times have the shape"),
        ({"u": U}, {"times": [0, 2, 1]}, "'time' must be finite and increase"),
        ({"u": U}, {"times": [[0, 1, 2], [0, 1, 1]]}, "times of case 1"),
        ({"u": U}, {"coordinates": {"x": np.arange(4)}}, "'x' has the shape"),
        ({"u": U}, {"coordinates": {"x": -np.arange(5)}}, "'x' must be finite and increase"),
        ({"u": U}, {"coordinates": {"z": np.arange(5)}}, "'z' is no axis"),
        ({"u": U}, {"parameters": {"Re": [1, 2, 3]}}, "parameter 'Re' has the shape"),
        ({"u": U}, {"parameters": {"Re": [1, np.nan]}}, "'Re' must hold a finite number"),
        ({"u": U}, {"parameters": {"u": 1}}, "'u' is given twice"),
        ({"u": U}, {"signals": {"g": np.zeros(2)}}, "signal 'g' has the shape"),
        ({"u": U}, {"signals": {"g": [[0, 1, 2], [0, np.nan, 2]]}}, "'g' holds NaN or infinity in case 1"),
        ({"u": U}, {"mask": np.ones((4, 4))}, "mask has the shape"),
        ({"u": U}, {"mask": np.zeros((4, 5))}, "without any fluid cell"),
        ({"u": U}, {"units": {"w": "m"}}, "unit of 'w'"),
        ({"u": U}, {"grid": "staggered"}, "expected 'nodes' or 'cells'"),
        ({"u": U}, {"periodic": ("z",)}, "names the axis 'z'"),
        ({"two words": U}, {}, "must not hold spaces"),
        ({"u": U}, {"problem": "burgers"}, "parameter 'nu' of the problem 'burgers' is missing"),
        ({"w": U}, {"problem": "burgers", "parameters": {"nu": 1.0}}, "field 'u' of the problem"),
        (xr.Dataset({"u": (("case", "time", "lon"), U[..., 0])}), {}, "dimension 'lon' is not known"),
        (xr.Dataset({"u": (("case", "time", "y"), U[..., 0])}), {}, "space axes must be"),
        (xr.Dataset({"u": (("case", "time", "x"), U[..., 0].astype("datetime64[s]"))}), {}, "holds datetime64"),
    ],
)
def test_arrays(arrays, options, message):
    with pytest.raises(InputError, match=message) as caught:
        from_arrays(arrays, **options)
    assert "\n" not in str(caught.value)


def test_an_unknown_problem_names_near_ones():
    with pytest.raises(UnknownNameError, match="Did you mean 'burgers'"):
        from_arrays({"u": U}, problem="burger")


def test_nan_in_solid_cells_is_no_error():
    mask = np.ones((4, 5), bool)
    mask[0, 3] = False
    assert (from_arrays({"u": HOLED}, mask=mask).array() == 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data["u"].attrs.__setitem__("role", "fild"), "the role of 'u' is 'fild'"),
        (lambda data: data["u"].attrs.__setitem__("scale_coord", "speed"), "names 'speed', which is not a coordinate"),
        (lambda data: data["Re"].attrs.__setitem__("scale", "cubic"), "scale 'cubic'"),
        (lambda data: data["Re"].attrs.__setitem__("scale", "log"), "a value that is not positive"),
        (lambda data: data.coords.__setitem__("length", ("case", [3, 4])), "between 1 and the 3 stored frames"),
        (lambda data: data.coords.__setitem__("length", ("case", [3.0, 2.5])), "as integers"),
        (lambda data: data.attrs.__setitem__("schema", "sciflow-9"), "schema"),
        (lambda data: data.attrs.__setitem__("grid", "fine"), "grid"),
    ],
)
def test_rules_of_the_schema(change, message):
    from sciflow.data.schema import require_valid

    data = from_arrays({"u": U}, parameters={"Re": [0.0, 1.0]}).xarray.copy(deep=True)
    change(data)
    with pytest.raises(InputError, match=message):
        require_valid(data)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("good") / "data.h5"
    return from_arrays({"u": rng.standard_normal((4, 6, 8, 8))}, parameters={"Re": np.arange(4)}, path=path).path


@settings(max_examples=25, deadline=None)
@given(share=st.floats(0, 0.999))
def test_a_truncated_file(good, tmp_path_factory, share):
    path = tmp_path_factory.mktemp("cut") / "data.h5"
    path.write_bytes(good.read_bytes()[: int(share * good.stat().st_size)])
    with pytest.raises(InputError, match=r"truncated|not HDF5|empty|damaged") as caught:
        open_dataset(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    assert check_file(path) == [str(caught.value)]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"time,u\n0,1\n", "is not HDF5"), (b"", "is empty"), (b"\x89HDF\r\n\x1a\n", "damaged|truncated")],
)
def test_other_files(tmp_path, content, message):
    path = tmp_path / "data.h5"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        open_dataset(path)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(InputError, match="There is no file"):
        open_dataset(tmp_path / "none.h5")
    with pytest.raises(InputError, match="is a folder"):
        open_dataset(tmp_path)


def test_the_suffix_does_not_matter(good, tmp_path):
    path = tmp_path / "data.txt"
    path.write_bytes(good.read_bytes())
    assert len(open_dataset(path)) == 4


def test_hdf5_that_is_not_a_data_set(tmp_path):
    xr.Dataset({"u": (("case", "time", "x"), np.zeros((2, 3, 4)))}).to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with pytest.raises(InputError, match="has no field"):
        open_dataset(tmp_path / "a.nc")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda data: data.array("w"), "no field 'w'"),
        (lambda data: data.array(cases=[9]), "case 9 is not among"),
        (lambda data: data.select([]), "is empty"),
        (lambda data: data.select([0.5]), "integer indices"),
        (lambda data: data.signal_values("g"), "no signal 'g'"),
        (lambda data: data.units("w"), "no variable 'w'"),
    ],
)
def test_questions_to_a_data_set(good, call, message):
    with pytest.raises(InputError, match=message):
        call(open_dataset(good))
