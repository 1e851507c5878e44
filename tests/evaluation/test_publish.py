"""What becomes of finished runs: publishing again, versions, environments, splits, checks before the first run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sciflow.baselines.nearest import Nearest
from sciflow.core import InputError
from sciflow.data import Dataset, from_arrays, open_dataset, splits
from sciflow.evaluation import ForecastTask, Horizon, Results, leaderboard, load_suite, run, save_predictions
from sciflow.evaluation.breakeven import break_even
from sciflow.evaluation.pictures import final_fields, sides
from sciflow.evaluation.plan import plan
from sciflow.evaluation.preparation import data_path
from sciflow.evaluation.publish import collect, drawn_method, environments, publish
from sciflow.evaluation.suite import MethodEntry, Transfer
from sciflow.problems import get


def suite(data_file: Path, *methods: str, **others: Any) -> dict[str, Any]:
    entries = [{"method": name} for name in methods or ("persistence", "nearest")]
    task = {"horizons": [{"steps": 1}, {"steps": 4, "stride": 2}]}
    return {"name": "small", "data": {"path": str(data_file)}, "task": task, "methods": entries, **others}


@pytest.fixture(autouse=True)
def no_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "picture" not in request.node.name:
        monkeypatch.setattr("sciflow.evaluation.page.report", lambda *_, **__: "")
        monkeypatch.setattr("sciflow.evaluation.publish._draw", lambda *_: None)


def test_a_run_made_again_is_published_again(data_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The method's code changes and its folder is deleted: same name, other content."""
    run(suite(data_file), tmp_path, progress=False)
    before = (tmp_path / "leaderboard.csv").read_text()
    (folder,) = (tmp_path / "runs").glob("nearest*")
    shutil.rmtree(folder)
    original = Nearest.forecast
    monkeypatch.setattr(Nearest, "forecast", lambda self, query: original(self, query).__class__(
        1.1 * original(self, query).mean
    ))  # fmt: skip
    found = run(suite(data_file), tmp_path, progress=False)
    assert folder.is_dir() and isinstance(found, Results)
    assert (tmp_path / "leaderboard.csv").read_text() != before
    again = Results.read(tmp_path)
    assert again.facts["made_of"] == found.facts["made_of"] and list(again.facts["runs"])[1] == folder.name
    np.testing.assert_allclose(again.table["value"], found.table["value"])


