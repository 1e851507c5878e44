"""A channel flow under way: advances in pieces, notices a step that is too long, gathers statistics."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sciflow.core.errors import InputError, SciflowError
from sciflow.solvers.base import jax_device
from sciflow.solvers.channel.statistics import Sums, sample
from sciflow.solvers.channel.stepping import Scheme, State

LIMIT = 3**0.5  # of dt * rate: the stability of three stages along the imaginary axis
HALVINGS = 4
SAFE = 0.8  # of the limit: a step that was halved is doubled again if it stays below


class Run:
    """Advances a state by a scheme.

    Args:
        dt: step in seconds. A step beyond the limit of stability, or one that leaves values that are not finite, is
            undone and halved with a warning, up to four times, and grows back once the flow allows it.
        precision: ``"float64"`` or ``"float32"``.
        device: JAX platform; None takes JAX's default.

    Attributes:
        state, time, steps, dt: where the run is, and its present step, at most `longest`.
        blocks: the statistics of each piece that was sampled, as float64.
        force: mean pressure gradient of the last piece, m/s^2.
    """

    def __init__(
        self,
        scheme: Scheme,
        state: State,
        dt: float,
        *,
        time: float = 0.0,
        precision: str = "float64",
        device: str | None = None,
    ) -> None:
        if not dt > 0:
            raise InputError(f"dt is {dt}; give a positive time step in seconds.")
        self.scheme, self.dt, self.time, self.steps = scheme, float(dt), float(time), 0
        self.longest = self.dt
        self.precision, self.device = precision, device
        self.blocks: list[Sums] = []
        self.force = scheme.force
        with computing(precision, device):
            self.state: State = jax.tree.map(jnp.asarray, state)
        self._piece = _program(scheme)

    def advance(self, steps: int, *, every: int = 0) -> None:
        """Take `steps` steps of the present `dt`, sampling statistics every `every` steps (0: never) into one block.

        Raises:
            InputError: `steps` is no multiple of `every`.
            SciflowError: the step is still too long after four halvings.
        """
        if steps < 1 or every < 0 or (every and steps % every):
            raise InputError(f"{steps} steps cannot be sampled every {every}; give a positive multiple.")
        samples, between = (steps // every, every) if every else (1, steps)
        end = self.time + steps * self.dt
        for halving in range(HALVINGS + 1):
            with computing(self.precision, self.device):
                state, sums, force, rate = self._piece(self.state, self.dt, between, samples=samples)
                finite = bool(jnp.isfinite(force)) and bool(jnp.isfinite(jnp.abs(state.velocity.u).sum()))
            ratio = float(rate) * self.dt / LIMIT
            if finite and ratio <= 1:
                break
            why = f"{ratio:.2g} times the limit of stability" if finite else "too long: values are no longer finite"
            where = f"The time step of the channel, {self.dt:.3g} s, is {why} near time {self.time:g} s"
            if halving == HALVINGS:
                raise SciflowError(f"{where}, after {HALVINGS} halvings; start from a smoother field or a smaller dt.")
            warnings.warn(f"{where}; it is halved.", stacklevel=2)
            self.dt, between = self.dt / 2, between * 2
        self.state, self.time, self.force = state, end, float(force)
        self.steps += samples * between
        if self.dt < self.longest and 2 * ratio < SAFE:
            self.dt *= 2
        if every:
            self.blocks.append(Sums(*(np.asarray(part, np.float64) for part in sums)))

    def cross(self, seconds: float, longest: int = 1000) -> float:
        """Advance by `seconds`, a multiple of `dt`, in pieces of at most `longest` steps; the mean force meanwhile."""
        end, pushed, force = self.time + seconds, 0.0, self.force
        while (rest := round((end - self.time) / self.dt)) > 0:
            begin = self.time
            self.advance(min(rest, longest))
            pushed += self.force * (self.time - begin)
            force = pushed / (self.time - end + seconds)
        return force


@contextmanager
def computing(precision: str, device: str | None) -> Iterator[None]:
    """Computes in a precision and on a device of JAX (None: its default)."""
    with jax.enable_x64(precision == "float64"), jax.default_device(jax_device(device)):
        yield


@lru_cache(maxsize=8)
def _program(scheme: Scheme) -> Callable[..., tuple[State, Sums, Any, Any]]:
    """One compiled program for all runs of a scheme."""
    return jax.jit(partial(_piece, scheme), static_argnames="samples")


def _piece(scheme: Scheme, state: State, dt: Any, between: Any, *, samples: int) -> tuple[State, Sums, Any, Any]:
    """`samples` times `between` steps: state, summed statistics, mean force, fastest rate."""

    def step(_: Any, carried: tuple[State, Any, Any]) -> tuple[State, Any, Any]:
        state, force, fastest = carried
        state, report = scheme.step(state, dt)
        return state, force + report.force, jnp.maximum(fastest, report.rate)

    def advance(carried: tuple[State, Any, Any], _: None) -> tuple[tuple[State, Any, Any], Sums]:
        state, force, fastest = carried
        zero = jnp.zeros_like(force)
        state, pushed, fastest = jax.lax.fori_loop(0, between, step, (state, zero, fastest))
        pushed = pushed / between
        return (state, force + pushed, fastest), sample(state, pushed, scheme.waves)

    zero = jnp.zeros((), state.p.real.dtype)
    (state, force, fastest), sums = jax.lax.scan(advance, (state, zero, zero), None, samples)
    return state, jax.tree.map(lambda part: part.sum(0), sums), force / samples, fastest
