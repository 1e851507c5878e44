"""What a training run tells while it goes: records for a log, and a bar for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@final
@dataclass(frozen=True)
class Record:
    """The state of a run after some step; all values are plain numbers, ready for JSON.

    Attributes:
        step: optimiser steps done.
        loss: training error of this step's batch, of the kind that ``Training.loss`` says.
        learning_rate: rate used in this step.
        gradient_norm: Euclidean norm of the gradient before clipping; None without clipping.
        valid: validation error of the averaged weights, of the same kind; None if this step did not validate.
        seconds: since the start of training, interruptions not counted.
        remaining: estimated seconds until all steps are done.
    """

    step: int
    loss: float
    learning_rate: float
    gradient_norm: float | None
    valid: float | None
    seconds: float
    remaining: float


class OnStep(Protocol):
    """Receives a record every few steps and after every validation."""

    def __call__(self, record: Record, /) -> None: ...


@contextmanager
def progress_bar(title: str, steps: int, done: int, show: bool | None) -> Iterator[OnStep]:
    """A bar with loss, validation error and remaining time; yields the function that moves it.

    Args:
        title: what is being trained.
        steps: steps of the whole run.
        done: steps done before, in a resumed run.
        show: True or False; None shows it in a terminal or notebook only.
    """
    console = Console(stderr=True)
    if show is None:
        show = console.is_terminal or console.is_jupyter
    texts = "loss {task.fields[loss]}", "valid {task.fields[valid]}"
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *map(TextColumn, texts))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, disable=not show) as progress:
        task = progress.add_task(title, total=steps, completed=done, loss="-", valid="-")

        def move(record: Record, /) -> None:
            changes: dict[str, Any] = {"loss": f"{record.loss:.2e}"}
            if record.valid is not None:
                changes["valid"] = f"{record.valid:.2e}"
            progress.update(task, completed=record.step, **changes)

        yield move
