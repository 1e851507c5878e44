"""Equal tuning: which settings are tried, which is chosen, and what an interruption keeps."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sciflow.core import InputError, Method
from sciflow.data import Dataset
from sciflow.evaluation.methods import build
from sciflow.evaluation.tuning import Tuned, TuningBudget, settings_to_try, tune

SEARCH = {"learning_rate": [1e-3, 2e-3, 4e-3], "width": [24, 32]}
DATA: Any = SimpleNamespace(digest="d")


class Trainer:
    """A training whose validation error is |rate - 2e-3| + |width - 32|; keeps what it was asked to do."""

    def __init__(self, fail: Callable[[dict[str, Any]], bool] = lambda _: False) -> None:
        self.asked: list[dict[str, Any]] = []
        self.fail = fail

    def __call__(self, config: Mapping[str, Any], training: Mapping[str, Any]) -> Any:
        return SimpleNamespace(fit=lambda *data, **extra: self.fit({**config, **training}, extra["on_step"]))

    def fit(self, setting: dict[str, Any], on_step: Callable[[Any], None]) -> None:
        self.asked.append(setting)
        if self.fail(setting):
            raise ValueError("too wide")
        error = abs(setting.get("learning_rate", 2e-3) - 2e-3) + abs(setting["width"] - 32)
        for valid in (None, 0.0, error, None):  # the last validation counts
            on_step(SimpleNamespace(valid=valid))


def tuned(
    trainer: Trainer, folder: Path, search: Mapping[str, Any] = SEARCH, valid: Any = DATA, **budget: Any
) -> Tuned:
    given = TuningBudget(**{"trials": 4, "steps": 30, **budget})
    own = {"steps": 900, "batch_size": 8, "learning_rate": 1e-3}
    return tune("net", {"width": 24, "layers": 2}, own, search, given, DATA, valid, folder, trainer)


def unfitted(config: Mapping[str, Any], training: Mapping[str, Any]) -> Method:
    return build("fno", config, training=training, seed=0)


def test_settings_are_drawn_without_replacement() -> None:
    own = {"learning_rate": 1e-3, "width": 24}
    tried = settings_to_try(own, SEARCH, TuningBudget(trials=4))
    assert len(tried) == 4 and tried[0] == {}
    assert all(set(values) == set(SEARCH) and values != own for values in tried[1:])
    assert len({tuple(values.values()) for values in tried}) == 4
    assert tried == settings_to_try(own, SEARCH, TuningBudget(trials=4))
    assert any(settings_to_try(own, SEARCH, TuningBudget(trials=4, seed=seed)) != tried for seed in range(1, 5))
    assert len(settings_to_try(own, SEARCH, TuningBudget(trials=99))) == 6  # the whole grid, the own setting once
    assert settings_to_try(own, {}, TuningBudget()) == [{}]


def test_the_best_of_the_grid_is_trained_in_full(tmp_path: Path) -> None:
    trainer = Trainer()
    found = tuned(trainer, tmp_path, trials=99)
    assert found.config == {"width": 32, "layers": 2}
    assert found.training == {"steps": 900, "batch_size": 8, "learning_rate": 2e-3}
    assert trainer.asked[0]["width"] == 24 and trainer.asked[0]["learning_rate"] == 1e-3
    assert {(asked["steps"], asked["validate_every"], asked["patience"]) for asked in trainer.asked} == {(30, 30, None)}
    assert found.trials[0].error == pytest.approx(8.001) and min(trial.error for trial in found.trials) == 0.0
    assert found.seconds == pytest.approx(sum(trial.seconds for trial in found.trials)) and found.seconds > 0


def test_equal_errors_keep_the_own_setting(tmp_path: Path) -> None:
    trainer = Trainer()
    found = tuned(trainer, tmp_path, {"layers": [3, 4]}, trials=3)
    assert found.config == {"width": 24, "layers": 2} and len(found.trials) == 3


def test_finished_trials_are_not_run_again(tmp_path: Path) -> None:
    def interrupted(setting: dict[str, Any]) -> bool:
        if len(first.asked) == 3:
            raise KeyboardInterrupt
        return False

    first, second, third = Trainer(interrupted), Trainer(), Trainer()
    with pytest.raises(KeyboardInterrupt):
        tuned(first, tmp_path)
    stored = json.loads((tmp_path / "tuning.json").read_text())["trials"]
    found = tuned(second, tmp_path)
    assert len(stored) == 2 and len(second.asked) == 2
    assert [vars(trial) for trial in found.trials[:2]] == stored
    whole = tuned(third, tmp_path / "whole")
    assert [trial.values for trial in whole.trials] == [trial.values for trial in found.trials]
    assert whole.config == found.config and whole.training == found.training
    assert tuned(Trainer(), tmp_path) == found
    again = Trainer()
    tuned(again, tmp_path, steps=31)  # another budget: nothing of before counts
    assert len(again.asked) == 4


def test_a_failing_trial_counts_as_infinite(tmp_path: Path) -> None:
    trainer = Trainer(lambda setting: setting["width"] == 32)
    found = tuned(trainer, tmp_path, trials=99)
    failed = [trial for trial in found.trials if trial.failure]
    assert len(failed) == 3 and all(trial.error == math.inf and "too wide" in trial.failure for trial in failed)
    assert found.config["width"] == 24 and found.training["learning_rate"] == 2e-3
    assert tuned(Trainer(), tmp_path, trials=99) == found  # read back, infinity included
    with pytest.raises(InputError, match=r"All 4 trials of 'net' failed.*ValueError: too wide"):
        tuned(Trainer(lambda _: True), tmp_path / "none")


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs validation cases"):
        tuned(Trainer(), tmp_path, valid=None)
    with pytest.raises(InputError, match="may not change 'steps'"):
        tuned(Trainer(), tmp_path, {"steps": [10, 20]})
    with pytest.raises(InputError, match="no option 'wdith'"):
        tune("FNO", {}, {}, {"wdith": [8]}, TuningBudget(), DATA, DATA, tmp_path / "new", unfitted)


def test_a_network(data: Dataset, tmp_path: Path) -> None:
    """A learning rate that moves nothing loses against one that learns; the default counts as the own setting."""
    parts = data.split("random")
    config, training = {"modes": 2, "layers": 1}, {"steps": 500, "batch_size": 4, "threads": 1, "learning_rate": 1e-9}
    search = {"learning_rate": [1e-9, 1e-2], "width": [4]}
    budget = TuningBudget(trials=9, steps=25)
    found = tune(
        "FNO", {**config, "width": 4}, training, search, budget, parts["train"], parts["valid"], tmp_path, unfitted
    )
    assert [trial.values for trial in found.trials] == [{}, {"learning_rate": 1e-2, "width": 4}]
    assert found.training["learning_rate"] == 1e-2 and found.training["steps"] == 500
    assert found.trials[1].error < 0.8 * found.trials[0].error
