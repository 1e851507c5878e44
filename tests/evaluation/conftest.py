"""A data set file on which small methods run in milliseconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sciflow.data import Dataset, from_arrays, open_dataset, splits

CASES, FRAMES = 10, 9


@pytest.fixture(scope="session")
def data_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """u decays at the case's rate k, v is a moving wave; split "random"."""
    t = 0.5 * np.arange(FRAMES)
    k = np.linspace(0.1, 1.0, CASES)
    x, y = np.arange(6) / 6, np.arange(4) / 4
    shape = np.sin(2 * np.pi * x) * np.cos(2 * np.pi * y)[:, None] + 0.3
    u = np.exp(-k[:, None] * t)[..., None, None] * shape
    v = np.sin(2 * np.pi * (x - 0.1 * t[:, None]))[None, :, None] * np.ones((CASES, 1, 4, 1))
    path = tmp_path_factory.mktemp("data") / "waves.h5"
    data = from_arrays(
        {"u": u, "v": v}, times=t, parameters={"k": k}, periodic=("x", "y"), units={"u": "m/s", "v": "m/s"}, path=path
    )
    data.with_split(splits.random(data, counts={"train": 6, "valid": 1, "test": 3}, seed=0), "random")
    return path


@pytest.fixture
def data(data_file: Path) -> Dataset:
    return open_dataset(data_file)
