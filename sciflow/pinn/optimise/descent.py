"""Quasi-Newton descent with a strong-Wolfe line search, many steps in one compiled loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from sciflow.pinn.compiled import Compiled
from sciflow.pinn.objective import Batch, Objective
from sciflow.pinn.optimise.search import search

_CURVED = 1e-14  # cosine of step and change of the gradient, below which a pair is left out
REASONS = {0: None, 1: "no step along the descent direction lowers the loss", 2: "the gradient is zero"}


class Pair(NamedTuple):
    """A step s = -length * H gradient (P,) that was taken from where the gradient was, and the gradient's change y."""

    s: jax.Array
    y: jax.Array
    gradient: jax.Array
    length: jax.Array


class Curvature(Protocol):
    """What a method keeps of the inverse Hessian H, as a pytree `memory`."""

    def begin(self, gradient: jax.Array) -> Any:
        """Before the first step: the identity, so scaled that this step is no longer than one."""

    def times(self, memory: Any, vector: jax.Array) -> jax.Array:
        """H vector (P,)."""

    def updated(self, memory: Any, pair: Pair) -> Any:
        """After a step with s^T y > 0."""


class State(NamedTuple):
    """Loss and gradient at the weights, the memory, whether that is a new one, and why it stopped (0: it has not)."""

    value: jax.Array
    gradient: jax.Array
    memory: Any
    fresh: jax.Array
    stopped: jax.Array


class Descent:
    """Steps along -H gradient to where the strong Wolfe conditions hold (1e-4 and 0.9).

    Where no step lowers the loss, or the direction leads uphill by rounding, H begins anew; it stops where the steepest
    descent of a new beginning fails as well.
    """

    def __init__(self, objective: Objective, curvature: Curvature) -> None:
        self._objective, self._curvature = objective, curvature
        self._run = Compiled(self._many, static="count", donate=(1,))
        self._fresh = Compiled(self._first)

    def init(self, flat: jax.Array) -> None:
        """The state is made by the first steps, when the points are known."""

    def advance(self, flat: jax.Array, state: State | None, batches: Sequence[Batch], count: int) -> tuple[Any, ...]:
        """Weights, state, losses [count] after each step, and the reason if it stopped.

        The memory is kept where points change between calls.
        """
        batches = tuple(batches)
        value, gradient = self._fresh(flat, batches)
        memory = self._curvature.begin(gradient) if state is None else state.memory
        fresh = jnp.ones((), bool) if state is None else state.fresh
        begun = State(value, gradient, memory, fresh, jnp.zeros((), jnp.int32))
        flat, state, losses = self._run(flat, begun, batches, count=count)
        return flat, state, losses, REASONS[int(state.stopped)]

    def _first(self, flat: jax.Array, batches: Any) -> tuple[jax.Array, jax.Array]:
        return self._objective.value_and_grad(flat, batches)

    def _many(self, flat: jax.Array, state: State, batches: Any, count: int) -> tuple[Any, ...]:
        def step(carry: Any) -> Any:
            done, weights, now, losses = carry
            weights, now = self._one(batches, weights, now)
            return done + 1, weights, now, losses.at[done].set(now.value)

        def going(carry: Any) -> jax.Array:
            return (carry[0] < count) & (carry[2].stopped == 0)

        begun = (jnp.zeros((), jnp.int32), flat, state, jnp.zeros(count, flat.dtype))
        done, flat, state, losses = jax.lax.while_loop(going, step, begun)
        return flat, state, jnp.where(jnp.arange(count) < done, losses, state.value)

    def _one(self, batches: Any, weights: jax.Array, now: State) -> tuple[jax.Array, State]:
        direction = -self._curvature.times(now.memory, now.gradient)
        downhill = direction @ now.gradient < 0
        direction = jnp.where(downhill, direction, -now.gradient)
        found = search(
            lambda w: self._objective.value_and_grad(w, batches), weights, direction, now.value, now.gradient
        )
        better = found.length > 0
        pair = Pair(found.length * direction, found.gradient - now.gradient, now.gradient, found.length)
        curved = pair.s @ pair.y > _CURVED * jnp.linalg.norm(pair.s) * jnp.linalg.norm(pair.y)
        usable = better & downhill
        # Selected by element and not by branch, so that a large matrix changes in place.
        memory = jax.tree.map(
            lambda new, old, first: jnp.where(usable, jnp.where(curved, new, old), first),
            self._curvature.updated(now.memory, pair),
            now.memory,
            self._curvature.begin(now.gradient),
        )
        stopped = jnp.where(better | ~now.fresh, 0, 1)
        stopped = jnp.where(jnp.any(now.gradient != 0), stopped, 2).astype(jnp.int32)
        fresh = jnp.where(usable, now.fresh & ~curved, True)
        return jnp.where(better, weights + pair.s, weights), State(found.value, found.gradient, memory, fresh, stopped)
