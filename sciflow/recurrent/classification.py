"""Training and testing classifiers of clips."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from sciflow.core.errors import InputError
from sciflow.operators.sizes import require_whole

Labelled = tuple[Tensor, Tensor]


@final
@dataclass(frozen=True)
class Trained:
    """What came of a training.

    Attributes:
        history: (step, seconds, mean loss since the entry before, accuracy on the validation clips) of each validation.
        step: the one whose weights were kept, of the best validation.
        accuracy: of that one.
    """

    history: tuple[tuple[int, float, float, float], ...]
    step: int
    accuracy: float


def fit_classifier(
    model: nn.Module,
    clips: Tensor,
    labels: Tensor,
    valid: Labelled,
    *,
    steps: int | None = None,
    seconds: float | None = None,
    batch: int = 32,
    rate: float = 3e-3,
    every: int = 50,
    seed: int = 0,
) -> Trained:
    """Train a classifier by cross entropy, and leave it with the weights of its best validation.

    Adam, gradients clipped to a norm of 1; the rate stays for half of the budget and then falls to zero along a cosine.

    Args:
        model: from clips [B, T, C, H, W] to scores [B, classes], such as `sciflow.recurrent.SequenceClassifier`; it and
            the clips are on the same device.
        clips: to learn, [N, T, C, H, W].
        labels: their classes, whole numbers [N].
        valid: clips and labels for the choice of weights.
        steps: updates; or
        seconds: time of the updates on the clock, without validations.
        batch: clips of an update, drawn anew in each pass.
        rate: the learning rate.
        every: updates between validations.
        seed: of the order of clips.

    Raises:
        InputError: not exactly one of steps and seconds is given, a number is out of range, clips and labels do not
            match, or the loss is no finite number.
    """
    if (steps is None) == (seconds is None):
        raise InputError("A training is limited by steps or by seconds; give one of them.")
    if steps is not None:
        require_whole("steps", steps, 1)
    elif not seconds or not seconds > 0:
        raise InputError(f"seconds must be a positive time, not {seconds!r}.")
    require_whole("batch", batch, 1)
    require_whole("every", every, 1)
    for some_clips, some_labels in ((clips, labels), valid):
        _require_labels(some_clips, some_labels)
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    batches = _batches(len(clips), batch, seed)
    history: list[tuple[int, float, float, float]] = []
    losses: list[float] = []
    best: dict[str, Tensor] = {}
    chosen, top = 0, -1.0
    step, spent, done = 0, 0.0, 0.0
    while done < 1:
        begin = time.perf_counter()
        for group in optimiser.param_groups:
            group["lr"] = rate * _decay(done)
        numbers = next(batches).to(clips.device)
        losses.append(_update(model, optimiser, clips[numbers], labels[numbers]))
        step, spent = step + 1, spent + time.perf_counter() - begin
        done = step / steps if steps is not None else spent / (seconds or 1)
        if step % every and done < 1:
            continue
        right = accuracy(model, *valid)
        history.append((step, spent, sum(losses) / len(losses), right))
        losses = []
        if right > top:
            chosen, top, best = step, right, copy.deepcopy(model.state_dict())
    model.load_state_dict(best)
    return Trained(tuple(history), chosen, top)


def accuracy(model: nn.Module, clips: Tensor, labels: Tensor, *, batch: int = 64) -> float:
    """Share of clips [N, T, C, H, W] whose largest score is that of their label.

    Raises:
        InputError: clips and labels do not match.
    """
    _require_labels(clips, labels)
    training = model.training
    model.eval()
    with torch.no_grad():
        found = [model(part).argmax(1) for part in clips.split(batch)]
    model.train(training)
    return float((torch.cat(found) == labels).double().mean())


def _batches(count: int, size: int, seed: int) -> Iterator[Tensor]:
    """Numbers of clips for one update after the other, each clip once in a pass; a pass drops what fills no batch."""
    generator, size = torch.Generator().manual_seed(seed), min(size, count)
    while True:
        order = torch.randperm(count, generator=generator)
        yield from order[: count // size * size].split(size)


def _update(model: nn.Module, optimiser: torch.optim.Optimizer, clips: Tensor, labels: Tensor) -> float:
    """One step of Adam; the loss before it."""
    model.train()
    optimiser.zero_grad(set_to_none=True)
    loss = functional.cross_entropy(model(clips), labels)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    value = float(loss.detach())
    if not math.isfinite(value):
        raise InputError("The loss of the classifier is no finite number; look for NaN in the clips or lower the rate.")
    return value


def _decay(done: float) -> float:
    """Factor of the rate after a share of the budget."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, 2 * done - 1))))


def _require_labels(clips: Tensor, labels: Tensor) -> None:
    if not len(clips) or labels.shape != (len(clips),) or labels.is_floating_point():
        raise InputError(
            f"Each clip needs a whole number as its label; there are {len(clips)} clips and labels of the shape "
            f"{list(labels.shape)} and type {labels.dtype}."
        )
