"""Explicit steps of variable size from frame to frame."""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp

MOST_STEPS = 1_000_000  # between two frames
Case = dict[str, Any]  # parameters and input fields of one case


class Scheme(Protocol):
    """A semi-discrete system."""

    def rate(self, state: jax.Array, time: jax.Array, case: Case) -> jax.Array:
        """Time derivative of the state [F, *cells]."""

    def longest_step(self, state: jax.Array, time: jax.Array, case: Case) -> jax.Array:
        """The step that the state bears."""


@partial(jax.jit, static_argnums=(0, 1))
def march(scheme: Scheme, together: bool, starts: jax.Array, cases: Case, times: jax.Array) -> Any:
    """Frames [case, time, F, *cells] and the number of steps before each [case, time - 1].

    Heun's method, which is strong-stability-preserving (Shu and Osher 1988). The steps between two frames divide what
    is left evenly, so that a frame is hit without a short last step.

    Args:
        together: batch the cases (on an accelerator); else one after the other.
        starts: [case, F, *cells].
        cases: each leaf with the leading axis of cases.
    """

    def one(start: jax.Array, case: Case) -> Any:
        def step(now: Any) -> Any:
            state, time, end, count = now
            left = end - time
            dt = left / jnp.maximum(jnp.ceil(left / scheme.longest_step(state, time, case) - 1e-9), 1.0)

            def stage(index: jax.Array, now: jax.Array) -> jax.Array:  # a loop, so that the rate is compiled once
                moved = now + dt * scheme.rate(now, time + index * dt, case)
                return jnp.where(index == 0, moved, 0.5 * (state + moved))

            return jax.lax.fori_loop(0, 2, stage, state), time + dt, end, count + 1

        def frame(state: jax.Array, interval: Any) -> Any:
            begin, end = interval
            tiny = 1e-12 * (end - begin)

            def unfinished(now: Any) -> jax.Array:
                return (now[2] - now[1] > tiny) & (now[3] < MOST_STEPS)

            state, _, _, count = jax.lax.while_loop(unfinished, step, (state, begin, end, 0))
            return state, (state, count)

        _, (later, counts) = jax.lax.scan(frame, start, (times[:-1], times[1:]))
        return jnp.concatenate([start[None], later]), counts

    if together:
        return jax.vmap(one)(starts, cases)
    return jax.lax.map(lambda both: one(*both), (starts, cases))
