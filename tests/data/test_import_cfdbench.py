"""The CFDBench release: layout, masks, parameters, bad input, round trip and memory."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from sciflow.core.errors import InputError
from sciflow.data import check_file, from_arrays, open_dataset, write
from sciflow.data.exporters import export_dataset
from sciflow.data.importers import cfdbench, import_dataset
from sciflow.data.padding import pad
from sciflow.problems import get

META: dict[str, dict[str, float]] = {
    "cavity": {"vel_top": 10.0, "density": 1.0, "viscosity": 1e-5, "height": 0.01, "width": 0.01},
    "tube": {"vel_in": 1.0, "density": 100.0, "viscosity": 0.1, "height": 0.1, "width": 1.0},
    "dam": {
        "case_no": 3, "velocity": 1.0, "density": 100.0, "viscosity": 0.1, "barrier_height": 0.12,
        "barrier_width": 0.05, "height": 0.4, "width": 1.5, "dx": 1.5 / 64, "dy": 0.4 / 64,
    },
    "cylinder": {
        "vel_in": 1.0, "density": 10.0, "viscosity": 1e-3, "radius": 0.01, "x_min": -0.06, "x_max": 0.16,
        "y_min": -0.03, "y_max": 0.09,
    },
}  # fmt: skip


def put(folder: Path, frames: int, meta: dict[str, Any], dtype: str = "<f4", cells: int = 64, seed: int = 0) -> None:
    """One case folder of random numbers."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for name in "uv":
        np.save(folder / f"{name}.npy", rng.standard_normal((frames, cells, cells)).astype(dtype))
    (folder / "case.json").write_text(json.dumps(meta))


@pytest.fixture
def release(tmp_path: Path) -> Callable[..., Path]:
    """A release of one problem with one case for each frame count given, by subset; numbers run on as published."""

    def build(problem: str = "cavity", subsets: dict[str, list[int]] | None = None, **changes: Any) -> Path:
        number = 0
        for subset, lengths in (subsets or {"bc": [5, 3], "prop": [4], "geo": [6]}).items():
            for frames in lengths:
                meta = META[problem] | changes
                put(tmp_path / "data" / problem / subset / f"case{number:04d}", frames, meta, seed=number)
                number += 1
        return tmp_path / "data"

    return build


def test_values_order_and_lengths(release: Callable[..., Path], tmp_path: Path) -> None:
    data = import_dataset("cfdbench", release() / "cavity", tmp_path / "c.h5")
    # Order of the published splits: prop, bc, geo, each by number.
    assert data.header["case_number"].values.tolist() == [2, 0, 1, 3]
    assert data.lengths.tolist() == [4, 5, 3, 6]
    meanings = str(data.header["subset"].attrs["flag_meanings"]).split()
    assert [meanings[value] for value in data.header["subset"].values] == ["prop", "bc", "bc", "geo"]
    np.testing.assert_array_equal(data.times, np.arange(6) * 0.1)
    assert data.parameter_values()[0].tolist() == [
        {"u_top": 10.0, "width": 0.01, "height": 0.01, "rho": 1.0, "mu": 1e-5}[name] for name in data.parameters
    ]
    for position, (subset, number) in enumerate([("prop", 2), ("bc", 0), ("bc", 1), ("geo", 3)]):
        folder = tmp_path / "data" / "cavity" / subset / f"case{number:04d}"
        stored = np.stack([np.load(folder / f"{name}.npy") for name in "uv"], axis=1)
        np.testing.assert_array_equal(data.frames(position, 0, int(data.lengths[position])), stored)
    assert data.signals == ["lid"] and (data.signal_values("lid")[0, :4] == 10).all()
    assert data.header["y"].values[0] == pytest.approx(0.01 / 128)  # row 0 is the bottom
    assert check_file(tmp_path / "c.h5") == []


def test_any_float_type(tmp_path: Path) -> None:
    for number, dtype in enumerate(["<f2", ">f4", "<f8"]):
        put(tmp_path / "bc" / f"case{number:04d}", 3, META["cavity"], dtype)
    data = import_dataset("cfdbench", tmp_path / "bc", tmp_path / "c.h5", problem="cavity")
    assert data.source.specs["u"].dtype == np.float32
    for number in range(3):
        stored = np.load(tmp_path / "bc" / f"case{number:04d}" / "u.npy")
        np.testing.assert_array_equal(data.array("u")[number, :, 0], stored.astype(np.float32))


