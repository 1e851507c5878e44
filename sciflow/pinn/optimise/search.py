r"""A line search for the strong Wolfe conditions, compiled with one evaluation of the loss.

.. math::
    f(w + a d) \le f(w) + c_1\, a\, d^T g(w), \qquad |d^T g(w + a d)| \le c_2\, |d^T g(w)|

The interval from the best step so far to one that is too long is closed in on by cubic interpolation.

Source: Nocedal and Wright (2006), Numerical Optimization, algorithms 3.5 and 3.6 and equation 3.59.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

_DECREASE, _SLOPE = 1e-4, 0.9  # c_1, c_2
_TRIALS = 25
_GROWTH = 2.0  # of the step while none is too long
_MARGIN = 0.1  # of the interval, kept from its ends
_NARROW = 1e-5  # of the step: an interval in which there is no more to gain


class Trial(NamedTuple):
    """A step length, the loss there and its slope along the direction."""

    length: jax.Array
    value: jax.Array
    slope: jax.Array


class Found(NamedTuple):
    """The step length (0: none lowers the loss), the loss and the gradient (P,) there."""

    length: jax.Array
    value: jax.Array
    gradient: jax.Array


class _State(NamedTuple):
    low: Trial  # the lowest that meets the first condition
    high: Trial  # the other end of the interval; of infinite length while there is none
    gradient: jax.Array  # at low
    next: jax.Array
    count: jax.Array
    done: jax.Array


def search(
    value_and_grad: Callable[[jax.Array], tuple[jax.Array, jax.Array]],
    weights: jax.Array,
    direction: jax.Array,
    value: jax.Array,
    gradient: jax.Array,
) -> Found:
    """A step along a direction that leads downhill; lengths are tried from 1 on.

    Where the second condition cannot be met, the lowest step that meets the first.
    """
    first = direction @ gradient

    def trial(now: _State) -> _State:
        found, there = value_and_grad(weights + now.next * direction)
        here = Trial(now.next, found, there @ direction)
        enough = (found <= value + _DECREASE * now.next * first) & (found < now.low.value)  # false for NaN
        flat = jnp.abs(here.slope) <= _SLOPE * jnp.abs(first)
        past = here.slope * (now.high.length - now.low.length) >= 0
        high = _choose(enough, _choose(past, now.low, now.high), here)
        low = _choose(enough, here, now.low)
        width = jnp.abs(high.length - low.length)
        return _State(
            low,
            high,
            jnp.where(enough, there, now.gradient),
            jnp.where(jnp.isfinite(high.length), _between(low, high), _GROWTH * now.next),
            now.count + 1,
            (enough & flat) | (width <= _NARROW * low.length),
        )

    start = Trial(jnp.zeros_like(value), value, first)
    begun = _State(
        start,
        Trial(jnp.full_like(value, jnp.inf), value, first),
        gradient,
        jnp.ones_like(value),
        jnp.zeros((), jnp.int32),
        ~(first < 0),
    )
    ended = jax.lax.while_loop(lambda now: ~now.done & (now.count < _TRIALS), trial, begun)
    return Found(ended.low.length, ended.low.value, ended.gradient)


def _choose(condition: jax.Array, yes: Trial, no: Trial) -> Trial:
    return Trial(*(jnp.where(condition, a, b) for a, b in zip(yes, no, strict=True)))


def _between(low: Trial, high: Trial) -> jax.Array:
    """The minimum of the cubic through both ends, or the middle where there is none well inside."""
    width = high.length - low.length
    one = low.slope + high.slope + 3 * (low.value - high.value) / width
    two = jnp.sign(width) * jnp.sqrt(one**2 - low.slope * high.slope)
    share = 1 - (high.slope + two - one) / (high.slope - low.slope + 2 * two)
    inside = (share >= _MARGIN) & (share <= 1 - _MARGIN)  # false for NaN
    return low.length + width * jnp.where(inside, share, 0.5)
