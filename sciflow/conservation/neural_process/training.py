"""The training loop of neural processes: fresh examples at every step, until the steps or the seconds are used up."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from torch import Tensor

from sciflow.conservation.neural_process.coordinates import Scaling
from sciflow.conservation.neural_process.network import ProcessNetwork
from sciflow.conservation.neural_process.numbers import require_number, require_points, require_whole
from sciflow.conservation.neural_process.objective import Objective
from sciflow.conservation.neural_process.sampling import Pattern, Sampler
from sciflow.core import InputError

if TYPE_CHECKING:
    from sciflow.data import Dataset

_STEPS = 5000  # where neither steps nor seconds are given
_WARMUP, _CLIP = 0.03, 1.0  # part of the training; norm of the gradient for each target
_VALIDATIONS, _VALIDATION_CASES = 25, 100
_CHECKED_EVERY = 50  # steps between looks whether the loss is still a number


@final
@dataclass(frozen=True)
class Recipe:
    """How a neural process is trained.

    Attributes:
        sampling, points: see `sciflow.conservation.neural_process.sampling.Sampler`.
        coordinates: "unit" or "raw", see `sciflow.conservation.neural_process.coordinates.Coordinates`.
        batch_size: cases of a step.
        learning_rate: the highest; it rises over the first 3 % and then falls to 0 as a cosine.
        steps, seconds: of the training, of which one is given at most; 5000 steps if none is.
        physics: weight λ of the mean square residual, against the sum over all targets of a batch; 0 leaves it out.
        seed: of weights, examples, dropout and the draws of a forecast.
        device: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        InputError: a value is out of its range.
    """

    sampling: Pattern
    points: tuple[int, int]
    coordinates: Scaling
    batch_size: int
    learning_rate: float
    steps: int | None
    seconds: float | None
    physics: float
    seed: int
    device: str

    def __post_init__(self) -> None:
        if self.steps is not None and self.seconds is not None:
            raise InputError("Both steps and seconds are given for one training; leave one of them out.")
        require_points(self.points)
        require_whole("batch_size", self.batch_size)
        if self.steps is not None:
            require_whole("steps", self.steps)
        require_whole("seed", self.seed, least=0)
        require_number("learning_rate", self.learning_rate, positive=True)
        if self.seconds is not None:
            require_number("seconds", self.seconds, positive=True)
        require_number("The weight physics", self.physics, positive=False)

    def progress(self, step: int, elapsed: float) -> float:
        """The part of the training that is over, 0 … 1."""
        done = elapsed / self.seconds if self.seconds is not None else step / (self.steps or _STEPS)
        return min(done, 1.0)

    def rate(self, progress: float) -> float:
        """Learning rate; above 0 at the very start, so that no step is lost."""
        if progress < _WARMUP:
            return self.learning_rate * max(progress / _WARMUP, 0.01)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (progress - _WARMUP) / (1 - _WARMUP)))


def train_network(
    network: ProcessNetwork,
    objective: Objective,
    recipe: Recipe,
    train: Dataset,
    valid: Dataset | None,
    *,
    dropout: bool = False,
) -> dict[str, Any]:
    """Train in place by Adam; the weights with the lowest validation loss are kept.

    The validation loss is the negative log-likelihood of a forecast with one draw, on fixed examples of up to 100
    validation cases, at 25 times evenly spread over the training; `dropout` says whether forecasts keep it on. Without
    validation cases the last weights are kept.

    Returns:
        ``steps``, ``seconds``, ``valid`` (the lowest loss for each target, or None) and ``best_step``.

    Raises:
        InputError: the loss has become NaN or infinite.
    """
    sampler, generator = Sampler(train, recipe.sampling, recipe.points), np.random.default_rng(recipe.seed)
    judge = None if valid is None else _Judge(objective, recipe, valid, dropout)
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate, fused=True)
    best: tuple[float, int, dict[str, Tensor]] | None = None
    step, progress, judged, begin = 0, 0.0, 0, time.perf_counter()
    with seeded(recipe.seed, objective.device):
        while progress < 1.0:
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate(progress)
            examples = sampler.draw(generator, recipe.batch_size)
            loss = objective(network.train(), train, examples) / math.prod(examples.targets.shape[:2])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
            optimizer.step()
            step += 1
            progress = recipe.progress(step, time.perf_counter() - begin)
            if step % _CHECKED_EVERY == 0 or progress == 1.0:
                _require_finite(loss.item(), step, recipe)
            if judge is not None and progress * _VALIDATIONS >= judged + 1:
                judged = int(progress * _VALIDATIONS)
                error = judge(network)
                _require_finite(error, step, recipe)
                if best is None or error < best[0]:
                    best = (error, step, copy.deepcopy(network.state_dict()))
    if best is not None:
        network.load_state_dict(best[2])
    _require_finite(float(torch.nn.utils.get_total_norm(network.parameters())), step, recipe)
    return {
        "steps": step,
        "seconds": time.perf_counter() - begin,
        "valid": None if best is None else best[0],
        "best_step": step if best is None else best[1],
        "seed": recipe.seed,
    }


@final
class _Judge:
    """Loss for each target on fixed examples of validation cases, with the same random numbers each time."""

    def __init__(self, objective: Objective, recipe: Recipe, valid: Dataset, dropout: bool) -> None:
        generator = np.random.default_rng([recipe.seed, 1])
        cases = np.unique(np.linspace(0, len(valid) - 1, _VALIDATION_CASES).astype(int))
        self._examples = Sampler(valid, recipe.sampling, recipe.points).of(cases, generator)
        self._objective, self._valid, self._seed, self._dropout = objective, valid, recipe.seed, dropout

    @torch.no_grad()
    def __call__(self, network: ProcessNetwork) -> float:
        with seeded(self._seed, self._objective.device):
            loss = self._objective(network.train(self._dropout), self._valid, self._examples, learning=False)
        return float(loss) / math.prod(self._examples.targets.shape[:2])


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Torch's generators started from a seed inside the block, and put back after it."""
    devices = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        if devices:
            with torch.cuda.device(devices[0]):
                torch.cuda.manual_seed(seed)
        yield


def _require_finite(value: float, step: int, recipe: Recipe) -> None:
    if not math.isfinite(value):
        also = f" or the weight physics ({recipe.physics:g})" if recipe.physics else ""
        raise InputError(
            f"The training loss became NaN or infinite near step {step}; lower learning_rate "
            f"({recipe.learning_rate:g}){also}."
        )
