"""Loggers: real files where the package is here, stand-ins for the packages where it need not be."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from sciflow.core import InputError, UnknownNameError
from sciflow.data import Dataset
from sciflow.training import Record, Surrogate, loggers, open_logger

SMALL = {"width": 8, "layers": 1, "modes": 4, "steps": 25, "validate_every": 8, "threads": 1}


def test_json_lines_hold_the_numbers_of_every_record(train: Dataset, valid: Dataset, tmp_path: Path) -> None:
    records: list[Record] = []
    Surrogate("fno", **SMALL).fit(train, valid, on_step=records.append, loggers=[open_logger("jsonl", tmp_path)])
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [8, 10, 16, 20, 24, 25]
    assert [line["loss"] for line in lines] == [record.loss for record in records]
    assert ["valid" in line for line in lines] == [True, False, True, False, True, True]
    assert set(lines[1]) == {"step", "loss", "learning_rate", "gradient_norm", "seconds"}
    again = open_logger("jsonl", tmp_path)  # goes on where another run ended
    again.log(30, {"loss": 0.5})
    again.close()
    assert (tmp_path / "metrics.jsonl").read_text().splitlines()[-1] == '{"step": 30, "loss": 0.5}'


def test_tensorboard_files_can_be_read_back(train: Dataset, valid: Dataset, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    records: list[Record] = []
    chosen = [open_logger("tensorboard", tmp_path / "events")]
    Surrogate("fno", **SMALL).fit(train, valid, on_step=records.append, loggers=chosen)
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {"loss", "learning_rate", "gradient_norm", "seconds", "valid"}
    assert [event.step for event in events.Scalars("valid")] == [8, 16, 24, 25]
    assert [event.value for event in events.Scalars("loss")] == pytest.approx([record.loss for record in records])


class Client:
    """Stands in for mlflow's client; notes what it is asked."""

    made: list[Client] = []

    def __init__(self, tracking_uri: str) -> None:
        self.uri, self.metrics, self.ended = tracking_uri, [], []
        self.made.append(self)

    def get_experiment_by_name(self, name: str) -> Any:
        return SimpleNamespace(experiment_id="7") if len(self.made) > 1 else None

    def create_experiment(self, name: str) -> str:
        return f"new {name}"

    def create_run(self, experiment: str) -> Any:
        return SimpleNamespace(info=SimpleNamespace(run_id=f"run of {experiment}"))

    def log_metric(self, run: str, name: str, value: float, step: int) -> None:
        self.metrics.append((run, name, value, step))

    def set_terminated(self, run: str) -> None:
        self.ended.append(run)


def test_mlflow_is_given_a_run_in_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tracking = ModuleType("mlflow.tracking")
    tracking.MlflowClient = Client  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", ModuleType("mlflow"))
    monkeypatch.setitem(sys.modules, "mlflow.tracking", tracking)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    logger = open_logger("mlflow", tmp_path)
    logger.log(3, {"loss": 0.5, "valid": 0.25})
    logger.close()
    client = Client.made[-1]
    assert client.uri == (tmp_path / "mlruns").as_uri() and client.ended == ["run of new sciflow"]
    assert client.metrics == [("run of new sciflow", "loss", 0.5, 3), ("run of new sciflow", "valid", 0.25, 3)]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:1")
    open_logger("mlflow", tmp_path).close()
    assert Client.made[-1].uri == "http://localhost:1" and Client.made[-1].ended == ["run of 7"]


@pytest.mark.parametrize(("environment", "mode"), [(None, "offline"), ("online", "online")])
def test_wandb_is_offline_unless_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, environment: str | None, mode: str
) -> None:
    asked: list[Any] = []
    package = ModuleType("wandb")
    run = SimpleNamespace(
        log=lambda values, step: asked.append((values, step)), finish=lambda: asked.append("finished")
    )

    def init(**options: Any) -> Any:
        asked.append(options)
        return run

    package.init = init  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", package)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    if environment:
        monkeypatch.setenv("WANDB_MODE", environment)
    logger = open_logger("wandb", tmp_path)
    logger.log(3, {"loss": 0.5})
    logger.close()
    assert asked == [{"project": "sciflow", "dir": str(tmp_path), "mode": mode}, ({"loss": 0.5}, 3), "finished"]


@pytest.mark.parametrize("name", ["tensorboard", "mlflow", "wandb"])
def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    for module in (name, "mlflow.tracking", "torch.utils.tensorboard"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"package {name}.*pip install 'sciflow-pde\[{name}\]'"):
        open_logger(name, tmp_path)


def test_names_and_plug_ins(tmp_path: Path) -> None:
    assert loggers.names() == ["jsonl", "mlflow", "tensorboard", "wandb"] and loggers.group == "sciflow.loggers"
    with pytest.raises(UnknownNameError, match="Did you mean 'jsonl'"):
        open_logger("json", tmp_path)


def test_loggers_are_closed_when_training_fails(train: Dataset) -> None:
    closed: list[bool] = []
    logger = SimpleNamespace(log=lambda step, values: 1 / 0, close=lambda: closed.append(True))
    with pytest.raises(ZeroDivisionError):
        Surrogate("fno", **SMALL).fit(train, loggers=[logger])
    assert closed == [True]
