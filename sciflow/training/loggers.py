"""Where the numbers of a training run go, besides the progress bar: a JSON file, TensorBoard, MLflow, W&B."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, final

from sciflow.core import InputError, Registry, require_writable
from sciflow.training.progress import OnStep, Record


class Logger(Protocol):
    """Receives numbers by name after some of the optimiser steps."""

    def log(self, step: int, values: dict[str, float]) -> None:
        """Take down what is known after ``step`` optimiser steps."""

    def close(self) -> None:
        """Write what is still held back; the logger is not used afterwards."""


loggers: Registry[Any] = Registry("logger", "sciflow.loggers")
loggers.add("jsonl", "sciflow.training.loggers:JsonLines", summary="One line of JSON for each record.")
loggers.add("tensorboard", "sciflow.training.loggers:TensorBoard", summary="TensorBoard event files.")
loggers.add("mlflow", "sciflow.training.loggers:MLflow", summary="An MLflow run, by default in files of the folder.")
loggers.add("wandb", "sciflow.training.loggers:WandB", summary="A Weights & Biases run, by default offline.")


def open_logger(name: str, folder: str | Path) -> Logger:
    """A logger of the registry that writes to a folder.

    Args:
        name: one of ``loggers.names()``; its class is called with the folder.
        folder: made if missing.

    Raises:
        UnknownNameError: there is no such logger.
        InputError: its package is not installed, or the folder cannot be written.
    """
    logger: Logger = loggers.get(name)(folder)
    return logger


def values_of(record: Record) -> dict[str, float]:
    """The numbers of a record; those that it does not have are left out."""
    values = {"loss": record.loss, "learning_rate": record.learning_rate, "seconds": record.seconds}
    optional = {"gradient_norm": record.gradient_norm, "valid": record.valid}
    return values | {name: value for name, value in optional.items() if value is not None}


@contextmanager
def listeners(*parts: OnStep | Sequence[Logger] | None) -> Iterator[OnStep]:
    """One function that passes a record to others and to loggers, which are closed at the end."""
    functions = [part for part in parts if callable(part)]
    found = [logger for part in parts if part is not None and not callable(part) for logger in part]

    def report(record: Record, /) -> None:
        for function in functions:
            function(record)
        for logger in found:
            logger.log(record.step, values_of(record))

    with ExitStack() as closing:
        for logger in found:
            closing.callback(logger.close)
        yield report


@final
class JsonLines:
    """Appends a line ``{"step": ..., "loss": ...}`` to ``metrics.jsonl`` for each record.

    Raises:
        InputError: the folder cannot be written.
    """

    def __init__(self, folder: str | Path) -> None:
        self._file = (require_writable(folder) / "metrics.jsonl").open("a", encoding="utf-8", buffering=1)

    def log(self, step: int, values: dict[str, float]) -> None:
        self._file.write(json.dumps({"step": step, **values}) + "\n")

    def close(self) -> None:
        self._file.close()


@final
class TensorBoard:
    """Scalars in an event file of the folder; ``tensorboard --logdir FOLDER`` shows them.

    Raises:
        InputError: the package tensorboard is not installed, or the folder cannot be written.
    """

    def __init__(self, folder: str | Path) -> None:
        writer = _package("tensorboard", "torch.utils.tensorboard").SummaryWriter
        self._writer = writer(log_dir=str(require_writable(folder)))

    def log(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


@final
class MLflow:
    """A run of the experiment "sciflow", in ``mlruns`` of the folder unless MLFLOW_TRACKING_URI names another store.

    Raises:
        InputError: the package mlflow is not installed, or the folder cannot be written.
    """

    def __init__(self, folder: str | Path) -> None:
        tracking = _package("mlflow", "mlflow.tracking")
        local = (require_writable(folder).absolute() / "mlruns").as_uri()
        self._client = tracking.MlflowClient(tracking_uri=os.environ.get("MLFLOW_TRACKING_URI") or local)
        found = self._client.get_experiment_by_name("sciflow")
        experiment = self._client.create_experiment("sciflow") if found is None else found.experiment_id
        self._run = self._client.create_run(experiment).info.run_id

    def log(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._client.log_metric(self._run, name, value, step=step)

    def close(self) -> None:
        self._client.set_terminated(self._run)


@final
class WandB:
    """A run of the project "sciflow" in the folder; offline unless WANDB_MODE says otherwise.

    Raises:
        InputError: the package wandb is not installed, or the folder cannot be written.
    """

    def __init__(self, folder: str | Path) -> None:
        package = _package("wandb", "wandb")
        mode = os.environ.get("WANDB_MODE") or "offline"
        self._run = package.init(project="sciflow", dir=str(require_writable(folder)), mode=mode)

    def log(self, step: int, values: dict[str, float]) -> None:
        self._run.log(values, step=step)

    def close(self) -> None:
        self._run.finish()


def _package(name: str, module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(
            f"The logger '{name}' needs the package {name}, which is not installed; "
            f"install it with: pip install 'sciflow-pde[{name}]'."
        ) from error