def test_cylinder_mask_and_bounds(release: Callable[..., Path], tmp_path: Path) -> None:
    """The circle is about the origin, where the loaders of the release put it elsewhere; solid cells hold 0."""
    root = release("cylinder", {"prop": [3, 4]})
    put(root / "cylinder" / "geo" / "case0165", 5, META["cylinder"] | {"radius": 0.02, "x_max": 0.2})
    data = import_dataset("cfdbench", root, tmp_path / "c.h5", problem="cylinder")
    masks = data.mask_values()
    assert masks is not None and masks.shape == (3, 64, 64)
    for case, (radius, right) in enumerate([(0.01, 0.16), (0.01, 0.16), (0.02, 0.2)]):
        x = -0.06 + (right + 0.06) * (np.arange(64) + 0.5) / 64
        y = -0.03 + 0.12 * (np.arange(64) + 0.5) / 64
        np.testing.assert_array_equal(masks[case], x**2 + y[:, None] ** 2 > radius**2)
        np.testing.assert_allclose(data.header["x_of_case"].values[case], x, rtol=0, atol=1e-15)
        assert (data.frames(case, 0, 3)[..., ~masks[case]] == 0).all()
    assert data.header["x"].attrs["low"] == 0 and data.header["x"].attrs["high"] == 1
    assert data.parameter_values()[2, data.parameters.index("y1")] == 0.03
    np.testing.assert_allclose(np.diff(data.times), 0.001)
    assert check_file(tmp_path / "c.h5") == []


def test_dam_barrier(release: Callable[..., Path], tmp_path: Path) -> None:
    """The barrier is masked and its size is a parameter, where the loaders of the release lose both."""
    data = import_dataset("cfdbench", release("dam", {"geo": [3]}) / "dam", tmp_path / "d.h5")
    x, y = 1.5 * (np.arange(64) + 0.5) / 64, 0.4 * (np.arange(64) + 0.5) / 64
    barrier = ((x > 0.5) & (x < 0.55)) & (y < 0.12)[:, None]
    masks = data.mask_values()
    assert masks is not None and barrier.any()
    np.testing.assert_array_equal(masks[0], ~barrier)
    values = dict(zip(data.parameters, data.parameter_values()[0], strict=True))
    assert values["barrier_height"] == 0.12 and values["barrier_width"] == 0.05 and values["u_in"] == 1.0
    assert data.attrs["absent"] and check_file(tmp_path / "d.h5") == []


def test_tube_has_the_published_spacing(release: Callable[..., Path], tmp_path: Path) -> None:
    data = import_dataset("cfdbench", release("tube", {"prop": [4]}) / "tube", tmp_path / "t.h5")
    np.testing.assert_allclose(data.times, [0, 0.01, 0.02, 0.03], rtol=1e-15)
    assert not data.has_mask and data.signals == ["inlet"]
    assert check_file(tmp_path / "t.h5") == []


def test_round_trip_is_exact(release: Callable[..., Path], tmp_path: Path) -> None:
    data = import_dataset("cfdbench", release("cylinder") / "cylinder", tmp_path / "a.h5")
    export_dataset("cfdbench", data, tmp_path / "out")
    again = import_dataset("cfdbench", tmp_path / "out", tmp_path / "b.h5", problem="cylinder")
    assert again.digest == data.digest


def test_layer_of_known_values_stays_behind(release: Callable[..., Path], tmp_path: Path) -> None:
    data = import_dataset("cfdbench", release("cylinder", {"bc": [3]}) / "cylinder", tmp_path / "a.h5")
    padded = open_dataset(write(tmp_path / "p.h5", pad(data.xarray.load(), get("cylinder"))))
    assert padded.shape == (66, 65)  # an inlet and two walls
    export_dataset("cfdbench", padded, tmp_path / "out")
    [case] = (tmp_path / "out" / "cylinder" / "bc").iterdir()
    for name in ("u", "v"):
        np.testing.assert_array_equal(np.load(case / f"{name}.npy"), data.xarray[name].values[0])
    assert import_dataset("cfdbench", tmp_path / "out", tmp_path / "b.h5").shape == (64, 64)


def test_other_spacings_are_kept(release: Callable[..., Path], tmp_path: Path) -> None:
    """Beside the published keys, and only where the frames are not spaced as published."""
    root = release("cavity", {"prop": [3, 3]}, dt=0.25) / "cavity"
    (root / "prop" / "case0001" / "case.json").write_text(json.dumps(META["cavity"]))
    data = import_dataset("cfdbench", root, tmp_path / "a.h5")
    np.testing.assert_allclose(data.case_times, [[0, 0.25, 0.5], [0, 0.1, 0.2]], rtol=1e-15)
    export_dataset("cfdbench", data, tmp_path / "out")
    for number, seconds in enumerate([0.25, None]):
        meta = json.loads((tmp_path / "out" / "cavity" / "prop" / f"case{number:04d}" / "case.json").read_text())
        assert meta.get("dt") == seconds
    assert import_dataset("cfdbench", tmp_path / "out" / "cavity", tmp_path / "b.h5").digest == data.digest


