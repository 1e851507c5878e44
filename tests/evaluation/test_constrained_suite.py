"""Suites with constrained and calibrated entries: one training for all of them, and scores by a case parameter."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sciflow.baselines.mean import MeanField
from sciflow.core import InputError
from sciflow.data import Dataset, from_arrays, open_dataset, splits
from sciflow.evaluation import Results, load_suite, run
from sciflow.evaluation.by_map import by_maps
from sciflow.evaluation.by_table import by_markdown, by_table, pairs_of
from sciflow.evaluation.results import COLUMNS

SPEEDS = [0.8, 1.0, 1.2]
_STORED = 1e-7  # rounding of the mass of a true frame in float32


@pytest.fixture(scope="module")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Travelling waves around a mean; each speed c several times; 30 to train, 20 to validate, 6 to test."""
    rng = np.random.default_rng(0)
    x, t, count = np.arange(16) / 16, 0.1 * np.arange(6), 56
    speed, mean = np.array(SPEEDS)[np.arange(count) % 3], rng.uniform(1, 2, count)
    u = mean[:, None, None] + np.sin(2 * np.pi * (x - speed[:, None, None] * t[:, None]))
    path = tmp_path_factory.mktemp("data") / "waves.h5"
    data = from_arrays(
        {"u": u}, times=t, coordinates={"x": x}, parameters={"c": speed, "kappa": np.full(count, 1e-5)},
        problem="advection-diffusion", path=path,
    )  # fmt: skip
    data.with_split(splits.random(data, counts={"train": 30, "valid": 20, "test": 6}, seed=0), "random")
    return path


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sciflow.evaluation.page.report", lambda results, entries, **_: " ".join(results.failures))
    monkeypatch.setattr("sciflow.evaluation.publish._draw", lambda *_: None)


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the methods that were fitted."""
    names: list[str] = []
    original = MeanField.fit

    def fit(self: MeanField, train: Dataset, valid: Dataset | None = None) -> MeanField:
        names.append(self.name)
        return original(self, train, valid)

    monkeypatch.setattr(MeanField, "fit", fit)
    return names


def suite(waves: Path, *methods: dict[str, Any], **others: Any) -> dict[str, Any]:
    given = {"name": "small", "data": {"path": str(waves)}, "metrics": ["conservation_error", "coverage", "sharpness"]}
    return {**given, "task": {"horizons": [{"steps": 5}]}, "methods": list(methods), **others}


def value(results: Results, method: str, metric: str) -> float:
    rows = results.table[(results.table["method"] == method) & (results.table["metric"] == metric)]
    return float(rows.loc[rows["field"] == "all", "value"].mean())


def test_entries_that_share_a_base_are_trained_once(waves: Path, tmp_path: Path, fitted: list[str]) -> None:
    entries = [
        {"method": "mean", "label": "held", "conserve": {}},
        {"method": "mean"},
        {"method": "mean", "label": "sure", "conformal": True},
        {"method": "mean", "label": "both", "conserve": {"covariance": "correlated"}, "conformal": True},
    ]
    found = run(suite(waves, *entries), tmp_path, progress=False)
    assert isinstance(found, Results) and not found.failures
    assert fitted == ["mean"]
    for label in ("held", "both"):
        assert value(found, label, "conservation_error") < _STORED < 1e-3 < value(found, "mean", "conservation_error")
    assert value(found, "sure", "coverage") > 0.9  # aimed at: 0.95 x 21 / 20
    assert value(found, "sure", "conservation_error") == value(found, "mean", "conservation_error")
    folders = {path.name.split("-seed")[0]: path for path in (tmp_path / "runs").iterdir()}
    costs = {name: json.loads((path / "cost.json").read_text()) for name, path in folders.items()}
    assert len({cost["training_seconds"] for cost in costs.values()}) == 1
    assert all((path / "checkpoint" / "method.json").is_file() for path in folders.values())
    events = [json.loads(line)["event"] for line in (folders["sure"] / "log.jsonl").read_text().splitlines()]
    assert events == ["new", "shared", "scored", "finished"]
    run(suite(waves, *entries, metrics=["crps"]), tmp_path, progress=False)  # scored again, from the checkpoints
    later = {"method": "mean", "label": "hard", "conserve": {"hard": True}}
    assert not run(suite(waves, *entries, later), tmp_path, progress=False).failures  # type: ignore[union-attr]
    assert fitted == ["mean"]


def test_another_base_is_trained_for_itself(waves: Path, tmp_path: Path) -> None:
    entries = [{"method": "pod-gp", "config": {"rank": [rank]}, "label": f"gp {rank}"} for rank in (1, 2)]
    run(suite(waves, *entries), tmp_path, progress=False)
    for path in (tmp_path / "runs").iterdir():
        events = [json.loads(line)["event"] for line in (path / "log.jsonl").read_text().splitlines()]
        assert "fitted" in events and "shared" not in events


def test_an_ensemble_of_networks(waves: Path, tmp_path: Path) -> None:
    network = {"method": "fno", "config": {"width": 4, "modes": 2, "layers": 1}, "training": {"steps": 2, "threads": 1}}
    entries = [
        {**network, "label": "ensemble", "ensemble": 2},
        {**network, "label": "held", "ensemble": 2, "conserve": {"stepwise": True}},
    ]
    found = run(suite(waves, *entries, seeds=[1]), tmp_path, progress=False)
    assert isinstance(found, Results) and not found.failures
    assert value(found, "ensemble", "sharpness") > 0
    assert value(found, "held", "conservation_error") < _STORED
    checkpoint = next(path for path in (tmp_path / "runs").iterdir() if path.name.startswith("held")) / "checkpoint"
    seeds = [json.loads((checkpoint / str(k) / "model.json").read_text())["training"]["seed"] for k in (0, 1)]
    assert seeds == [2, 3]  # those of suite seed 0 are 0 and 1
    logs = [path.read_text() for path in (tmp_path / "runs").glob("held*/log.jsonl")]
    assert "shared" in logs[0]


def test_scores_by_a_parameter(waves: Path, tmp_path: Path) -> None:
    entries = [{"method": "mean"}, {"method": "mean", "label": "held", "conserve": {}}]
    found = run(suite(waves, *entries, by="c", metrics=["rmse"]), tmp_path, progress=False)
    assert isinstance(found, Results)
    table = pd.read_csv(tmp_path / "by.csv")
    assert set(table["c"].astype(str)) == {"all", "0.8", "1.0", "1.2"}
    rows = table[(table["label"] == "rmse") & (table["method"] == "held")].set_index("c")
    own = found.table[(found.table["metric"] == "rmse") & (found.table["field"] == "all")]
    wide = own.pivot(index="case", columns="method", values="value")
    assert rows.loc["all", "value"] == pytest.approx(wide["held"].mean())
    assert rows.loc["all", "standard_error"] == pytest.approx(wide["held"].std() / np.sqrt(len(wide)))
    gap = wide["held"] - wide["mean"]
    assert rows.loc["all", "difference"] == pytest.approx(gap.mean())
    assert rows.loc["all", "low"] <= gap.mean() <= rows.loc["all", "high"] < 0  # every case gets better
    text = (tmp_path / "by.md").read_text()
    assert "held − mean" in text and "| c = 0.8 |" in text
    with pytest.raises(InputError, match="no case parameter 'k'.*kappa"):
        run(suite(waves, *entries, by="k"), tmp_path, progress=False)


def test_scores_by_two_parameters(tmp_path: Path) -> None:
    """Pairs of a hidden and a known parameter; the data set has three of the four pairs among its test cases."""
    rng, x = np.random.default_rng(0), np.arange(8) / 8
    p, q = np.array([0, 0, 1, 0, 0, 1, 1, 1.0]), np.array([2, 3, 3, 2, 3, 3, 2, 3.0])
    u = rng.standard_normal((8, 5, 8)).cumsum(axis=1) + x
    data = from_arrays({"u": u}, times=np.arange(5), parameters={"p": p, "q": q}, units={"p": "m/s"}, periodic=("x",))
    hidden = data.xarray
    hidden["q"].attrs["hidden"] = 1
    stored = from_arrays(hidden, path=tmp_path / "pairs.h5")
    stored.with_split({"train": [0, 6, 7], "valid": [1], "test": [2, 3, 4, 5]}, "random")
    given = suite(tmp_path / "pairs.h5", {"method": "persistence"}, {"method": "mean"}, by=["p", "q"], metrics=["rmse"])
    found = run({**given, "paired": "mean", "task": {"horizons": [{"steps": 4}]}}, tmp_path / "out", progress=False)
    assert isinstance(found, Results) and found.facts["by"]["name"] == ["p", "q"]
    assert found.facts["by"]["trained"] == [[0.0, 2.0], [1.0, 2.0], [1.0, 3.0]]
    table = pd.read_csv(tmp_path / "out" / "by.csv")
    rows = table[(table["label"] == "rmse") & (table["method"] == "persistence")]
    assert list(zip(rows["p"], rows["q"], rows["cases"], strict=True)) == [
        ("all", "all", 4), ("0.0", "2.0", 1), ("0.0", "3.0", 1), ("1.0", "3.0", 2),
    ]  # fmt: skip
    own = found.table[(found.table["metric"] == "rmse") & (found.table["field"] == "all")]
    wide = own.pivot(index="case", columns="method", values="value")
    assert rows["value"].to_list() == pytest.approx(
        [wide["persistence"].mean(), *wide["persistence"][[3, 4]], wide["persistence"][[2, 5]].mean()]
    )
    assert rows["difference"].iloc[-1] == pytest.approx((wide["persistence"] - wide["mean"])[[2, 5]].mean())
    text = (tmp_path / "out" / "by.md").read_text()
    assert "| p | q | persistence | persistence − mean | mean |" in text and "| 1 | 3 | " in text
    pictures = by_maps(found)
    assert list(pictures) == [4] and "p" in pictures[4].get_supxlabel()
    with pytest.raises(InputError, match="no case parameter 'r'"):
        run(suite(tmp_path / "pairs.h5", {"method": "mean"}, by=["p", "r"]), tmp_path / "no", progress=False)
    for wrong in (["p"], ["p", "p"], ["p", "q", "p"]):
        with pytest.raises(InputError, match="list of two different ones"):
            load_suite(suite(tmp_path / "pairs.h5", {"method": "mean"}, by=wrong))


def test_a_network_with_other_options_is_trained_once(waves: Path, tmp_path: Path) -> None:
    network = {"method": "fno", "config": {"width": 4, "modes": 2, "layers": 1}, "training": {"steps": 2, "threads": 1}}
    entries = [{**network, "label": "plain"}, {**network, "label": "fft", "predict": {"transform": "fft"}}]
    found = run(suite(waves, *entries, metrics=["rmse"]), tmp_path, progress=False)
    assert isinstance(found, Results) and not found.failures
    assert value(found, "plain", "rmse") == pytest.approx(value(found, "fft", "rmse"), rel=1e-4)
    assert "shared" in next((tmp_path / "runs").glob("fft*/log.jsonl")).read_text()


def test_paired_differences_of_made_numbers() -> None:
    rows = []
    for method, shift in (("a", 0.0), ("b", 0.5)):
        for seed in (0, 1):
            for case in range(8):
                rows.append(("s", method, seed, "random", 3, "rmse", "all", case, 10.0 * case + seed + shift))
    table = pd.DataFrame(rows, columns=COLUMNS)
    facts = {"split": "random", "pairs": {"b": "a"}, "by": {"name": "m", "values": {str(c): c // 4 for c in range(8)}}}
    found = by_table(Results(table, pd.DataFrame(), pd.DataFrame(), facts))
    whole = found[(found["method"] == "b") & (found["m"] == "all")].iloc[0]
    assert (whole["against"], whole["cases"], whole["pairs"]) == ("a", 8, 8)
    assert whole["difference"] == whole["low"] == whole["high"] == 0.5  # what cases and seeds share cancels
    assert whole["value"] == pytest.approx(36.0) and whole["standard_error"] == pytest.approx(np.sqrt(600 / 8))
    part = found[(found["method"] == "a") & (found["m"] == 1)].iloc[0]
    assert (part["value"], part["against"]) == (55.5, "")
    assert "| b − a |" in by_markdown(Results(table, pd.DataFrame(), pd.DataFrame(), facts))
    plain = by_table(Results(table, pd.DataFrame(), pd.DataFrame(), {"split": "random", "by": facts["by"]}))
    assert list(plain.columns) == ["split", "horizon", "method", "label", "m", "value", "standard_error", "cases"]


def test_paired_differences_of_forecasts_that_diverge() -> None:
    """Of 8 cases one diverges in both methods, which makes no pair, and one in the first alone."""
    values = {"a": [np.inf, np.inf, *[2.0] * 6], "b": [np.inf, *[1.0] * 7]}
    cases = range(8)
    rows = [("s", m, 0, "random", 3, "rmse", "all", case, each[case]) for m, each in values.items() for case in cases]
    table = pd.DataFrame(rows, columns=COLUMNS)
    results = Results(table, pd.DataFrame(), pd.DataFrame(), {"split": "random", "pairs": {"b": "a"}})
    whole = by_table(results).set_index("method").loc["b"]
    assert (whole["cases"], whole["pairs"]) == (8, 7)
    assert whole["difference"] == whole["low"] == -np.inf and whole["high"] == pytest.approx(-1.0)
    assert "| b − a | -inf [-inf, -1] (7 of 8 cases) |" in by_markdown(results)


def test_who_is_compared_with_whom(waves: Path) -> None:
    entries = [
        {"method": "mean"},
        {"method": "mean", "label": "held", "conserve": {}},
        {"method": "mean", "label": "sure", "conformal": True},
        {"method": "mean", "label": "held sure", "conformal": True, "conserve": {"hard": True}},
        {"method": "nearest", "conserve": {"hard": True}},
    ]
    assert pairs_of(load_suite(suite(waves, *entries))) == {"held": "mean", "held sure": "sure"}
    named = pairs_of(load_suite(suite(waves, *entries, paired="nearest")))
    assert named == dict.fromkeys(["mean", "held", "sure", "held sure"], "nearest")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"method": "mean", "conserve": {"nois": 1}}, "nois is not an option.*noise"),
        ({"method": "mean", "predict": {"draws": 3}}, "no options that act when predicting"),
        ({"method": "anp", "predict": {"draw": 3}}, "no option of prediction 'draw'.*draws"),
        ({"method": "anp", "predict": {"draws": 0}, "conserve": {}}, "draws must be a whole number"),
        ({"method": "anp", "ensemble": 2, "predict": {"dropout": 0.1}}, "dropout must be True or False"),
        ({"method": "mean", "conserve": {"covariance": "full"}, "conformal": True}, "covariance.*'full'"),
        ({"method": "fno", "predict": {"transfrom": "fft"}}, "no option 'transfrom'.*transform"),
        ({"method": "fno", "predict": {"steps": 3}}, "'steps'.*belongs to its training"),
        ({"method": "mean", "ensemble": 3}, "draws nothing"),
        ({"method": "mean", "ensemble": 1}, "ensemble"),
        ({"callable": "a:b", "ensemble": 2}, "give it a method"),
    ],
)
def test_bad_entries_are_found_before_anything_runs(waves: Path, entry: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(suite(waves, entry), "never-written", progress=False)
    assert not Path("never-written").exists()


def test_too_few_validation_cases_are_found_before_anything_is_trained(
    waves: Path, tmp_path: Path, fitted: list[str]
) -> None:
    entries = [{"method": "mean"}, {"method": "mean", "label": "sure", "conformal": True}]
    shutil.copy(waves, tmp_path / "few.h5")
    few = open_dataset(tmp_path / "few.h5")
    few.with_split(splits.random(few, counts={"train": 32, "valid": 18, "test": 6}, seed=0), "few")
    data = {"path": str(tmp_path / "few.h5")}
    with pytest.raises(InputError, match="at least 19 validation cases, not 18"):
        run(suite(waves, *entries, data=data, split="few"), tmp_path / "out", progress=False)
    assert fitted == []


def test_bad_suites(waves: Path) -> None:
    with pytest.raises(InputError, match="paired names no method, 'x'"):
        load_suite(suite(waves, {"method": "mean"}, paired="x"))
    with pytest.raises(InputError, match="'parametric' has no setting at"):
        load_suite(suite(waves, {"method": "mean"}, task={"kind": "parametric", "at": [0.5]}))
    with pytest.raises(InputError, match="square"):
        load_suite(suite(waves, {"method": "mean"}, task={"kind": "condition", "layout": "lattice", "points": 10}))
    task = load_suite(suite(waves, {"method": "mean"}, task={"kind": "condition", "at": [0.5]})).task
    assert task.described == {"kind": "condition", "points": 64, "noise": 0.0, "seed": 0, "at": [0.5]}
