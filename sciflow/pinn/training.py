"""Training of a physics-informed solver: phases of optimisers, new points, a time limit, and why it stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from sciflow.core.errors import SciflowError
from sciflow.pinn.causal import causal_weights
from sciflow.pinn.compiled import Compiled
from sciflow.pinn.objective import Batch, Objective, Term
from sciflow.pinn.optimise import build
from sciflow.pinn.settings import Phase, Settings

CONVERGED, STALLED = 1e-6, 1e-4  # of the first loss


class System(Protocol):
    """What is trained: kinds of residuals, points for each, and fresh weights."""

    @property
    def time(self) -> tuple[float, float] | None:
        """Interval that the points' times lie in; None for a steady problem."""

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
        history: its losses are those of the optimiser, which causal weights change; the last one is plain.
        reasons: why each phase ended.
        count: trainable numbers.
        converged: whether the plain loss fell to 1e-6 of the first one or to the target, or to 1e-4 where nothing lower
            was found; of every stage that the answer consists of.
    """

    weights: Any
    history: tuple[Record, ...]
    reasons: tuple[str, ...]
    seconds: float
    compile_seconds: float
    count: int
    converged: bool

    @property
    def loss(self) -> float:
        """The last loss."""
        return self.history[-1].loss if self.history else float("nan")


class Best:
    """The weights with the smallest loss at points that no step is taken on.

    A network can follow its points and run wild between them; near a singular corner every draw of new points then
    finds a larger residual than the last. Going back at once is no remedy: the next points lead astray again, while
    training by itself comes back more often than not.
    """

    def __init__(self, loss: Callable[[jax.Array], float]) -> None:
        self._loss = loss
        self._kept: tuple[float, jax.Array] | None = None

    def see(self, flat: jax.Array) -> None:
        """Keep these weights if they are better."""
        value = self._loss(flat)
        if np.isfinite(value) and (self._kept is None or value < self._kept[0]):
            self._kept = value, flat

    def last(self, flat: jax.Array) -> jax.Array:
        """These weights, or the best ones where those are better; nothing is asked where none were seen."""
        return flat if self._kept is None or self._loss(flat) <= self._kept[0] else self._kept[1]


class Trainer:
    """Compiled programs of one system, for it and for others that differ from it in their points alone."""

    def __init__(self, system: System, settings: Settings) -> None:
        self.system, self.settings = system, settings
        self._begun = system.init(jax.random.key(settings.seed))
        flat, self._unravel = ravel_pytree(self._begun)
        self.objective = Objective(system.terms, self._unravel)
        self._optimisers = [build(p.method, self.objective, p.steps, p.options) for p in settings.phases]
        self._sizes = Compiled(lambda vector, blocks: self.objective.sizes(vector, 0, blocks))
        self._plain = Compiled(self.objective.loss)
        self.count = int(flat.shape[0])

    def run(
        self, system: System | None = None, start: Any = None, *, seconds: float | None = None, first: int = 0
    ) -> Trained:
        """Minimise the loss.

        Args:
            system: one like the first, with other points.
            start: weights to start from instead of fresh ones.
            seconds: in place of the limit in the settings.
            first: the first phase; earlier ones are left out.

        Raises:
            SciflowError: the loss became NaN or infinite.
        """
        system, settings = system or self.system, self.settings
        limit = settings.seconds if seconds is None else seconds
        rng = np.random.default_rng(settings.seed)
        flat = ravel_pytree(self._begun if start is None else start)[0]
        drawn, causal = system.draw(rng, None), settings.causal is not None
        plain_first = float(self._plain(flat, tuple(drawn))) if causal else None
        batches = self._weighed(system, flat, drawn)
        history: list[Record] = []
        reasons: list[str] = []
        held = cache(lambda: tuple(system.draw(np.random.default_rng([settings.seed, 2]), None)))
        best = Best(lambda weights: float(self._plain(weights, held())))
        begun, compiled = time.perf_counter(), Compiled.seconds
        spent = 0.0
        for phase, optimiser in list(zip(settings.phases, self._optimisers, strict=True))[first:]:
            state, done, reason, phase_begun = optimiser.init(flat), 0, "all steps taken", spent
            while done < phase.steps:
                count = phase.stride(settings.resample, done)
                flat, state, losses, stopped = optimiser.advance(flat, state, batches, count)
                losses = np.asarray(losses)
                done += count
                spent = time.perf_counter() - begun - (Compiled.seconds - compiled)
                _require_finite(phase, done, losses)
                if not history:
                    history.append(Record(phase.method, 0, 0.0, float(losses[0])))
                history.append(Record(phase.method, done, spent, float(losses[-1])))
                why = self._ended(phase, stopped, losses[-1], spent, phase_begun, limit)
                if why is not None:
                    reason = why
                    break
                if done == phase.steps:
                    break
                if settings.resample and done % settings.resample == 0:
                    best.see(flat)
                    drawn = system.draw(rng, partial(_sizes, self._sizes, flat) if settings.adaptive else None)
                batches = self._weighed(system, flat, drawn)
            reasons.append(f"{phase.method}: {reason} after {done} steps")
            if _over(limit, spent) or _reached(settings, history):
                break
        ended = flat
        flat = best.last(ended)
        if (causal or flat is not ended) and history:
            # What ends the history is the plain loss: weighted ones fall where weights do.
            plain = float(self._plain(flat, tuple(drawn)))
            history.append(replace(history[-1], loss=plain))
        return Trained(
            self._unravel(flat),
            tuple(history),
            tuple(reasons),
            spent,
            Compiled.seconds - compiled,
            self.count,
            has_converged(history, reasons, plain_first),
        )

    def _weighed(self, system: System, flat: jax.Array, batches: Sequence[Batch]) -> Sequence[Batch]:
        """The batches, with causal weights of the first term's points where they are asked for."""
        if self.settings.causal is None or system.time is None:
            return batches
        blocks = batches[0].blocks
        times, squares = np.asarray(blocks["points"])[:, 0], _sizes(self._sizes, flat, blocks) ** 2
        weights = causal_weights(times.ravel(), squares.ravel(), system.time, tolerance=self.settings.causal)
        held = jnp.asarray(weights.reshape(times.shape), flat.dtype)
        return [replace(batches[0], blocks={**blocks, "weight": held}), *batches[1:]]

    def _ended(
        self, phase: Phase, stopped: str | None, loss: float, spent: float, begun: float, limit: float | None
    ) -> str | None:
        if self.settings.target is not None and loss <= self.settings.target:
            return "target reached"
        if stopped is not None and not self.settings.resample:
            return stopped
        return "time limit" if _over(phase.seconds, spent - begun) or _over(limit, spent) else None


