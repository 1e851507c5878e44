"""Arrays of filtered channel flow in the published layout, with few groups and snapshots."""

from __future__ import annotations

from math import pi
from pathlib import Path

import numpy as np
import pytest

from sciflow.core.errors import InputError
from sciflow.data import check_file
from sciflow.data.importers import import_dataset

GRID = (32, 33, 16)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    values = np.random.default_rng(0).standard_normal((2, 3, *GRID, 4)).astype(np.float32)
    np.save(tmp_path / "Retau180.npy", values)
    return tmp_path / "Retau180.npy"


def test_axes_fields_and_parameters(source: Path, tmp_path: Path) -> None:
    data = import_dataset("channel", source, tmp_path / "c.h5")
    assert check_file(tmp_path / "c.h5") == [] and (data.problem, data.periodic) == ("channel", ("x", "z"))
    values = np.load(source)
    for number, name in enumerate("uvwp"):
        np.testing.assert_array_equal(data.array(name)[:, :, 0], values[..., number].transpose(0, 1, 4, 3, 2))
    header = data.header
    np.testing.assert_allclose(header["x"], 4 * pi * np.arange(32) / 32)
    np.testing.assert_allclose(header["z"], 4 * pi / 3 * np.arange(16) / 16)
    y = header["y"].values  # the published points have 3.89 wall units to the first and 174.6 to the middle one
    assert y[1] == pytest.approx(3.89 / 174.6, rel=5e-3) and (y[0], y[16], y[32]) == (0, 1, 2)
    assert np.diff(data.times).tolist() == [1.0, 1.0] and float(header["nu"][0]) == pytest.approx(1 / 4200)
    assert not data.splits


def test_groups_become_the_published_split(tmp_path: Path) -> None:
    groups = np.broadcast_to(np.arange(21, dtype=np.float32)[:, None, None, None, None, None], (21, 1, *GRID, 4))
    np.save(tmp_path / "a.npy", groups)
    data = import_dataset("channel", tmp_path / "a.npy", tmp_path / "a.h5", re_tau=180, interval=0.5)
    parts = {
        name: sorted(set(part.array("u").ravel()))
        for name, part in zip(("train", "valid", "test"), (data.train, data.valid, data.test), strict=True)
    }
    assert parts == {"train": list(range(16)), "valid": [16, 17, 18, 19], "test": [20]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"re_tau": 200}, "no published data at Re_tau 200; known are 180 .32 x 33 x 16., 395"),
        ({"re_tau": 395}, "has the grid 32 x 33 x 16, not that of Re_tau 395"),
        ({"interval": 0.0}, "interval is 0.0; give a positive time"),
        ({"cases": 0}, "cases is 0; give at least one"),
    ],
)
def test_options_that_do_not_fit(source: Path, tmp_path: Path, options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        import_dataset("channel", source, tmp_path / "c.h5", **options)
    assert not (tmp_path / "c.h5").exists()


def test_files_that_cannot_be_used(source: Path, tmp_path: Path) -> None:
    whole = source.read_bytes()
    source.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cannot be read as a NumPy array .* or is cut off"):
        import_dataset("channel", source, tmp_path / "c.h5")
    for shape, message in (
        ((3, *GRID, 4), "expected .group, time, x, y, z, 4."),
        ((1, 2, 8, 9, 4, 4), "grid 8 x 9 x 4"),
    ):
        np.save(source, np.zeros(shape, np.float32))
        with pytest.raises(InputError, match=message):
            import_dataset("channel", source, tmp_path / "c.h5")
    values = np.zeros((1, 2, *GRID, 4), np.float32)
    values[0, 1, 3, 4, 5, 2] = np.nan
    np.save(source, values)
    with pytest.raises(InputError, match="NaN"):
        import_dataset("channel", source, tmp_path / "c.h5")
