"""Suites of several data sets, other grids, tuning, and tasks without start frames: from YAML to tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from sciflow.core import InputError
from sciflow.data import from_arrays, open_dataset, splits
from sciflow.evaluation import Results, load_suite, run

SPLIT = {"random": {"kind": "random", "counts": {"train": 4, "valid": 1, "test": 2}}}
RECIPE = {
    "name": "tiny-heat", "problem": "heat", "cases": 7, "resolution": 16, "times": {"end": 0.4, "frames": 5},
    "splits": SPLIT,
}  # fmt: skip
TASK = {"horizons": [{"steps": 2, "stride": 2}]}
FNO = {"method": "fno", "config": {"width": 4, "modes": 3, "layers": 2}, "training": {"steps": 6, "batch_size": 4}}


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sciflow.evaluation.page.report", lambda *_, **__: "")
    monkeypatch.setattr("sciflow.evaluation.publish._draw", lambda *_: None)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny-heat.yaml"
    path.write_text(yaml.safe_dump(RECIPE))
    return path


def waves(path: Path) -> Path:
    """A small data set with an input field: u = a^2 / p."""
    rng = np.random.default_rng(0)
    a, p = rng.standard_normal((8, 6, 6)).cumsum(axis=2), np.linspace(1, 2, 8)
    data = from_arrays(
        {"u": a**2 / p[:, None, None]}, inputs={"a": a}, parameters={"p": p}, steady=True, grid="cells", path=path
    )
    data.with_split(splits.random(data, counts={"train": 5, "valid": 1, "test": 2}, seed=0), "random")
    return path


def test_two_data_sets_give_two_boards_and_one_table(tmp_path: Path, recipe: Path) -> None:
    path = waves(tmp_path / "maps.h5")
    suite = {
        "name": "both",
        "methods": [{**FNO, "label": "FNO"}],
        "parts": [
            {"name": "heat", "data": {"recipe": str(recipe)}, "task": TASK, "methods": [{"method": "persistence"}]},
            {"name": "maps", "data": {"path": str(path)}, "task": {"kind": "map"}, "methods": [{"method": "mean"}]},
        ],
    }
    found = run(suite, tmp_path / "out", progress=False)
    assert isinstance(found, dict) and list(found) == ["heat", "maps"]
    assert found["heat"].methods == ["FNO", "persistence"] and found["maps"].methods == ["FNO", "mean"]
    assert not found["heat"].failures and not found["maps"].failures
    text = (tmp_path / "out" / "leaderboard.md").read_text()
    assert "heat" in text and "maps" in text and "training mean" in text
    rows = found["maps"].table.query("method == 'mean' and field == 'all'")
    nmse, held = (rows[rows["metric"] == name]["value"].to_numpy() for name in ("nmse", "persistence_nmse"))
    np.testing.assert_allclose(nmse, held, rtol=1e-5)  # the mean is the reference of this task
    again = run(suite, tmp_path / "out", progress=False, dry_run=True)
    assert isinstance(again, list) and {item.status for item in again} == {"finished"}


def test_parts_with_the_same_recipe_share_its_data(tmp_path: Path, recipe: Path) -> None:
    part = {"data": {"recipe": str(recipe)}, "task": TASK}
    suite = {
        "name": "twice",
        "methods": [{"method": "persistence"}],
        "parts": [{"name": "one", **part}, {"name": "two", **part, "metrics": ["rmse"]}],
    }
    planned = run(suite, tmp_path / "out", progress=False, dry_run=True)
    assert len(planned) == 2 and not (tmp_path / "out" / "data").exists()
    found = run(suite, tmp_path / "out", progress=False)
    assert len(list((tmp_path / "out" / "data").glob("*.h5"))) == 1
    assert found["one"].facts["data"] == found["two"].facts["data"]


def test_test_cases_on_another_grid_are_scored_as_well(tmp_path: Path, recipe: Path) -> None:
    suite = {
        "name": "finer", "data": {"recipe": str(recipe)}, "task": TASK, "transfer": [{"resolution": 32}],
        "methods": [{"method": "persistence"}, {"method": "pod-ridge", "config": {"rank": [2]}}],
    }  # fmt: skip
    found = run(suite, tmp_path / "out", progress=False)
    assert isinstance(found, Results) and not found.failures
    main, fine = (found.table[found.table["split"] == split] for split in ("random", "random@32"))
    key = "method == 'persistence' and metric == 'nmse' and field == 'all'"
    coarse, finer = (part.query(key).sort_values("case") for part in (main, fine))
    assert list(finer["case"]) == list(coarse["case"])
    # Heat in five modes is the same function on both grids.
    np.testing.assert_allclose(finer["value"], coarse["value"], rtol=1e-4)
    assert set(fine["method"]) == {"persistence"}  # POD knows its own grid only, and says so
    folder = next((tmp_path / "out" / "runs").glob("pod-ridge*"))
    assert "32" in json.loads((folder / "config.json").read_text())["refused"]


def test_tuning_counts_and_changes_the_setting(tmp_path: Path, recipe: Path) -> None:
    suite = {
        "name": "tuned", "data": {"recipe": str(recipe)}, "task": TASK,
        "tuning": {"trials": 3, "steps": 4}, "seeds": [0, 1],
        "methods": [{**FNO, "search": {"learning_rate": [1e-9, 1e-2]}}, {"method": "persistence"}],
    }  # fmt: skip
    found = run(suite, tmp_path / "out", progress=False)
    assert isinstance(found, Results) and not found.failures
    trials = json.loads(next((tmp_path / "out" / "tuning").glob("*/tuning.json")).read_text())["trials"]
    assert len(trials) == 3
    best = min(trials, key=lambda trial: float(trial["error"]))
    folder = next((tmp_path / "out" / "runs").glob("fno*"))
    model = json.loads((folder / "checkpoint" / "model.json").read_text())
    assert model["training"]["learning_rate"] == best["values"].get("learning_rate", 2e-3)
    assert model["training"]["steps"] == 6
    costs = found.costs.set_index("method")["tuning_seconds"]
    spent = sum(trial["seconds"] for trial in trials)  # once for both seeds
    np.testing.assert_allclose(costs.loc["fno"], [spent, spent])
    assert pd.isna(costs.loc["persistence"])


def test_under_resolved_test_cases_are_left_out(tmp_path: Path) -> None:
    u = np.random.default_rng(0).random((6, 4, 8)).astype(np.float32)
    data = from_arrays({"u": u}).xarray.assign_coords(resolved=("case", [True, True, True, True, False, True]))
    path = tmp_path / "marked.h5"
    marked = from_arrays(data, path=path)
    marked.with_split({"train": [0, 1, 2], "test": [3, 4, 5]}, "random")
    assert "resolved" in open_dataset(path).header.coords
    suite = {"name": "marked", "data": {"path": str(path)}, "task": TASK, "methods": [{"method": "persistence"}]}
    found = run(suite, tmp_path / "out", progress=False)
    assert isinstance(found, Results) and set(found.table["case"]) == {3, 5}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parts": []}, "either data or parts"),
        ({"data": {"path": "a.h5"}, "transfer": [{"resolution": 8}]}, "needs data from a recipe"),
        ({"data": {"path": "a.h5"}, "methods": [{**FNO, "search": {"width": [4]}}]}, "no tuning budget"),
        (
            {"parts": [{"name": "a", "data": {"path": "a.h5"}, "transfer": [{"resolution": 8}]}]},
            "needs data from a recipe",
        ),
        (
            {"parts": [{"name": "a", "data": {"path": "a.h5"}, "methods": [{**FNO, "search": {"width": [4]}}]}]},
            "no tuning budget",
        ),
        ({"data": {"path": "a.h5"}, "task": {"kind": "map", "frames_in": 2}}, "no setting frames_in"),
        ({"data": {"path": "a.h5"}, "task": {"points": 3}}, "no setting points"),
        ({"data": {"path": "a.h5"}, "task": {"kind": "walk"}}, "task.kind"),
    ],
)
def test_impossible_suites_are_refused_in_one_sentence(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_suite({"name": "x", "methods": [{"method": "persistence"}], **change})