def train(system: System, settings: Settings, start: Any = None) -> Trained:
    """Minimise the loss of one system; see `Trainer.run`."""
    return Trainer(system, settings).run(start=start)


def has_converged(history: Sequence[Record], reasons: Sequence[str], first: float | None = None) -> bool:
    """Whether training ended because there was little left to gain; see `Trained`.

    Args:
        first: the loss to compare with; that of the first record by default.
    """
    if not history:
        return False
    begun = history[0].loss if first is None else first
    last, ended = history[-1].loss, reasons[-1] if reasons else ""
    stalled = bool(ended) and "limit" not in ended and "all steps" not in ended
    return "target" in ended or last <= CONVERGED * begun or (stalled and last <= STALLED * begun)


def joined(parts: Sequence[Trained], *, one_network: bool = False) -> Trained:
    """Stages of one training, the weights being the last ones; of one network, or of one for each stage."""
    history: list[Record] = []
    for part in parts:
        offset = history[-1].seconds if history else 0.0
        history += [replace(record, seconds=record.seconds + offset) for record in part.history]
    reasons = tuple(f"stage {k + 1}: {text}" for k, part in enumerate(parts) for text in part.reasons)
    return Trained(
        parts[-1].weights,
        tuple(history),
        reasons,
        sum(part.seconds for part in parts),
        sum(part.compile_seconds for part in parts),
        parts[-1].count if one_network else sum(part.count for part in parts),
        parts[-1].converged if one_network else all(part.converged for part in parts),
    )


def _over(limit: float | None, spent: float) -> bool:
    return limit is not None and spent >= limit


def _reached(settings: Settings, history: Sequence[Record]) -> bool:
    return settings.target is not None and history[-1].loss <= settings.target


def _require_finite(phase: Phase, done: int, losses: np.ndarray) -> None:
    if not np.isfinite(losses[-1]):
        raise SciflowError(
            f"The loss is not finite after {done} steps of '{phase.method}'; lower its rate, or start from fewer "
            "points or smaller coefficients."
        )


def _sizes(evaluate: Compiled, flat: jax.Array, blocks: Mapping[str, jax.Array]) -> np.ndarray:
    return np.asarray(evaluate(flat, {name: jnp.asarray(item) for name, item in blocks.items()}))
