"""The Well's format: export, its rules, import, and the reader of the package the_well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from sciflow.core.errors import InputError
from sciflow.data import Dataset, check_file, from_arrays, open_dataset, write
from sciflow.data.exporters import export_dataset
from sciflow.data.exporters.well_rules import violations
from sciflow.data.importers import import_dataset

SPLIT = {"train": [3, 0, 4], "valid": [1], "test": [2]}
LENGTHS = [6, 4, 5, 6, 4]


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Cylinder cases of different lengths and geometries: vector, scalar field, mask, signal, varied domain."""
    from sciflow.problems import get
    from sciflow.solvers.assemble import assemble
    from sciflow.solvers.base import cell_grid

    problem = get("cylinder")
    cases = [
        problem.sample(1, index, None, radius=0.01 + 0.002 * index, u_in=1.0 + index, mu=1e-3)[0] for index in range(5)
    ]
    rng = np.random.default_rng(0)
    fields = {name: rng.standard_normal((5, 6, 8, 12)).astype(np.float32) for name in ("u", "v", "p")}
    cases = [type(c)(i, c.seed, c.parameters | {"x2": 0.16 + 0.01 * i}, c.coefficients) for i, c in enumerate(cases)]
    grid = cell_grid(problem, cases, (12, 8))
    data = assemble(problem, cases, np.arange(6) * 0.5, grid, fields)
    data = data.assign_coords(length=("case", np.array(LENGTHS)))
    return open_dataset(write(tmp_path_factory.mktemp("flow") / "flow.h5", [data], splits={"default": SPLIT}))


