"""Parameters that methods are not told: in files, splits and tables, but in nothing that a network is given."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sciflow.baselines.coarse import CoarseSolver
from sciflow.core.errors import InputError
from sciflow.data import Dataset, check_file, from_arrays, open_dataset, splits, write
from sciflow.data.exporters import export_dataset
from sciflow.data.importers import import_dataset
from sciflow.evaluation.by_table import grouping
from sciflow.problems import get
from sciflow.solvers.assemble import assemble
from sciflow.solvers.base import Grid

MEANS = [-1.0, 0.0, 1.0, 2.0]
TIMES = np.arange(3.0)
POINTS = np.arange(8) / 8


def fields() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((4, 3, 8))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Burgers around four means, assembled as by a solver."""
    problem = get("burgers-boost")
    cases = [problem.sample(1, index, None, mean=mean, start=index)[0] for index, mean in enumerate(MEANS)]
    cases = [type(case)(index, case.seed, case.parameters) for index, case in enumerate(cases)]
    data = assemble(problem, cases, TIMES, Grid({"x": POINTS}, "nodes"), {"u": fields()})
    parts = {"train": [0, 1], "valid": [2], "test": [3]}
    return open_dataset(write(tmp_path_factory.mktemp("hidden") / "data.h5", [data], splits={"default": parts}))


def test_methods_are_given_the_others_only(dataset: Dataset) -> None:
    assert dataset.parameters == ["nu"] and dataset.hidden == ["mean", "start"]
    assert np.array_equal(dataset.parameter_values(), np.full((4, 1), 5e-3))
    assert np.array_equal(dataset.header["mean"].values, MEANS)
    assert check_file(dataset.path) == []


def test_networks_do_not_see_them(dataset: Dataset) -> None:
    from sciflow.data import Windows
    from sciflow.training.layout import Layout
    from sciflow.training.options import Training

    assert Layout.of(dataset).sizes(Training()).parameters == 1
    assert Windows(dataset, frames_in=1, frames_out=1)[0]["parameters"].shape == (1,)


def test_a_solver_cannot_do_without(dataset: Dataset) -> None:
    with pytest.raises(InputError, match="The parameter 'mean' of 'burgers-boost' is hidden from methods"):
        CoarseSolver().fit(dataset)


def test_splits_and_tables_use_them(dataset: Dataset) -> None:
    assert splits.where(dataset, "mean", [2.0]) == {"train": [0, 1, 2], "test": [3]}
    assert splits.extrapolate(dataset, "mean", fraction=0.25, valid=0)["test"] == [3]
    with pytest.raises(InputError, match=r"no parameter 'means'.*mean"):
        splits.where(dataset, "means", [2.0])
    suite: Any = SimpleNamespace(by="mean", paired=None, methods=())
    assert grouping(suite, {"test": dataset.test})["by"] == {"name": "mean", "values": {"3": 2.0}}
    suite.by = "nu"
    assert grouping(suite, {"test": dataset.test})["by"]["values"] == {"3": 5e-3}
    suite.by = "drift"
    with pytest.raises(InputError, match="no case parameter 'drift'"):
        grouping(suite, {"test": dataset.test})


def test_arrays_of_a_problem_know_what_is_hidden() -> None:
    known = {"nu": np.full(4, 5e-3), "mean": np.array(MEANS), "start": np.arange(4.0)}
    data = from_arrays({"u": fields()}, parameters=known, problem="burgers-boost")
    assert data.parameters == ["nu"] and data.hidden == ["mean", "start"]
    shown = from_arrays({"u": fields()}, parameters=known)
    assert shown.parameters == ["nu", "mean", "start"] and shown.hidden == []
    assert data.digest != shown.digest


def test_the_well_keeps_them_hidden(dataset: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "well"
    export_dataset("well", dataset, folder)
    back = import_dataset("well", folder, tmp_path / "back.h5")
    assert back.parameters == ["nu"] and set(back.hidden) == {"mean", "start"}
    assert sorted(back.header["mean"].values) == MEANS