def test_another_version_runs_again(data_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(suite(data_file), tmp_path, progress=False)
    recipe = load_suite({**suite(data_file), "data": {"recipe": "burgers"}})
    before = data_path(recipe, tmp_path)
    monkeypatch.setattr("sciflow.__version__", "99.0")
    planned = run(suite(data_file), tmp_path, dry_run=True, progress=False)
    assert isinstance(planned, list) and {item.status for item in planned} == {"new"}
    assert data_path(recipe, tmp_path) != before


def test_another_declaration_is_another_data_set(
    data_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_suite({**suite(data_file), "data": {"recipe": "burgers"}})
    before = data_path(recipe, tmp_path)
    assert data_path(recipe, tmp_path) == before
    monkeypatch.setattr(get("burgers"), "hash", "another")
    assert data_path(recipe, tmp_path) != before


def test_environments_are_those_of_the_runs(data_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sciflow.evaluation.execute.describe", lambda: {"machine": "trainer"})
    found = run(suite(data_file), tmp_path, progress=False)
    assert isinstance(found, Results)
    assert found.facts["environments"] == [{"machine": "trainer", "devices": {}}]
    for name, content in (
        ("a", {"machine": "m"}),
        ("b", {"machine": "n"}),
        ("c", {"machine": "m", "devices": {"t": []}}),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "environment.json").write_text(json.dumps(content))
    assert environments(tmp_path / name for name in "abc") == [
        {"machine": "m", "devices": {"t": []}},
        {"machine": "n", "devices": {}},
    ]


def test_metrics_are_checked_before_the_first_run(
    data_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = []

    def fit(self: Nearest, train: Dataset, valid: Dataset | None = None) -> Nearest:
        fitted.append(self)
        return self

    monkeypatch.setattr(Nearest, "fit", fit)
    with pytest.raises(InputError, match="'conserved_rmse' cannot be used .* names its problem"):
        run(suite(data_file, metrics=["nmse", "conserved_rmse"]), tmp_path, progress=False)
    assert not fitted and not (tmp_path / "runs").exists()


def heat_file(path: Path, names: list[str]) -> Path:
    generator = np.random.default_rng(0)
    values = {name: generator.normal(size=(8, 6, 4, 4)) for name in ("temperature", "pressure")}
    units = {"temperature": "K", "pressure": "Pa"}
    data = from_arrays(values, times=np.arange(6.0), parameters={"k": np.arange(1.0, 9.0)}, units=units, path=path)
    for seed, name in enumerate(names):
        data = data.with_split(splits.random(data, counts={"train": 4, "valid": 1, "test": 3}, seed=seed), name)
    return path


def test_the_split_is_the_default_one_or_the_first(tmp_path: Path) -> None:
    for names, expected in ((["only"], "only"), (["a", "default"], "default")):
        path = heat_file(tmp_path / f"{expected}.h5", names)
        found = run(suite(path), tmp_path / expected, progress=False)
        assert isinstance(found, Results)
        assert set(found.table["split"]) == {expected} and found.facts["split"] == expected
        assert set(found.table["case"]) == set(open_dataset(path).split(expected)["test"].cases)
    path = heat_file(tmp_path / "two.h5", ["b", "a"])
    found = run(suite(path), tmp_path / "two", progress=False)
    assert isinstance(found, Results) and found.facts["split"] == next(iter(open_dataset(path).splits))
    found = run(suite(path, split="a"), tmp_path / "named", progress=False)
    assert isinstance(found, Results) and found.facts["split"] == "a"


def test_the_leaderboard_copes_with_several_units(tmp_path: Path) -> None:
    path = heat_file(tmp_path / "heat.h5", ["default"])
    found = run(suite(path, metrics=["rmse", "nmse"]), tmp_path / "out", progress=False)
    assert isinstance(found, Results)
    assert set(found.table.query("metric == 'rmse'")["field"]) == {"temperature", "pressure"}
    rows = found.table.query("metric == 'nmse' and method == 'nearest' and horizon == 4").pivot(
        index="case", columns="field", values="value"
    )
    np.testing.assert_allclose(rows["all"], (rows["temperature"] + rows["pressure"]) / 2)
    (entry,) = (entry for entry in leaderboard(found) if entry.method == "nearest")
    assert entry.scores[4].nmse.value == pytest.approx(rows["all"].mean())


def test_pictures_of_several_units(tmp_path: Path) -> None:
    """The report has columns for each field where a metric has no common row; the picture shows what learned."""
    path = heat_file(tmp_path / "heat.h5", ["default"])
    run(suite(path, metrics=["rmse"]), tmp_path / "out", progress=False)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<th>rmse temperature</th>" in page and "<th>rmse pressure</th>" in page
    assert (tmp_path / "out" / "fields.png").read_bytes().startswith(b"\x89PNG")
    (folder,) = (tmp_path / "out" / "runs").glob("nearest*")
    panels = final_fields(folder / "example.h5", "nearest").axes[:6]
    titles = [panel.get_title() for panel in panels]
    assert titles == ["truth", "forecast: nearest", "forecast - truth", "", "", ""]
    forecast, truth = (side.isel(case=0, time=-1) for side in sides(folder / "example.h5"))
    assert truth.sizes == {"y": 4, "x": 4}
    drawn = [np.asarray(panel.collections[0].get_array()) for panel in panels]
    for row, name in enumerate(("temperature", "pressure")):
        expected = (truth[name], forecast[name], forecast[name] - truth[name])
        for found, values in zip(drawn[3 * row : 3 * row + 3], expected, strict=True):
            np.testing.assert_allclose(found, values)


def test_which_method_is_drawn(data_file: Path, tmp_path: Path) -> None:
    found = run(suite(data_file), tmp_path, progress=False)
    assert isinstance(found, Results)
    entries = leaderboard(found)
    kinds = {"persistence": MethodEntry(method="persistence"), "nearest": MethodEntry(method="nearest")}
    assert drawn_method(entries, kinds) == "nearest"
    assert drawn_method(entries, {"persistence": kinds["persistence"]}) is None
    for title in kinds:  # a network wins over whatever is above it
        assert drawn_method(entries, {**kinds, title: MethodEntry(method="fno")}) == title


def test_costs_are_published(data_file: Path, tmp_path: Path) -> None:
    """What runs leave beside their scores: single timings, validations, scores on other grids."""
    wanted = {**suite(data_file), "seeds": [0], "tuning": None}
    run(wanted, tmp_path, progress=False)
    (folder,) = (tmp_path / "runs").glob("nearest*")
    other = pd.read_csv(folder / "metrics.csv").assign(grid="64")
    other["value"] *= 2
    pd.concat([other, other.assign(grid="9")]).to_csv(folder / "transfer.csv", index=False)
    steps = [{"event": "step", "step": step, "valid": 0.5 / step, "seconds": 2.0 * step} for step in (1, 2)]
    with (folder / "log.jsonl").open("a") as log:
        log.writelines(json.dumps(step) + "\n" for step in steps)
    loaded = load_suite(wanted).model_copy(update={"split": "random", "transfer": (Transfer(resolution=64),)})
    parts = open_dataset(data_file).split("random")
    runs = plan(loaded, tmp_path, parts, open_dataset(data_file).digest)
    found = collect(loaded, tmp_path, runs, {}, {"generation_seconds": 8.0, "target": 0.3})
    assert (found.split, found.transfers, found.facts["generation_seconds"]) == ("random", ["random@64"], 8.0)
    moved = found.table[found.table["split"] == "random@64"]
    own = found.table[(found.table["split"] == "random") & (found.table["method"] == "nearest")]
    assert set(moved["method"]) == {"nearest"} and len(moved) == len(own)
    np.testing.assert_allclose(moved["value"], 2 * own["value"])
    assert found.table["case"].dtype.kind == "i" and found.table["horizon"].dtype.kind == "i"
    (nearest,) = (entry for entry in leaderboard(found) if entry.method == "nearest")
    assert nearest.transfer["random@64"].nmse.value == pytest.approx(2 * nearest.scores[4].nmse.value)
    assert nearest.cost["seconds_to_target"] == 4.0
    timings = found.costs.set_index("method").loc["nearest", "frame_seconds"]
    assert len(timings) >= 1 and np.median(timings) == pytest.approx(nearest.cost["seconds_per_frame"])


def test_foreign_methods_do_not_break_even(data_file: Path, tmp_path: Path) -> None:
    """Nobody knows what their training took, and reading a file of predictions is no solve."""
    parts = open_dataset(data_file).split("random")
    task = ForecastTask((Horizon(steps=1), Horizon(steps=4, stride=2)))
    path = save_predictions(tmp_path / "saved.h5", Nearest().fit(parts["train"]), parts["test"], task)
    wanted = suite(data_file)
    wanted["methods"] = [{"predictions": str(path)}, {"method": "nearest"}, {"method": "persistence"}]
    found = run(wanted, tmp_path / "out", progress=False)
    assert isinstance(found, Results)
    costs = replace(found.costs, method="persistence", points=16.0)
    made = Results(found.table, found.curves, costs, found.facts)
    assert [item.method for item in break_even(made)] == ["nearest"]
    assert "seconds_per_frame" not in next(entry for entry in leaderboard(made) if entry.method == "saved").cost


def replace(costs: pd.DataFrame, method: str, **values: float) -> pd.DataFrame:
    """Costs with other values in the rows of one method."""
    chosen = costs["method"] == method
    return costs.assign(**{name: np.where(chosen, value, np.nan) for name, value in values.items()})


def test_accuracy_against_cost_is_published(
    make_results: Callable[..., Results], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # with its picture and the page
    costs = {"net": {"seconds_per_frame": 0.1, "learns": True}, "solver": {"seconds_per_frame": 1.0, "points": 9.0}}
    made = make_results({"net": [[0.1, 0.2]], "solver": [[0.1, 0.1]]}, costs)
    publish(made, tmp_path, command="sciflow bench run made")
    assert (tmp_path / "accuracy_cost.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "fields.png").exists()
    assert "| solver | 0.1 [0.1, 0.1] | 10 [10, 10] |" in (tmp_path / "accuracy_cost.md").read_text()
    page = (tmp_path / "report.html").read_text()
    assert "<h2>Accuracy against cost</h2>" in page and "data:image/png;base64," in page
    assert "<th>matched at</th>" in page and "<h2>Error by lead time</h2>" not in page  # no curves were given
    assert "break_even_grid" in (tmp_path / "leaderboard.csv").read_text().splitlines()[0]