@pytest.fixture(scope="module")
def exported(flow: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """The folder into which the flow is exported, and its files."""
    folder = tmp_path_factory.mktemp("exported") / "well"
    return folder, export_dataset("well", flow, folder)


def test_exported_files_obey_the_rules(flow: Dataset, exported: tuple[Path, list[Path]]) -> None:
    folder, written = exported
    assert [str(path.relative_to(folder)) for path in written] == [
        "data/train/cylinder_00004.hdf5",
        "data/train/cylinder_00006.hdf5",
        "data/valid/cylinder.hdf5",
        "data/test/cylinder.hdf5",
        "stats.yaml",
    ]
    for path in written[:-1]:
        assert violations(path) == []
    with h5py.File(written[1]) as file:  # cases 3 and 0
        velocity = file["t1_fields/velocity"][()]
        assert velocity.shape == (2, 6, 12, 8, 2)
        expected = flow.array(["u", "v"], cases=[3, 0]).transpose(0, 1, 4, 3, 2)
        np.testing.assert_array_equal(velocity, expected)
        np.testing.assert_array_equal(file["t0_fields/p"][()], flow.array("p", cases=[3, 0])[:, :, 0].swapaxes(2, 3))
        masks = flow.mask_values()
        assert masks is not None
        np.testing.assert_array_equal(file["t0_fields/mask"][()], masks[[3, 0]].swapaxes(1, 2))
        np.testing.assert_array_equal(file["scalars/u_in"][()], [4, 1])
        np.testing.assert_array_equal(file["scalars/inlet"][()], flow.select([3, 0]).signal_values("inlet")[..., 0])
        assert "rho" in file.attrs["simulation_parameters"] and file.attrs["rho"] == 10.0
        assert "u_in" not in file.attrs["simulation_parameters"]
        kinds = {name: group.attrs["bc_type"] for name, group in file["boundary_conditions"].items()}
        # What flows in and out is open, the sides of the channel are walls.
        assert kinds == {"x_open": "open", "y_wall": "wall"}
        assert file["boundary_conditions/x_open/mask"][[0, 1, -1]].tolist() == [True, False, True]


def test_stats_are_those_of_the_training_cases(flow: Dataset, exported: tuple[Path, list[Path]]) -> None:
    stats = yaml.safe_load((exported[0] / "stats.yaml").read_text())
    frames = [flow.frames(case, 0, LENGTHS[case]).astype(float) for case in SPLIT["train"]]
    values = np.concatenate(frames).transpose(1, 0, 2, 3).reshape(3, -1)
    steps = np.concatenate([np.diff(own, axis=0) for own in frames]).transpose(1, 0, 2, 3).reshape(3, -1)
    for suffix, cells in (("", values), ("_delta", steps)):
        for key, numbers in (
            ("mean", cells.mean(axis=1)),
            ("std", cells.std(axis=1)),
            ("rms", np.sqrt(np.square(cells).mean(axis=1))),
        ):
            found = [*stats[key + suffix]["velocity"], stats[key + suffix]["p"]]
            np.testing.assert_allclose(found, numbers, rtol=1e-12, atol=1e-15)
    assert "mask" in stats["mean"]


def test_round_trip(flow: Dataset, exported: tuple[Path, list[Path]], tmp_path: Path) -> None:
    """Fields come back exactly and in order; times and parameters in single precision, as the format stores them."""
    again = import_dataset("well", exported[0], tmp_path / "w.h5", strict=True)
    assert again.splits == {"default": {part: sorted(cases) for part, cases in SPLIT.items()}}
    assert (again.problem, sorted(again.fields), again.parameters) == ("cylinder", ["p", "u", "v"], flow.parameters)
    assert again.lengths.tolist() == LENGTHS and again.signals == ["inlet"]
    np.testing.assert_array_equal(again.array(["u", "v", "p"]), flow.array(["u", "v", "p"]))
    np.testing.assert_array_equal(again.mask_values(), flow.mask_values())
    np.testing.assert_allclose(again.parameter_values(), flow.parameter_values(), rtol=6e-8)  # half a unit of float32
    np.testing.assert_array_equal(again.times, flow.times)  # halves are exact
    np.testing.assert_allclose(again.header["x_of_case"], flow.header["x_of_case"], rtol=6e-8)
    np.testing.assert_allclose(again.header["x"], flow.header["x"], atol=1e-11)
    assert again.units("u") == "m/s" and check_file(tmp_path / "w.h5") == []


def test_periodic_scalar_fields_and_inputs(make: Callable[..., Dataset], tmp_path: Path) -> None:
    """A problem that is not declared: no vector is guessed from names, periodic axes are told, inputs are constant."""
    data = make(periodic=("x",), inputs={"bed": np.arange(20.0).reshape(4, 5)}).with_split(
        {"train": [0, 1], "test": [2]}
    )
    written = export_dataset("well", data, tmp_path / "well", name="waves")
    with h5py.File(written[0]) as file:
        assert file.attrs["dataset_name"] == "waves"
        assert list(file["t0_fields"]) == ["bed", "u", "v"] and list(file["t1_fields"]) == []
        assert sorted(file["boundary_conditions"]) == ["x_periodic", "y_open"]
    again = import_dataset("well", tmp_path / "well", tmp_path / "w.h5")
    np.testing.assert_array_equal(again.array(), data.array())
    np.testing.assert_array_equal(again.input_values(), data.input_values())
    assert (again.periodic, again.inputs) == (("x",), ["bed"])


def test_published_kinds_of_fields(tmp_path: Path) -> None:
    """A file as others write it: tensors, fields that vary along one axis only, one sample for all, other axes."""
    rng = np.random.default_rng(1)
    scalar, tensor, shared = rng.random((2, 3, 4, 5)), rng.random((2, 3, 4, 5, 2, 2)), rng.random((3, 5))
    with h5py.File(tmp_path / "t.hdf5", "w") as file:
        file.attrs.update(dataset_name="t", grid_type="spherical", n_spatial_dims=2, n_trajectories=2)
        file.attrs["simulation_parameters"] = ["Ra"]
        file.attrs["Ra"] = np.float32(5)

        def put(name: str, values: np.ndarray, sample: bool, time: bool, **more: object) -> None:
            file[name] = np.asarray(values, np.float32)
            file[name].attrs.update(sample_varying=sample, time_varying=time, **more)

        file.create_group("boundary_conditions")
        put("dimensions/time", np.arange(3), False, True)
        put("dimensions/theta", np.arange(4), False, False)
        put("dimensions/phi", np.arange(5), False, False)
        file["dimensions"].attrs["spatial_dims"] = ["theta", "phi"]
        put("scalars/Ra", np.array(5.0), False, False)
        put("t0_fields/h", scalar, True, True, dim_varying=[True, True])
        put("t0_fields/g", shared, False, True, dim_varying=[False, True])
        put("t2_fields/D", tensor, True, True, dim_varying=[True, True], symmetric=False, antisymmetric=False)
        file.create_group("t1_fields")
        for group, names in (("scalars", ["Ra"]), ("t0_fields", ["h", "g"]), ("t1_fields", []), ("t2_fields", ["D"])):
            file[group].attrs["field_names"] = names
    assert violations(tmp_path / "t.hdf5") == []
    data = import_dataset("well", tmp_path / "t.hdf5", tmp_path / "t.h5")
    assert data.fields == ["h", "g", "D_thetatheta", "D_thetaphi", "D_phitheta", "D_phiphi"]
    np.testing.assert_array_equal(data.array("h")[:, :, 0], scalar.astype(np.float32).swapaxes(2, 3))
    np.testing.assert_array_equal(
        data.array("D_thetaphi")[:, :, 0], tensor[..., 0, 1].astype(np.float32).swapaxes(2, 3)
    )
    expected = np.broadcast_to(shared.astype(np.float32)[None, :, :, None], (2, 3, 5, 4))
    np.testing.assert_array_equal(data.array("g")[:, :, 0], expected)
    assert data.parameter_values().tolist() == [[5.0], [5.0]] and data.header["x"].attrs["long_name"] == "theta"


def test_rules_find_what_is_wrong(exported: tuple[Path, list[Path]], tmp_path: Path) -> None:
    path = exported[1][1]

    def broken(change: Callable[[h5py.File], object], words: str) -> None:
        copy = tmp_path / "broken.hdf5"
        copy.write_bytes(path.read_bytes())
        with h5py.File(copy, "r+") as file:
            change(file)
        found = violations(copy)
        assert any(words in sentence for sentence in found), found

    def replace(name: str, values: np.ndarray) -> Callable[[h5py.File], None]:
        def change(file: h5py.File) -> None:
            attrs = dict(file[name].attrs)
            del file[name]
            file[name] = values
            file[name].attrs.update(attrs)

        return change

    broken(lambda f: f.attrs.pop("dataset_name"), "'dataset_name' of the root is missing")
    broken(lambda f: f.attrs.update(n_trajectories="two"), "expected an integer")
    broken(lambda f: f.attrs.update(grid_type="polar"), "grid type is 'polar'")
    broken(lambda f: f.pop("t2_fields"), "group 't2_fields' is missing")
    broken(lambda f: f["dimensions"].attrs.update(spatial_dims=["x"]), "'spatial_dims'")
    broken(lambda f: f["dimensions/time"].attrs.pop("time_varying"), "no boolean attribute 'time_varying'")
    broken(replace("dimensions/time", np.array([0, 1, 2, 3, 4, 9], np.float32)), "evenly spaced")
    broken(replace("dimensions/time", np.array([0, 1, 2, 2, 4, 5], np.float32)), "increase")
    broken(lambda f: f.attrs.pop("rho"), "simulation parameter 'rho'")
    broken(lambda f: f["boundary_conditions/x_open"].attrs.update(bc_type="leaky"), "'leaky'")
    broken(replace("boundary_conditions/x_open/mask", np.zeros(3, bool)), "mask of 'x_open' has the shape")
    broken(lambda f: f["scalars"].attrs.update(field_names=["rho"]), "not listed")
    broken(lambda f: f["t0_fields"].attrs.update(field_names=["p", "mask", "q"]), "lists 'q'")
    broken(replace("t0_fields/p", np.zeros((2, 6, 12, 8))), "expected float32")
    broken(replace("t0_fields/p", np.zeros((2, 6, 8, 12), np.float32)), "expected (2, 6, 12, 8)")
    broken(lambda f: f["t1_fields/velocity"].attrs.pop("dim_varying"), "'dim_varying'")
    assert "not HDF5" in violations(exported[0] / "stats.yaml")[0]


def test_bad_exports_and_imports(make: Callable[..., Dataset], tmp_path: Path) -> None:
    data = make()
    with pytest.raises(InputError, match="no split"):
        export_dataset("well", data, tmp_path / "a")
    with pytest.raises(InputError, match="part 'holdout'"):
        export_dataset("well", data.with_split({"train": [0], "holdout": [1]}), tmp_path / "a")
    uneven = make(times=[0, 1, 2, 3, 4, 7.0]).with_split({"train": [0, 1], "test": [2]})
    with pytest.raises(InputError, match="evenly spaced"):
        export_dataset("well", uneven, tmp_path / "a")
    assert not (tmp_path / "a").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="No .hdf5 files are found"):
        import_dataset("well", tmp_path / "empty", tmp_path / "o.h5")
    data = from_arrays({"u": np.zeros((1, 2, 4))}, path=tmp_path / "own.h5")
    with pytest.raises(InputError, match="not in The Well's format: The attribute 'dataset_name'"):
        import_dataset("well", tmp_path / "own.h5", tmp_path / "o.h5")


