"""Explicit steps of variable size from frame to frame."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp

MOST_STEPS = 1_000_000  # between two frames
Case = dict[str, Any]  # parameters and input fields of one case
Rate = Callable[[jax.Array, jax.Array], jax.Array]  # time derivative from state and time


class Scheme(Protocol):
    """A discrete system with the state [F, *cells]."""

    def longest_step(self, state: jax.Array, time: jax.Array, end: jax.Array, case: Case) -> jax.Array:
        """The step that the state bears on the way to `end`."""

    def step(self, state: jax.Array, time: jax.Array, dt: jax.Array, case: Case) -> jax.Array:
        """The state after one step."""


def heun(rate: Rate, state: jax.Array, time: jax.Array, dt: jax.Array) -> jax.Array:
    """A step of Heun's method, which is strong-stability-preserving (Shu and Osher 1988)."""

    def stage(index: jax.Array, now: jax.Array) -> jax.Array:  # a loop, so that the rate is compiled once
        moved = now + dt * rate(now, time + index * dt)
        return jnp.where(index == 0, moved, 0.5 * (state + moved))

    return jax.lax.fori_loop(0, 2, stage, state)


def legendre(rate: Rate, state: jax.Array, time: jax.Array, dt: jax.Array, stages: jax.Array) -> jax.Array:
    """A step of the Runge-Kutta-Legendre method of second order, for diffusion.

    With s stages (3 at least) it bears ``(s^2 + s - 2) / 4`` times the step of Euler's method.

    Source: Meyer, Balsara and Aslam (2014), J. Comput. Phys. 257, 594-626.
    """
    width = 4.0 / (stages**2 + stages - 2.0)
    first = rate(state, time)

    def share(j: jax.Array) -> jax.Array:
        return jnp.where(j < 3, 1 / 3, (j**2 + j - 2.0) / (2.0 * j * (j + 1.0)))

    def stage(j: jax.Array, now: Any) -> Any:
        older, newer, early, late = now
        j = jnp.asarray(j, state.dtype)
        one, two = (2 * j - 1) / j * share(j) / share(j - 1), -(j - 1) / j * share(j) / share(j - 2)
        move, back = one * width, -(1 - share(j - 1)) * one * width
        slope = move * rate(newer, time + late * dt) + back * first
        latest = one * newer + two * older + (1 - one - two) * state + dt * slope
        return newer, latest, late, one * late + two * early + move + back

    begin = (state, state + width / 3 * dt * first, jnp.zeros_like(width), width / 3)
    return jax.lax.fori_loop(2, stages.astype(int) + 1, stage, begin)[1]


@partial(jax.jit, static_argnums=(0, 1))
def march(scheme: Scheme, together: bool, starts: jax.Array, cases: Case, times: jax.Array) -> Any:
    """Frames [case, time, F, *cells] and the number of steps before each [case, time - 1].

    The steps between two frames divide what is left evenly, so that a frame is hit without a short last step.

    Args:
        together: batch the cases (on an accelerator); else one after the other.
        starts: [case, F, *cells].
        cases: each leaf with the leading axis of cases.
    """

    def one(start: jax.Array, case: Case) -> Any:
        def step(now: Any) -> Any:
            state, time, end, count = now
            left = end - time
            most = scheme.longest_step(state, time, end, case)
            dt = left / jnp.maximum(jnp.ceil(left / most - 1e-9), 1.0)
            return scheme.step(state, time, dt, case), time + dt, end, count + 1

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
