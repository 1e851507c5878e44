"""Adaptive time stepping of a system of ordinary differential equations to given times, by diffrax."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import diffrax
import jax
import jax.numpy as jnp

from sciflow.solvers.lines.system import Numbers

if TYPE_CHECKING:
    from sciflow.solvers.lines.system import System

SOLVERS = {"explicit": "Tsit5", "implicit": "Kvaerno5"}
REAL_STABILITY = 3.3  # Tsit5 is stable for negative real numbers dt * rate up to about this
IMPLICIT_STEPS = 200  # of an implicit run of a diffusive problem: measured 50 for heat, 450 for Burgers
POWER_STEPS = 40


@dataclass(frozen=True)
class Stepping:
    """How to step: ``"explicit"`` or ``"implicit"``, tolerances of a step, and the most steps to take."""

    method: str
    rtol: float
    atol: float
    max_steps: int


@partial(jax.jit, static_argnums=(0, 1))
def march(
    system: System, stepping: Stepping, start: jax.Array, scale: jax.Array, times: jax.Array, numbers: Numbers
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Frames [time, fields, *S] of one case, steps taken, and whether the end was reached.

    The unknowns are divided by `scale` [fields, 1, ...], so that `atol` is in units of it. Steps end at the frames:
    an interpolant between steps is less accurate than the steps are.
    """

    @jax.jit  # traced once, though the solver asks for it in several places
    def rate(time: jax.Array, state: jax.Array, numbers: Numbers) -> jax.Array:
        return system.rate(time, state * scale, numbers) / scale

    controller = diffrax.ClipStepSizeController(
        diffrax.PIDController(rtol=stepping.rtol, atol=stepping.atol), step_ts=times
    )
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(rate),
        getattr(diffrax, SOLVERS[stepping.method])(),
        times[0],
        times[-1],
        None,
        start / scale,
        numbers,
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=controller,
        max_steps=stepping.max_steps,
        throw=False,
    )
    frames = jax.vmap(lambda time, state: system.impose(time, state * scale, numbers))(times, solution.ys)
    return frames, solution.stats["num_steps"], solution.result == diffrax.RESULTS.successful


@partial(jax.jit, static_argnums=0)
def stiffness(system: System, start: jax.Array, time: jax.Array, numbers: Numbers) -> tuple[jax.Array, jax.Array]:
    """Largest rate (1/s) at which a disturbance of the start changes, and whether it decays (1) or oscillates (-1).

    Power iteration with the Jacobian J of the right-hand side: the rate is the growth by J over pairs of steps (one
    step alone is misled by fields of different units), the second number the cosine between a disturbance and J^2 of
    it, since the squares of decay rates are positive and those of frequencies negative.
    """

    def push(vector: jax.Array, _: None) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        image = jax.jvp(lambda state: system.rate(time, state, numbers), (start,), (vector,))[1]
        size = jnp.linalg.norm(image.ravel())
        unit = image / jnp.maximum(size, jnp.finfo(size.dtype).tiny)
        return unit, (unit, size)

    first = jax.random.normal(jax.random.key(0), start.shape, start.dtype) * numbers.free
    _, (units, sizes) = jax.lax.scan(push, first, length=POWER_STEPS)
    return jnp.sqrt(sizes[-1] * sizes[-2]), jnp.sum(units[-1] * units[-3])


def pays_implicit(rate: float, decay: float, duration: float, unknowns: int) -> bool:
    """Whether diffusion limits explicit steps so much that implicit ones are cheaper.

    A step of the implicit method costs its Jacobian and its factors: measured from 65 to 257 unknowns, as much as
    unknowns / 4 to unknowns explicit steps.
    """
    return decay > 0.5 and rate * duration / REAL_STABILITY > IMPLICIT_STEPS * unknowns / 2
