"""Runs of a suite: files, skipping, resuming, scoring again, failures."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sciflow.baselines import methods as registry
from sciflow.baselines.base import Baseline
from sciflow.baselines.nearest import Nearest
from sciflow.core import InputError, UnknownNameError
from sciflow.data import Dataset, open_dataset
from sciflow.evaluation import ForecastTask, Horizon, Results, evaluate, run, save_predictions

TASK = {"horizons": [{"steps": 1}, {"steps": 4, "stride": 2}]}


def suite(data_file: Path, *methods: dict[str, Any], **others: Any) -> dict[str, Any]:
    chosen = list(methods) or [{"method": "persistence"}, {"method": "nearest"}]
    return {"name": "small", "data": {"path": str(data_file)}, "task": TASK, "methods": chosen, **others}


@pytest.fixture(autouse=True)
def no_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than everything else here; one test does it."""
    if request.node.name != "test_a_run_leaves_its_files":

        def report(results: Results, entries: Any, **_: Any) -> str:
            return " ".join(results.failures)

        monkeypatch.setattr("sciflow.evaluation.page.report", report)
        monkeypatch.setattr("sciflow.evaluation.publish._draw", lambda *_: None)


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the methods that were fitted, in order."""
    names: list[str] = []
    original = Nearest.fit

    def fit(self: Nearest, train: Dataset, valid: Dataset | None = None) -> Nearest:
        names.append("nearest")
        return original(self, train, valid)

    monkeypatch.setattr(Nearest, "fit", fit)
    return names


def test_a_run_leaves_its_files(data_file: Path, tmp_path: Path) -> None:
    found = run(suite(data_file), tmp_path, progress=False)
    assert isinstance(found, Results) and found.methods == ["persistence", "nearest"] and not found.failures
    for name in ("results.csv", "results.json", "curves.csv", "leaderboard.md", "leaderboard.csv", "leaderboard.json"):
        assert (tmp_path / name).stat().st_size > 0
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    folders = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert [name.rsplit("-", 1)[0] for name in folders] == ["nearest-seed0", "persistence-seed0"]
    folder = tmp_path / "runs" / folders[0]
    files = {path.name for path in folder.iterdir()}
    assert files == {
        "checkpoint", "config.json", "cost.json", "curves.csv", "environment.json", "example.h5", "log.jsonl",
        "metrics.csv",
    }  # fmt: skip
    config = json.loads((folder / "config.json").read_text())
    assert config["identity"]["data"] == open_dataset(data_file).digest and config["seed"] == 0
    events = [json.loads(line)["event"] for line in (folder / "log.jsonl").read_text().splitlines()]
    assert events == ["new", "fitted", "scored", "finished"]
    cost = json.loads((folder / "cost.json").read_text())
    assert cost["training_seconds"] > 0 and cost["seconds_per_frame"] > 0 and cost["peak_memory"] > 2**20
    assert "python" in json.loads((folder / "environment.json").read_text())


def test_scores_are_those_of_evaluate(data_file: Path, tmp_path: Path) -> None:
    found = run(suite(data_file, metrics=["vrmse"]), tmp_path, progress=False)
    assert isinstance(found, Results)
    parts = open_dataset(data_file).split("random")
    task = ForecastTask((Horizon(steps=1), Horizon(steps=4, stride=2)))
    expected = evaluate(Nearest().fit(parts["train"]), parts["test"], task, ["vrmse"]).table
    mine = found.table[found.table["method"] == "nearest"].reset_index(drop=True)
    pd.testing.assert_frame_equal(mine[list(expected.columns)], expected)
    assert set(found.table["metric"]) == {"vrmse", "nmse", "persistence_nmse"}


def test_finished_runs_are_skipped(data_file: Path, tmp_path: Path, fitted: list[str]) -> None:
    first = run(suite(data_file), tmp_path, progress=False)
    written = (tmp_path / "report.html").stat().st_mtime_ns
    again = run(suite(data_file), tmp_path, progress=False)
    assert fitted == ["nearest"]
    assert isinstance(first, Results) and isinstance(again, Results)
    pd.testing.assert_frame_equal(first.table, again.table)
    assert (tmp_path / "report.html").stat().st_mtime_ns == written


def test_other_options_are_another_run(data_file: Path, tmp_path: Path) -> None:
    for rank in (1, 2):
        run(suite(data_file, {"method": "pod-ridge", "config": {"rank": [rank]}}), tmp_path, progress=False)
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_other_metrics_are_scored_without_fitting_again(data_file: Path, tmp_path: Path, fitted: list[str]) -> None:
    run(suite(data_file), tmp_path, progress=False)
    planned = run(suite(data_file, metrics=["mae"]), tmp_path, dry_run=True, progress=False)
    assert isinstance(planned, list) and {item.status for item in planned} == {"rescore"}
    found = run(suite(data_file, metrics=["mae"]), tmp_path, progress=False)
    assert fitted == ["nearest"]
    assert isinstance(found, Results) and "mae" in set(found.table["metric"])
    assert {item.status for item in run(suite(data_file, metrics=["mae"]), tmp_path, dry_run=True)} == {"finished"}


def test_interrupted_before_scoring(
    data_file: Path, tmp_path: Path, fitted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after fitting: the checkpoint is used, the method is not fitted again."""
    only = suite(data_file, {"method": "nearest"})
    expected = run(only, tmp_path / "whole", progress=False)

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("sciflow.evaluation.execute.evaluate", killed)
        run(only, tmp_path / "cut", progress=False)
    (partial,) = (tmp_path / "cut" / "runs").iterdir()
    assert partial.name.endswith(".partial") and (partial / "checkpoint").is_dir()
    with (partial / "log.jsonl").open("a") as log:
        log.write('{"time": 1, "ev')  # a line that broke off
    planned = run(only, tmp_path / "cut", dry_run=True, progress=False)
    assert isinstance(planned, list) and planned[0].status == "resume"
    found = run(only, tmp_path / "cut", progress=False)
    assert fitted == ["nearest", "nearest"]  # once for each folder
    assert isinstance(found, Results) and isinstance(expected, Results)
    pd.testing.assert_frame_equal(found.table, expected.table)
    assert not partial.exists()


