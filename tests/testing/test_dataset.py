"""Checks of a data set, in memory and as a file."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from sciflow.data import Dataset, from_arrays
from sciflow.testing import check_dataset, run_dataset_checks


def _dataset(path: Path | None = None) -> Dataset:
    values = np.random.default_rng(0).normal(size=(2, 3, 4, 6, 8)).astype(np.float32)
    arrays = {"u": values[0], "v": values[1]}
    return from_arrays(arrays, parameters={"Re": [10.0, 20.0, 30.0]}, periodic=("x", "y"), path=path)


def test_a_sound_data_set_passes_in_memory_and_as_a_file(tmp_path: Path) -> None:
    path = tmp_path / "sound.h5"
    _dataset(path)
    for dataset in (_dataset(), path, str(path)):
        checks = run_dataset_checks(dataset)
        assert [check.name for check in checks] == ["content", "reading", "windows"]
        assert all(check.passed for check in checks), checks
        check_dataset(dataset)
    assert "9 windows" in checks[-1].detail


def test_changed_values_are_found(tmp_path: Path) -> None:
    path = tmp_path / "changed.h5"
    _dataset(path)
    with h5py.File(path, "r+") as file:
        file["u"][1, 2] = np.nan
    with pytest.raises(AssertionError, match=r"(?s)The data set '.*changed.h5' fails 1 of its checks.*content: .*'u'"):
        check_dataset(path)


def test_missing_and_truncated_files_are_found(tmp_path: Path) -> None:
    path = tmp_path / "cut.h5"
    _dataset(path)
    path.write_bytes(path.read_bytes()[:2000])
    for wrong in (path, tmp_path / "missing.h5"):
        (check,) = run_dataset_checks(wrong)
        assert not check.passed
        assert check.name == "content"
        assert check.detail


def test_unreliable_reading_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, original = _dataset(), Dataset.array

    def shifted(self: Dataset, *args: object, **options: object) -> np.ndarray:
        found = original(self, *args, **options)
        return found + 1 if found.shape[1] == 1 else found

    monkeypatch.setattr(Dataset, "array", shifted)
    checks = {check.name: check for check in run_dataset_checks(dataset)}
    assert "read by itself differs" in checks["reading"].detail