def damage_missing_json(folder: Path) -> None:
    (folder / "case.json").unlink()


def damage_keys(folder: Path) -> None:
    meta = META["cavity"].copy()
    del meta["viscosity"], meta["width"]
    (folder / "case.json").write_text(json.dumps(meta))


def damage_value(folder: Path) -> None:
    (folder / "case.json").write_text(json.dumps(META["cavity"] | {"density": "one"}))


def damage_lengths(folder: Path) -> None:
    np.save(folder / "v.npy", np.load(folder / "v.npy")[:-1])


def damage_frame(value: float, frame: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for name in "uv":
            values = np.load(folder / f"{name}.npy")
            values[frame] = value
            np.save(folder / f"{name}.npy", values)

    return change


def damage_whole(folder: Path) -> None:
    for name in "uv":
        np.save(folder / f"{name}.npy", np.zeros((4, 64, 64)))


def damage_end(folder: Path) -> None:
    whole = (folder / "u.npy").read_bytes()
    (folder / "u.npy").write_bytes(whole[:-1000])


def damage_type(folder: Path) -> None:
    np.save(folder / "u.npy", np.zeros((4, 64, 64), int))


def damage_file(folder: Path) -> None:
    (folder / "v.npy").unlink()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (damage_missing_json, ["no case.json"]),
        (damage_keys, ["case.json lacks viscosity, width"]),
        (damage_value, ["density = 'one'", "positive number"]),
        (damage_lengths, ["4 frames in u.npy and 3 in v.npy"]),
        (damage_frame(np.nan, 2), ["u.npy", "NaN or infinity in frame 2"]),
        (damage_frame(0.0, 2), ["Frame 2", "zero everywhere"]),
        (damage_whole, ["Frame 1", "zero everywhere"]),
        (damage_end, ["u.npy is truncated"]),
        (damage_type, ["u.npy holds int64"]),
        (damage_file, ["no v.npy"]),
    ],
)
def test_damaged_cases(
    release: Callable[..., Path], tmp_path: Path, damage: Callable[[Path], None], words: list[str]
) -> None:
    root = release() / "cavity"
    damage(root / "prop" / "case0002")
    with pytest.raises(InputError) as refused:
        import_dataset("cfdbench", root, tmp_path / "c.h5")
    for word in ["case0002", *words]:
        assert word in str(refused.value)
    assert not list(tmp_path.glob("*c.h5*"))


def test_rest_at_the_start_is_legal(release: Callable[..., Path], tmp_path: Path) -> None:
    root = release() / "cavity"
    damage_frame(0.0, 0)(root / "prop" / "case0002")
    data = import_dataset("cfdbench", root, tmp_path / "c.h5")
    assert not data.frames(0, 0, 1).any() and data.frames(0, 1, 2).any()


def test_faults_are_counted(release: Callable[..., Path], tmp_path: Path) -> None:
    root = release() / "cavity"
    for folder in root.glob("bc/case*"):
        damage_missing_json(folder)
    with pytest.raises(InputError, match="case0000 has no case.json.*1 more cases"):
        import_dataset("cfdbench", root, tmp_path / "c.h5")


def test_names_and_places(release: Callable[..., Path], tmp_path: Path) -> None:
    root = release()
    (root / "tube").mkdir()  # a second problem, so that one has to be chosen
    target = tmp_path / "c.h5"
    for source, options, words in (
        (root, {}, "choose one, as in --problem cavity"),
        (root, {"problem": "cavit"}, "no problem 'cavit'. Did you mean 'cavity'"),
        (root, {"problem": "dam"}, "holds no problem 'dam'"),
        (root / "cavity", {"subset": "prob"}, "no subset 'prob'. Did you mean 'prop'"),
        (root / "cavity" / "bc" / "case0000", {"problem": "cavity"}, "No cases are found"),
        (root / "cavity" / "bc", {"subset": "bc+geo"}, "cases of one subset"),
        (root / "nowhere", {}, "no file or folder"),
        (root / "cavity" / "bc" / "case0000" / "u.npy", {"problem": "cavity"}, "not a folder"),
        (root / "cavity", {"colour": "red"}, "takes no option 'colour'"),
    ):
        with pytest.raises(InputError, match=words.replace("+", r"\+")):
            import_dataset("cfdbench", source, target, **options)
    (root / "cavity" / "prop").rename(root / "cavity" / "props")
    with pytest.raises(InputError, match="no subset 'props'. Did you mean 'prop'"):
        import_dataset("cfdbench", root / "cavity", target)
    (root / "cavity").rename(root / "cavern")
    with pytest.raises(InputError, match="'cavern' is no problem"):
        import_dataset("cfdbench", root / "cavern", target)


