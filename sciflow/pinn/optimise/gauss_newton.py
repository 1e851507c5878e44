r"""Levenberg-Marquardt on the residual vector: few, expensive and very good steps for small networks.

.. math:: (J^T J + \lambda\, I)\,\delta = -J^T r

Source: Marquardt (1963), J. Soc. Ind. Appl. Math. 11, 431; damping by Nielsen (1999), IMM-REP-1999-05.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from sciflow.pinn.compiled import Compiled
from sciflow.pinn.objective import Batch, Objective

_TRIALS = 30  # of the damping in one step
_SMALLEST = 1e-15  # damping after the first step


class State(NamedTuple):
    """Damping, and whether no damping lowered the loss."""

    damping: jax.Array
    stopped: jax.Array


class LevenbergMarquardt:
    """Time grows with N P^2 for N residuals and P weights: networks of up to about 1,500 weights."""

    name = "levenberg-marquardt"

    def __init__(self, objective: Objective, *, damping: float = 1e-3) -> None:
        self._objective, self._damping = objective, damping
        self._run = Compiled(self._many, static="count")

    def init(self, flat: jax.Array) -> State:
        """The state before the first step."""
        return State(jnp.asarray(self._damping, flat.dtype), jnp.zeros((), bool))

    def advance(self, flat: jax.Array, state: State, batches: Sequence[Batch], count: int) -> tuple[Any, ...]:
        """Weights, state, losses [count] after each step, and the reason if it stopped."""
        state = state._replace(stopped=jnp.zeros((), bool))
        flat, state, losses = self._run(flat, state, tuple(batches), count=count)
        return flat, state, losses, "no damping lowers the loss" if bool(state.stopped) else None

    def _many(self, flat: jax.Array, state: State, batches: Any, count: int) -> tuple[Any, ...]:
        def step(carry: Any, _: None) -> Any:
            carry = jax.lax.cond(carry[1].stopped, lambda c: c, lambda c: self._one(c, batches), carry)
            return carry, carry[2]

        begun = (flat, state, jnp.asarray(jnp.inf, flat.dtype))
        (flat, state, _), losses = jax.lax.scan(step, begun, None, length=count)
        return flat, state, losses

    def _one(self, carry: Any, batches: Any) -> Any:
        flat, state, _ = carry
        value, right, left = self._objective.normal_equations(flat, batches)
        scale = jnp.trace(left) / left.shape[0]

        def trial(inner: Any) -> Any:
            damping, growth, _, _, tries = inner
            matrix = left + damping * scale * jnp.eye(left.shape[0], dtype=left.dtype)
            delta = -jax.scipy.linalg.cho_solve((jnp.linalg.cholesky(matrix), True), right)
            after = self._objective.loss(flat + delta, batches)
            expected = delta @ (damping * scale * delta - right)
            gain = (value - after) / jnp.where(expected > 0, expected, 1.0)
            accepted = jnp.isfinite(after) & (after < value)
            shrunk = damping * jnp.maximum(1 / 3, 1 - (2 * gain - 1) ** 3)
            damping = jnp.maximum(jnp.where(accepted, shrunk, damping * growth), _SMALLEST)
            return damping, growth * 2, jnp.where(accepted, delta, 0.0), jnp.where(accepted, after, value), tries + 1

        def unsuccessful(inner: Any) -> jax.Array:
            return (inner[3] >= value) & (inner[4] < _TRIALS)

        begun = (state.damping, jnp.asarray(2.0, flat.dtype), jnp.zeros_like(flat), value, 0)
        damping, _, delta, after, _ = jax.lax.while_loop(unsuccessful, trial, begun)
        stuck = after >= value
        return flat + delta, State(jnp.where(stuck, state.damping, damping), stuck), after
