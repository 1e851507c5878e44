"""A data set file on which small methods run in milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sciflow.data import Dataset, from_arrays, open_dataset, splits
from sciflow.evaluation import Results
from sciflow.evaluation.results import COLUMNS, CURVE_COLUMNS

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


@pytest.fixture(autouse=True)
def repeated_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forecasts are asked for again to be timed; once is enough where that is not what is tested."""
    if request.path.name not in ("test_cost.py", "test_forecast.py"):
        monkeypatch.setattr("sciflow.evaluation.cost._REPEATS", 1)


@pytest.fixture
def data(data_file: Path) -> Dataset:
    return open_dataset(data_file)


def _make_results(
    errors: Mapping[str, Sequence[Sequence[float]]],
    costs: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    held: float = 1.0,
    horizon: int = 10,
    split: str = "random",
    nrmse: bool = False,
    **facts: Any,
) -> Results:
    """Results of one horizon from NMSE by method, seed and case; costs by method, lists of them by seed."""
    rows, spent = [], []
    for method, seeds in errors.items():
        for seed, cases in enumerate(seeds):
            for case, error in enumerate(cases):
                key = ("made", method, seed, split, horizon)
                rows.append((*key, "nmse", "all", case, error))
                rows.append((*key, "persistence_nmse", "all", case, held))
                if nrmse:
                    rows.append((*key, "nrmse", "all", case, error**0.5))
            given = (costs or {}).get(method, {})
            own = {name: value[seed] if isinstance(value, tuple) else value for name, value in given.items()}
            spent.append({"method": method, "seed": seed, **own})
    table = pd.DataFrame(rows, columns=COLUMNS)
    curves = pd.DataFrame(columns=CURVE_COLUMNS)
    return Results(table, curves, pd.DataFrame(spent), {"split": split, **facts})


@pytest.fixture
def make_results() -> Callable[..., Results]:
    return _make_results