def test_other_grids_on_request(tmp_path: Path) -> None:
    put(tmp_path / "cavity" / "bc" / "case0000", 3, META["cavity"], cells=32)
    with pytest.raises(InputError, match="32 x 32 cells.*--any-grid"):
        import_dataset("cfdbench", tmp_path / "cavity", tmp_path / "c.h5")
    data = import_dataset("cfdbench", tmp_path / "cavity", tmp_path / "c.h5", any_grid=True)
    assert data.shape == (32, 32)
    put(tmp_path / "cavity" / "bc" / "case0001", 3, META["cavity"])
    with pytest.raises(InputError, match="import them apart"):
        import_dataset("cfdbench", tmp_path / "cavity", tmp_path / "d.h5", any_grid=True)


def test_export_refuses_what_the_layout_cannot_hold(release: Callable[..., Path], tmp_path: Path) -> None:
    waves = from_arrays({"u": np.ones((2, 3, 8))}, problem="advection", parameters={"c": 1.0})
    with pytest.raises(InputError, match="'advection'; CFDBench has cavity"):
        export_dataset("cfdbench", waves, tmp_path / "out")
    data = import_dataset("cfdbench", release() / "cavity", tmp_path / "c.h5")
    with pytest.raises(InputError, match="'driven'"):
        export_dataset("cfdbench", data, tmp_path / "out", subset="driven")
    with pytest.raises(InputError, match="there already"):
        export_dataset("cfdbench", data, tmp_path)
    assert not (tmp_path / "out").exists()


def test_one_case_at_a_time(release: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A case is read when the one before is written, and released then: the slow test below measures the memory."""
    source = release("cavity", {"bc": [9, 9, 5, 9, 9, 7]}) / "cavity"
    events: list[str] = []
    alive: list[weakref.ref] = []
    read = cfdbench._read

    def spied_read(case: cfdbench.ReleasedCase, name: str, frames: int) -> np.ndarray:
        events.append(f"{name} {case.number}")
        return read(case, name, frames)

    def spied_write(path: Path, batches: Iterator[xr.Dataset], **more: Any) -> Path:
        def each() -> Iterator[xr.Dataset]:
            for batch in batches:
                gc.collect()
                assert sum(ref() is not None for ref in alive) <= 1  # the batch before this one
                alive.append(weakref.ref(batch))
                case = int(batch["case_number"][0])
                events.append(f"write {case}")
                # Two fields of one case; coordinates, signals and scales are small beside them.
                assert batch.nbytes < 1.01 * 2 * batch.sizes["time"] * 64 * 64 * 4
                yield batch

        return write(path, each(), **more)

    monkeypatch.setattr(cfdbench, "_read", spied_read)
    monkeypatch.setattr(cfdbench, "write", spied_write)
    import_dataset("cfdbench", source, tmp_path / "c.h5")
    assert events == [f"{what} {case}" for case in range(6) for what in ("u", "v", "write")]


SCRIPT = """
import resource, sys
from sciflow.data.importers import cfdbench, import_dataset
data = import_dataset("cfdbench", sys.argv[1], sys.argv[2])
print(len(data), int(data.lengths.sum()), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_six_gigabytes_in_one(tmp_path: Path) -> None:
    """46 cylinder cases of 2000 frames, 6.03 GB of float64, read with at most 1 GB of resident memory."""
    frames, size = 2000, 64 * 64 * 8
    total = 0
    for number in range(46):
        folder = tmp_path / "cylinder" / "prop" / f"case{number:04d}"
        folder.mkdir(parents=True)
        (folder / "case.json").write_text(json.dumps(META["cylinder"]))
        for name in "uv":
            with (folder / f"{name}.npy").open("wb") as stream:
                head = {"descr": "<f8", "fortran_order": False, "shape": (frames, 64, 64)}
                np.lib.format.write_array_header_1_0(stream, head)
                begin = stream.tell()
                stream.truncate(begin + frames * size)  # a sparse file: one page for each frame takes room
                for frame in range(frames):
                    stream.seek(begin + frame * size)
                    stream.write(np.float64(1 + number + frame / frames).tobytes())
            total += (folder / f"{name}.npy").stat().st_size
    assert total > 6e9
    target = tmp_path / "cylinder.h5"
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "cylinder"), str(target)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    cases, read, kilobytes = map(int, answer.stdout.split())
    assert (cases, read) == (46, 46 * frames)
    assert kilobytes * 1024 < 1e9
    with open_dataset(target) as data:
        assert data.frames(45, 1999, 2000)[0, 0, 0, 0] == np.float32(46 + 1999 / 2000)