def test_read_by_the_well(flow: Dataset, exported: tuple[Path, list[Path]]) -> None:
    """The package's own reader gives the same numbers, sides, scalars and statistics."""
    data_module = pytest.importorskip("the_well.data", reason="needs the_well")
    normalization = pytest.importorskip("the_well.data.normalization")
    path = str(exported[0])
    reader = data_module.WellDataset(
        path=path, well_split_name="train", n_steps_input=2, n_steps_output=2, use_normalization=False
    )
    assert reader.metadata.field_names == {0: ["p"], 1: ["velocity_x", "velocity_y"], 2: []}
    assert reader.metadata.constant_field_names[0] == ["mask"]
    assert len(reader) == 1 + 2 * 3  # windows of 4 frames in cases of 4, 6 and 6
    masks = flow.mask_values()
    assert masks is not None
    windows = [(4, 0), *((case, start) for case in (3, 0) for start in range(3))]
    for index, (case, start) in enumerate(windows):
        item = reader[index]
        got = np.concatenate([item["input_fields"].numpy(), item["output_fields"].numpy()])
        expected = flow.frames(case, start, start + 4, fields=["p", "u", "v"]).transpose(0, 3, 2, 1)
        np.testing.assert_array_equal(got, expected)
        np.testing.assert_array_equal(item["constant_fields"].numpy()[..., 0], masks[case].T)
        names = reader.metadata.constant_scalar_names
        values = dict(zip(names, item["constant_scalars"].numpy(), strict=True))
        assert values["u_in"] == 1 + case and values["rho"] == 10
        assert item["boundary_conditions"].tolist() == [[1, 1], [0, 0]]  # open along x, walls along y
        np.testing.assert_allclose(item["space_grid"][:, 0, 0], flow.header["x_of_case"].values[case], rtol=6e-8)
    scaled = data_module.WellDataset(
        path=path, well_split_name="train", n_steps_input=1, n_steps_output=3,
        use_normalization=True, normalization_type=normalization.ZScoreNormalization,
    )  # fmt: skip
    assert abs(float(scaled[0]["output_fields"].std()) - 1) < 0.2
