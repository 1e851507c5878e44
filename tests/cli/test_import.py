"""``sciflow data import``, ``export`` and ``download``: what they print and how they refuse."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest


@pytest.fixture
def release(tmp_path: Path) -> Path:
    for number, subset in enumerate(["prop", "bc"]):
        folder = tmp_path / "data" / "cavity" / subset / f"case{number:04d}"
        folder.mkdir(parents=True)
        for name in "uv":
            np.save(folder / f"{name}.npy", np.full((3, 64, 64), 1.0 + number))
        meta = {"vel_top": 1.0, "density": 1.0, "viscosity": 0.01, "height": 1.0, "width": 1.0}
        (folder / "case.json").write_text(json.dumps(meta))
    return tmp_path / "data"


def test_import_and_export(sciflow: Callable, release: Path, tmp_path: Path) -> None:
    target = tmp_path / "c.h5"
    answer = sciflow("data", "import", "cfdbench", release, target, "--problem", "cavity", "--subset", "bc+prop")
    assert answer.code == 0 and "2 cases, 3 frames" in answer.out
    assert "2 files" in sciflow("data", "export", "cfdbench", target, tmp_path / "out").out
    assert (np.load(tmp_path / "out" / "cavity" / "bc" / "case0001" / "u.npy") == 2).all()
    from sciflow.data import open_dataset

    with open_dataset(target) as data:
        data.with_split({"train": [0], "test": [1]})
    assert "3 files" in sciflow("data", "export", "well", target, tmp_path / "well", "--set", "name=lid").out
    with h5py.File(tmp_path / "p.hdf5", "w") as file:
        file["tensor"], file["x-coordinate"], file["t-coordinate"] = np.ones((2, 3, 4)), np.arange(4), np.arange(3)
    answer = sciflow("data", "import", "pdebench", tmp_path / "p.hdf5", tmp_path / "p.h5", "--periodic", "x")
    assert answer.code == 0 and "2 cases, 3 frames" in answer.out


def test_refusals(sciflow: Callable, release: Path, tmp_path: Path) -> None:
    (release / "tube").mkdir()  # a second problem, so that one has to be chosen
    (release / "cavity" / "bc" / "case0001" / "case.json").unlink()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{probe.getsockname()[1]}/a.zip"
    for arguments, words in (
        (["import", "cfdbench", release / "cavity", "c.h5"], "case0001 has no case.json"),
        (["import", "cfdbench", release, "c.h5"], "choose one, as in --problem cavity"),
        (["import", "cfdbench", release / "cavity", "c.h5", "--subset", "goe"], "no subset"),
        (["import", "cfdbenhc", release, "c.h5"], "Did you mean 'cfdbench'"),
        (["import", "well", release, "c.h5", "--subset", "bc"], "takes no option 'subset'"),
        (["import", "well", release / "none", "c.h5"], "no file or folder"),
        (["export", "wel", "c.h5", "out"], "no file"),
        (["download", "cfdbench-cavty", tmp_path / "d"], "Did you mean 'cfdbench-cavity'"),
        (["download", nowhere, tmp_path / "d"], "--sha256"),
        (["download", nowhere, tmp_path / "d", "--sha256", "0" * 64], "cannot be reached"),
    ):
        answer = sciflow("data", *arguments)
        assert answer.code == 2 and words in answer.err and "Traceback" not in answer.err, (arguments, answer)
    assert not list(tmp_path.glob("*.h5"))
