"""The three layouts of PDEBench files."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from sciflow.core.errors import InputError
from sciflow.data import check_file
from sciflow.data.importers import import_dataset

RNG = np.random.default_rng(0)


def floats(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def test_tensor_in_one_dimension(tmp_path: Path) -> None:
    """As in 1D_Advection_Sols_beta0.1.hdf5: one time more than frames, the speed among the attributes."""
    values = floats(4, 6, 16)
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["tensor"] = values
        file["x-coordinate"] = (np.arange(16) + 0.5) / 16
        file["t-coordinate"] = np.linspace(0, 0.6, 7)
        file.attrs["beta"] = 0.1
    data = import_dataset("pdebench", tmp_path / "a.hdf5", tmp_path / "a.h5", periodic=["x"])
    np.testing.assert_array_equal(data.array()[:, :, 0], values)
    np.testing.assert_allclose(data.times, np.arange(6) * 0.1, atol=1e-15)
    assert (data.fields, data.periodic, data.parameters) == (["u"], ("x",), ["beta"])
    assert data.parameter_values().ravel().tolist() == [0.1] * 4 and data.units("u") == ""
    first = import_dataset("pdebench", tmp_path / "a.hdf5", tmp_path / "b.h5", cases=2, fields=["c"])
    assert (len(first), first.fields) == (2, ["c"])
    named = {"problem": "advection", "parameters": {"c": 0.1}}
    known = import_dataset("pdebench", tmp_path / "a.hdf5", tmp_path / "c.h5", **named)
    assert (known.problem, known.periodic, known.units("c")) == ("advection", ("x",), "m/s")
    assert known.parameter_values()[0, known.parameters.index("c")] == 0.1
    assert check_file(tmp_path / "a.h5") == []


def test_variables_in_two_and_three_dimensions(tmp_path: Path) -> None:
    """As in 2D_CFD_*.hdf5 and 3D_CFD_*.hdf5: [case, time, x, y, z] becomes [case, time, z, y, x]."""
    for sizes in ((6, 4), (6, 4, 3)):
        names = [*("Vx", "Vy", "Vz")[: len(sizes)], "density", "pressure"]
        arrays = {name: floats(2, 5, *sizes) for name in names}
        with h5py.File(tmp_path / "c.hdf5", "w") as file:
            for name, values in arrays.items():
                file[name] = values
            for axis, size in zip("xyz", sizes, strict=False):
                file[f"{axis}-coordinate"] = np.linspace(0, 2, size)
            file["t-coordinate"] = np.linspace(0, 1, 5)
            file.attrs.update(eta=0.01, zeta=0.01, M=0.1)
        data = import_dataset("pdebench", tmp_path / "c.hdf5", tmp_path / "c.h5")
        assert data.space == ("z", "y", "x")[3 - len(sizes) :] and sorted(data.fields) == sorted(names)
        for name, values in arrays.items():
            turned = values.transpose(0, 1, *range(values.ndim - 1, 1, -1))
            np.testing.assert_array_equal(data.array(name)[:, :, 0], turned)
        assert sorted(data.parameters) == ["M", "eta", "zeta"]
        np.testing.assert_array_equal(data.header["x"].values, np.linspace(0, 2, 6))


def test_darcy_with_its_problem(tmp_path: Path) -> None:
    """As in 2D_DarcyFlow_beta1.0_Train.hdf5: one frame without a time, the coefficient beside it."""
    flow, coefficient = floats(3, 1, 8, 5), np.exp(floats(3, 8, 5))
    with h5py.File(tmp_path / "d.hdf5", "w") as file:
        file["tensor"], file["nu"] = flow, coefficient
        file["x-coordinate"], file["y-coordinate"] = (np.arange(8) + 0.5) / 8, (np.arange(5) + 0.5) / 5
        file.attrs["beta"] = 1.0
    plain = import_dataset("pdebench", tmp_path / "d.hdf5", tmp_path / "p.h5")
    assert (plain.fields, plain.inputs, plain.frame_count) == (["u"], ["nu"], 1)
    np.testing.assert_array_equal(plain.input_values()[:, 0], coefficient.transpose(0, 2, 1))
    np.testing.assert_array_equal(plain.array()[:, 0, 0], flow[:, 0].transpose(0, 2, 1))
    named = import_dataset("pdebench", tmp_path / "d.hdf5", tmp_path / "n.h5", problem="darcy")
    assert (named.problem, named.fields, named.inputs) == ("darcy", plain.fields, ["a"])
    with pytest.raises(InputError, match="parameter .* is missing"):
        import_dataset("pdebench", tmp_path / "d.hdf5", tmp_path / "x.h5", problem="helmholtz", fields=["u"])


def test_groups_of_cases(tmp_path: Path) -> None:
    """As in 2D_diff-react_NA_NA.h5: one group for each case, channels last."""
    values = floats(3, 4, 6, 5, 2)
    with h5py.File(tmp_path / "g.h5", "w") as file:
        for case, own in enumerate(values):
            group = file.create_group(f"{case:04d}")
            group["data"] = own
            for axis, size in (("x", 6), ("y", 5), ("t", 4)):
                group[f"grid/{axis}"] = np.linspace(-1, 1, size)
            group.attrs["config"] = "sim: {du: 0.001}"
    data = import_dataset("pdebench", tmp_path / "g.h5", tmp_path / "o.h5")
    np.testing.assert_array_equal(data.array(), values.transpose(0, 1, 4, 3, 2))
    assert data.fields == ["u", "v"] and data.attrs["config"] == "sim: {du: 0.001}"
    np.testing.assert_array_equal(data.times, np.linspace(-1, 1, 4))
    with h5py.File(tmp_path / "g.h5", "r+") as file:
        file["0002/grid/x"][0] = -3
    with pytest.raises(InputError, match="case 0002 has another grid"):
        import_dataset("pdebench", tmp_path / "g.h5", tmp_path / "o.h5")


def test_incompressible_flow(tmp_path: Path) -> None:
    """As in ns_incom_inhom_2d_512-0.h5: velocity, particles, force, and times by case."""
    velocity, particles, force = floats(2, 4, 6, 5, 2), floats(2, 4, 6, 5, 1), floats(2, 6, 5, 2)
    times = np.stack([np.linspace(0, 1, 4), np.linspace(0, 2, 4)])
    with h5py.File(tmp_path / "i.h5", "w") as file:
        file["velocity"], file["particles"], file["force"], file["t"] = velocity, particles, force, times
    data = import_dataset("pdebench", tmp_path / "i.h5", tmp_path / "o.h5")
    expected = np.concatenate([velocity, particles], axis=-1).transpose(0, 1, 4, 3, 2)
    np.testing.assert_array_equal(data.array(), expected)
    np.testing.assert_array_equal(data.input_values(), force.transpose(0, 3, 2, 1))
    np.testing.assert_array_equal(data.case_times, times)
    assert (data.fields, data.inputs) == (["u", "v", "particles"], ["force_x", "force_y"])
    assert check_file(tmp_path / "o.h5") == []


def test_bad_files(tmp_path: Path) -> None:
    def refused(words: str, **options: object) -> None:
        with pytest.raises(InputError, match=words):
            import_dataset("pdebench", tmp_path / "b.h5", tmp_path / "o.h5", **options)

    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["other"] = np.zeros(3)
    refused("none of PDEBench's layouts: it holds other")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["tensor"], file["x-coordinate"] = floats(2, 4, 8), np.arange(7)
    refused("x-coordinate has .7,. entries for 8 points")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["tensor"], file["x-coordinate"] = floats(2, 4, 8), np.arange(8)
    refused("4 frames and no times")
    with h5py.File(tmp_path / "b.h5", "r+") as file:
        file["t-coordinate"] = np.arange(9)
    refused("9 times for 4 frames")
    with h5py.File(tmp_path / "b.h5", "r+") as file:
        del file["t-coordinate"]
        file["t-coordinate"] = np.arange(4)
        file["tensor"][1, 2] = np.nan
    refused("'u' holds NaN or infinity in case 1, frame 2")
    refused("no axis 'y' to be periodic", periodic=["y"])
    refused("cases is 0", cases=0)
    (tmp_path / "b.h5").write_text("text")
    refused("not HDF5")
