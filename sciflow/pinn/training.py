"""Training of a physics-informed solver: phases of optimisers, new points, a time limit, and why it stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from sciflow.core.errors import SciflowError
from sciflow.pinn.compiled import Compiled
from sciflow.pinn.objective import Batch, Objective, Term
from sciflow.pinn.optimise import build
from sciflow.pinn.settings import Phase, Settings


class System(Protocol):
    """What is trained: kinds of residuals, points for each, and fresh weights."""

    @property
    def terms(self) -> Sequence[Term]:
        """Kinds of residuals."""

    def draw(self, rng: np.random.Generator, sizes: Callable[..., np.ndarray] | None) -> Sequence[Batch]:
        """Points of each term; `sizes` gives the size of the residual at candidate points, where it is known."""

    def init(self, key: jax.Array) -> Any:
        """Weights to start from."""


@dataclass(frozen=True)
class Record:
    """Loss after so many steps and training seconds, compilation left out."""

    phase: str
    step: int
    seconds: float
    loss: float


@dataclass(frozen=True)
class Trained:
    """Weights and how they came about.

    Attributes:
        reasons: why each phase ended.
    """

    weights: Any
    history: tuple[Record, ...]
    reasons: tuple[str, ...]
    seconds: float
    compile_seconds: float
    count: int = field(default=0)

    @property
    def loss(self) -> float:
        """The last loss."""
        return self.history[-1].loss if self.history else float("nan")


def train(system: System, settings: Settings, *, start: Any = None, watch: Callable[[Any], None] | None = None) -> Trained:
    """Minimise the loss of a system.

    Args:
        start: weights to start from instead of fresh ones.
        watch: called with the weights after each chunk of steps.

    Raises:
        SciflowError: the loss became NaN or infinite.
    """
    rng = np.random.default_rng(settings.seed)
    weights = system.init(jax.random.key(settings.seed)) if start is None else start
    flat, unravel = ravel_pytree(weights)
    objective = Objective(system.terms, unravel)
    batches = system.draw(rng, None)
    history: list[Record] = []
    reasons: list[str] = []
    begun, compiled = time.perf_counter(), Compiled.seconds
    spent = 0.0

    def clock() -> float:
        return time.perf_counter() - begun - (Compiled.seconds - compiled)

    for phase in settings.phases:
        optimiser = build(phase.method, objective, phase.steps, phase.options)
        state, done, reason = optimiser.init(flat), 0, "all steps taken"
        phase_begun = clock()
        while done < phase.steps:
            count = min(_chunk(phase, settings), phase.steps - done)
            flat, state, losses, stopped = optimiser.advance(flat, state, batches, count)
            losses = np.asarray(losses)
            done += count
            spent = clock()
            _require_finite(phase, done, losses)
            history.append(Record(phase.method, done, spent, float(losses[-1])))
            if watch is not None:
                watch(unravel(flat))
            if stopped is not None and not settings.resample:
                reason = stopped
                break
            if _over(phase.seconds, spent - phase_begun) or _over(settings.seconds, spent):
                reason = "time limit"
                break
            if settings.resample and done < phase.steps:
                batches = system.draw(rng, _sizes(objective, flat) if settings.adaptive else None)
        reasons.append(f"{phase.method}: {reason} after {done} steps")
        if _over(settings.seconds, spent):
            break
    return Trained(
        unravel(flat), tuple(history), tuple(reasons), spent, Compiled.seconds - compiled, int(flat.shape[0])
    )


def _chunk(phase: Phase, settings: Settings) -> int:
    """Steps between looks at the clock, and between new points."""
    return settings.resample if settings.resample else max(1, min(phase.chunk, phase.steps))


def _over(limit: float | None, spent: float) -> bool:
    return limit is not None and spent >= limit


def _require_finite(phase: Phase, done: int, losses: np.ndarray) -> None:
    if not np.isfinite(losses[-1]):
        raise SciflowError(
            f"The loss is not finite after {done} steps of '{phase.method}'; lower its rate, or start from fewer points "
            "or smaller coefficients."
        )


def _sizes(objective: Objective, flat: jax.Array) -> Callable[..., np.ndarray]:
    evaluate = Compiled(lambda weights, blocks: objective.sizes(weights, 0, blocks))
    return lambda blocks: np.asarray(evaluate(flat, {name: jnp.asarray(item) for name, item in blocks.items()}))
