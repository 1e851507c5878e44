"""The training loop: Adam or AdamW on single batches through Lightning Fabric, and what makes it resumable."""

from __future__ import annotations

import math
import time
from typing import Any, final

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from lightning_fabric.plugins.environments import LightningEnvironment
from torch import Tensor, nn

from sciflow.core import InputError
from sciflow.data import Windows
from sciflow.training.average import WeightAverage
from sciflow.training.batches import Batches, read_batch
from sciflow.training.checkpoint import Counters, TrainingState
from sciflow.training.config import Training
from sciflow.training.progress import OnStep, Record
from sciflow.training.schedule import learning_rate
from sciflow.training.step import StepModel, call_of

_REPORT_EVERY = 10
_VALIDATION_WINDOWS = 256


@final
class Loop:
    """Trains the network of a :class:`StepModel` in place.

    Each step is a function of the state before it, the seed and the step number alone: batches, learning rate and
    random layers follow from (seed, step), so a run that continues from a stored state gives the weights of one that
    was never interrupted. The validation error is that of the averaged weights on up to 256 windows, evenly spread over
    the validation cases.

    Args:
        model: network and normaliser; moved to ``device``.
        windows: training windows.
        valid: validation windows, or None.
        training: settings.
        device: where to train.

    Raises:
        InputError: early stopping was asked for without validation windows.
    """

    def __init__(
        self, model: StepModel, windows: Windows, valid: Windows | None, training: Training, device: torch.device
    ) -> None:
        if training.patience is not None and valid is None:
            raise InputError(
                "Early stopping (patience) needs validation cases; pass them to fit or leave patience out."
            )
        self.training, self.windows, self.valid, self.device = training, windows, valid, device
        self.counters = Counters()
        self._fabric = _fabric(device, training.precision)
        self._plain = model.to(device)
        self.average = WeightAverage(model.network, training.ema)
        self._averaged = model.with_network(self.average.network).eval()
        self._best: dict[str, Tensor] = {}
        weights = list(model.network.parameters())
        options = {"lr": training.learning_rate, "weight_decay": training.weight_decay}
        fused = all(weight.is_floating_point() for weight in weights)
        kind = torch.optim.AdamW if training.optimizer == "adamw" else torch.optim.Adam
        self._model, self._optimizer = self._fabric.setup(model, kind(weights, **options, fused=fused))

    def resume(self, state: TrainingState) -> None:
        """Go to where a stored run stands, if there is one.

        Raises:
            InputError: the state is damaged or belongs to another run.
        """
        if (stored := state.load()) is not None:
            self._restore(*stored)

    def run(self, *, on_step: OnStep, state: TrainingState | None, state_seconds: float) -> None:
        """Train until all steps are done or early stopping ends the run.

        Args:
            on_step: receives a record every ten steps, after each validation and after the last step.
            state: where to store the state, or None.
            state_seconds: shortest time between two writes of the state.

        Raises:
            InputError: the data holds NaN, or the error has become NaN or infinite.
        """
        before, begin, written = self.counters.seconds, time.perf_counter(), time.perf_counter()
        earlier = self.counters.waited
        training = self.training
        self._model.train()
        options = {"batch_size": training.batch_size, "steps": training.steps, "device": self.device}
        with Batches(self.windows, seed=training.seed, **options) as batches:
            while not self.finished:
                loss, norm, rate = self._advance(batches)
                valid = self._judge()
                self.counters.seconds = before + time.perf_counter() - begin
                self.counters.waited = earlier + batches.waited
                if valid is not None or self.finished or self.counters.step % _REPORT_EVERY == 0:
                    on_step(self._record(loss, norm, rate, valid))
                if self.finished or (state is not None and time.perf_counter() - written >= state_seconds):
                    self._keep(state)
                    written = time.perf_counter()

    @property
    def finished(self) -> bool:
        """All steps are done, or the validation error has not improved for ``patience`` validations."""
        patience = self.training.patience
        return self.counters.step >= self.training.steps or (patience is not None and self.counters.stale >= patience)

    def result(self) -> dict[str, Tensor]:
        """State dict of the network to keep: the best averaged weights with early stopping, else the last ones."""
        return self._best or self.average.network.state_dict()

    def _advance(self, batches: Batches) -> tuple[Tensor, Tensor | None, float]:
        """One optimiser step: its loss, gradient norm before clipping and learning rate."""
        step, training = self.counters.step, self.training
        rate = learning_rate(step, training)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        batch = batches.take(step)
        if step < training.unroll_from * training.steps:
            batch = call_of(batch, 0, training.frames_out)
        seed_step(training.seed, step, self.device)
        loss = self._model(batch).mean()
        self._optimizer.zero_grad()
        self._fabric.backward(loss)
        norm = None
        if training.clip is not None:
            norm = self._fabric.clip_gradients(
                self._model, self._optimizer, max_norm=training.clip, error_if_nonfinite=False
            )
        self._optimizer.step()
        self.counters.step = step + 1
        self.average.update(self._plain.network, step + 1)
        return loss.detach(), norm, rate

    def _judge(self) -> float | None:
        """Validate if it is time to; with early stopping also note whether the error improved."""
        step, training = self.counters.step, self.training
        due = step % training.validation_interval == 0 or step == training.steps
        if self.valid is None or not due:
            return None
        error = validation_error(self._averaged, self.valid, training.batch_size, self.device)
        self._require_finite(error)
        if self.counters.best is None or error < self.counters.best:
            self.counters.best, self.counters.stale = error, 0
            if training.patience is not None:
                self._best = {name: value.clone() for name, value in self.average.network.state_dict().items()}
        else:
            self.counters.stale += 1
        return error

    def _record(self, loss: Tensor, norm: Tensor | None, rate: float, valid: float | None) -> Record:
        self._require_finite(float(loss if norm is None else loss + norm))
        done, seconds = self.counters.step, self.counters.seconds
        return Record(
            step=done,
            loss=float(loss),
            learning_rate=rate,
            gradient_norm=None if norm is None else float(norm),
            valid=valid,
            seconds=seconds,
            remaining=0.0 if self.finished else seconds / done * (self.training.steps - done),
        )

    def _keep(self, state: TrainingState | None) -> None:
        """Store the state, or at the end of a run without one only see that the weights are numbers."""
        self._require_finite(float(torch.nn.utils.get_total_norm(self._plain.network.parameters())))
        if state is not None:
            state.save(self._tensors(), self.counters)

    def _require_finite(self, error: float) -> None:
        if not math.isfinite(error):
            raise InputError(
                f"The training error became NaN or infinite near step {self.counters.step}; lower learning_rate "
                f"({self.training.learning_rate:g}) or clip."
            )

    def _tensors(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, by name."""
        parts = {"network": self._plain.network.state_dict(), "average": self.average.network.state_dict()}
        parts["best"] = self._best
        parts |= {f"optimizer.{index}": values for index, values in self._optimizer.state_dict()["state"].items()}
        return {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()}

    def _restore(self, tensors: dict[str, Tensor], counters: Counters) -> None:
        """Take up the state that :meth:`_tensors` described."""
        self.counters = counters
        self._plain.network.load_state_dict(_part(tensors, "network"))
        self.average.network.load_state_dict(_part(tensors, "average"))
        self._best = {name: value.to(self.device) for name, value in _part(tensors, "best").items()}
        state = {}
        for index, weight in enumerate(self._plain.network.parameters()):
            moments = _part(tensors, f"optimizer.{index}")
            # The fused optimiser walks through memory, so the moments must lie in it as the weights do.
            state[index] = {name: _laid_out(value, weight) for name, value in moments.items()}
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": state, "param_groups": groups})


@torch.no_grad()
def validation_error(model: StepModel, windows: Windows, batch_size: int, device: torch.device) -> float:
    """Mean error of up to 256 windows, evenly spread over ``windows``, as in training."""
    count = min(len(windows), _VALIDATION_WINDOWS)
    chosen = [index * len(windows) // count for index in range(count)]
    batches = (chosen[first : first + batch_size] for first in range(0, count, batch_size))
    return sum(float(model(read_batch(windows, batch, device)).sum()) for batch in batches) / count


def seed_step(seed: int, step: int, device: torch.device) -> None:
    """Seed torch's generators for one step, so that random layers depend on nothing that came before."""
    number = (seed * 1_000_003 + step + 1) % 2**63
    # torch.manual_seed would remember every call for GPUs that are not in use yet.
    torch.default_generator.manual_seed(number)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(number)


@final
class _KeepInputs(MixedPrecision):
    """Mixed precision that leaves the batch in float32: in bfloat16 two frames in physical units have no difference."""

    def convert_input(self, data: Any) -> Any:
        return data


def _fabric(device: torch.device, precision: str) -> Fabric:
    devices = 1 if device.type == "cpu" else [device.index or 0]
    # One process and one device, whatever a cluster's scheduler says about the job around it.
    plugins: list[Any] = [LightningEnvironment()]
    if precision == "32-true":
        return Fabric(accelerator=device.type, devices=devices, precision="32-true", plugins=plugins)
    return Fabric(accelerator=device.type, devices=devices, plugins=[*plugins, _KeepInputs(precision, device.type)])


def _part(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    start = f"{name}."
    return {key.removeprefix(start): value for key, value in tensors.items() if key.startswith(start)}


def _laid_out(value: Tensor, like: nn.Parameter) -> Tensor:
    return torch.empty_like(like).copy_(value) if value.shape == like.shape else value