def test_interrupted_while_fitting(data_file: Path, tmp_path: Path) -> None:
    """A folder that holds nothing but a broken configuration is started anew."""
    only = suite(data_file, {"method": "nearest"})
    (planned,) = run(only, tmp_path, dry_run=True, progress=False)  # type: ignore[misc]
    planned.partial.mkdir(parents=True)
    (planned.partial / "config.json").write_text('{"suite": "sm')
    found = run(only, tmp_path, progress=False)
    assert isinstance(found, Results) and found.methods == ["nearest"]


def test_dry_run_writes_nothing(
    data_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], fitted: list[str]
) -> None:
    planned = run(suite(data_file, {"method": "pod-gp"}, seeds=[0, 1]), tmp_path / "out", dry_run=True)
    assert isinstance(planned, list) and [item.status for item in planned] == ["new", "new"]
    assert all(item.minutes > 0 and item.bytes > 0 for item in planned)
    assert "2 runs" in capsys.readouterr().out and not (tmp_path / "out").exists() and not fitted


def test_dry_run_before_the_data_exist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = {**suite(tmp_path), "data": {"recipe": "burgers", "set": ["cases=4"]}}
    run(wanted, tmp_path / "out", dry_run=True)
    assert "to be generated" in " ".join(capsys.readouterr().out.split())


def test_one_failure_does_not_stop_the_others(data_file: Path, tmp_path: Path) -> None:
    wanted = suite(data_file, {"callable": "math:sqrt", "label": "wrong"}, {"method": "persistence"})
    found = run(wanted, tmp_path, progress=False)
    assert isinstance(found, Results)
    assert found.methods == ["persistence"] and list(found.failures) == ["wrong, seed 0"]
    (partial,) = (tmp_path / "runs").glob("wrong*.partial")
    assert "failed" in (partial / "log.jsonl").read_text()
    assert "wrong, seed 0" in (tmp_path / "report.html").read_text()
    with pytest.raises(InputError, match="has no results: wrong"):
        run(suite(data_file, {"callable": "math:sqrt", "label": "wrong"}), tmp_path, progress=False)


def test_foreign_predictions(data_file: Path, tmp_path: Path) -> None:
    parts = open_dataset(data_file).split("random")
    task = ForecastTask((Horizon(steps=1), Horizon(steps=4, stride=2)))
    path = save_predictions(tmp_path / "saved.h5", Nearest().fit(parts["train"]), parts["test"], task)
    found = run(suite(data_file, {"predictions": str(path)}, {"method": "nearest"}), tmp_path / "out", progress=False)
    assert isinstance(found, Results)
    first, second = (found.table[found.table["method"] == name]["value"].to_numpy() for name in ("saved", "nearest"))
    assert first == pytest.approx(second, rel=1e-5)


def test_seeds(data_file: Path, tmp_path: Path) -> None:
    gaussian = {"method": "pod-gp", "config": {"rank": [2], "points": 20}}
    found = run(suite(data_file, gaussian, {"method": "nearest"}, seeds=[3, 5]), tmp_path, progress=False)
    assert isinstance(found, Results)
    assert set(found.table[found.table["method"] == "pod-gp"]["seed"]) == {3, 5}
    assert set(found.table[found.table["method"] == "nearest"]["seed"]) == {3}


def test_methods_of_plug_ins(data_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Twice(Baseline):
        name = "twice-test"
        learns = False

        def fit(self, train: Dataset, valid: Dataset | None = None) -> Twice:
            return self

        forecast = registry.get("persistence").forecast  # type: ignore[attr-defined]

    registry.add("twice-test", Twice)
    found = run(suite(data_file, {"method": "twice-test"}), tmp_path, progress=False)
    assert isinstance(found, Results) and found.methods == ["twice-test"]


def test_bad_input(data_file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        run({**suite(data_file), "data": {"path": str(tmp_path / "no.h5")}}, tmp_path, progress=False)
    with pytest.raises(InputError, match="split"):
        run(suite(data_file, split="other"), tmp_path, progress=False)
    with pytest.raises(UnknownNameError, match="nearest"):
        run(suite(data_file, {"method": "neerest"}), tmp_path, progress=False)
    with pytest.raises(InputError, match="'rank'"):  # before anything is run
        run(suite(data_file, {"method": "nearest"}, {"method": "pod-ridge", "config": {"rnk": 2}}), tmp_path / "new")
    assert not (tmp_path / "new" / "runs").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        run(suite(data_file), tmp_path / "file" / "out", progress=False)


def test_a_finished_suite_loads_no_torch(data_file: Path, tmp_path: Path) -> None:
    wanted = suite(data_file)
    run(wanted, tmp_path, progress=False)
    code = (
        "import json, sys; from sciflow.evaluation import run; "
        f"run(json.loads({json.dumps(json.dumps(wanted))}), {str(tmp_path)!r}, progress=False); "
        "assert not {'torch', 'jax', 'sklearn', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    shutil.rmtree(tmp_path / "runs")
