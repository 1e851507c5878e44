"""Time to target from logs and histories made by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

from sciflow.evaluation import Results
from sciflow.evaluation.targets import History, objective, read_history, time_to_target

Make = Callable[..., Results]
FAST = [[1.0, 0.5], [2.0, 0.1], [3.0, 0.2], [4.0, 0.05]]
SLOW = [[10.0, 0.4], [20.0, 0.15]]


def test_the_first_validation_at_the_target_counts() -> None:
    history = History((a, b) for a, b in FAST)
    assert history.seconds_to(0.1) == 2.0 and history.seconds_to(0.15) == 2.0 and history.seconds_to(0.06) == 4.0
    assert history.seconds_to(0.04) == math.inf and history.best == 0.05
    assert History().best == math.inf


def test_by_default_every_run_reaches_the_target(make_results: Make) -> None:
    costs = {"fast": {"history": FAST}, "slow": {"history": SLOW}, "tree": {}}
    made = make_results({name: [[0.1]] for name in costs}, costs)
    assert time_to_target(made) == (0.15, {"fast": 2.0, "slow": 20.0})
    made.facts["target"] = 0.1
    assert time_to_target(made) == (0.1, {"fast": 2.0, "slow": math.inf})
    target, reached = time_to_target(make_results({"tree": [[0.1]]}, {"tree": {}}))
    assert math.isnan(target) and reached == {}


def test_seeds_are_averaged(make_results: Make) -> None:
    made = make_results({"net": [[0.1], [0.1]]}, {"net": {"history": (FAST, SLOW)}})
    assert time_to_target(made) == (0.15, {"net": (2.0 + 20.0) / 2})
    made.facts["target"] = 0.1
    assert time_to_target(made)[1] == {"net": math.inf}  # one seed never gets there


def test_another_loss_is_left_out(make_results: Make) -> None:
    costs = {
        "a": {"history": FAST, "objective": "mse"},
        "b": {"history": SLOW, "objective": "mse"},
        "c": {"history": [[1.0, 5.0]], "objective": "l1"},
    }
    assert time_to_target(make_results({name: [[0.1]] for name in costs}, costs)) == (0.15, {"a": 2.0, "b": 20.0})


def test_logs(tmp_path: Path) -> None:
    """An interruption after step 30 went back to step 20; a line broke off."""
    records = [(10, None, 1.0), (20, 0.5, 2.0), (30, 0.4, 3.0), (30, 0.3, 3.5), (40, 0.2, 4.5)]
    lines = [json.dumps({"event": "step", "step": step, "valid": valid, "seconds": s}) for step, valid, s in records]
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(['{"event": "new"}', *lines[:3], '{"event": "st', *lines[3:], '{"event": "finished"}']))
    assert read_history(path) == [[2.0, 0.5], [3.5, 0.3], [4.5, 0.2]]
    path.write_text("\n".join(lines + lines[:2]))  # a failed training began anew
    assert read_history(path) == [[2.0, 0.5]]
    assert read_history(tmp_path / "none") == []


def test_objectives(tmp_path: Path) -> None:
    assert objective(tmp_path, {}) == objective(tmp_path, {"steps": 9, "learning_rate": 1.0})
    assert objective(tmp_path, {}) == objective(tmp_path, {"predict": "increment"})
    for other in ({"predict": "state"}, {"loss": "relative"}, {"unroll": 2}, {"frames_in": 0}):
        assert objective(tmp_path, {}) != objective(tmp_path, other)
    assert objective(tmp_path, {"frames_in": 0}) == objective(tmp_path, {"predict": "state"})
    before = objective(tmp_path, {})
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "model.json").write_text(json.dumps({"training": {"predict": "state"}}))
    assert objective(tmp_path, {}) != before
