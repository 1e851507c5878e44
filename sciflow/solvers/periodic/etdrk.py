"""Fourth-order exponential time differencing."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

NonLinear = Callable[[jax.Array, jax.Array], jax.Array]

CIRCLE_POINTS = 32


class Coefficients(NamedTuple):
    """What a step of fixed size multiplies with, each of the shape of L."""

    full: jax.Array
    half: jax.Array
    stage: jax.Array
    first: jax.Array
    middle: jax.Array
    last: jax.Array


def coefficients(linear: jax.Array, dt: jax.Array | float) -> Coefficients:
    """Coefficients of Cox and Matthews (2002), eqs. 26 to 29, by the contour means of Kassam and Trefethen (2005).

    The means stay complex: where L has an imaginary part (advection, dispersion) so have the coefficients. exponax 0.2
    keeps their real part, which measures first order on Korteweg-de Vries.
    """
    angles = jnp.exp(2j * jnp.pi * (jnp.arange(CIRCLE_POINTS) + 0.5) / CIRCLE_POINTS)

    def add(total: jax.Array, root: jax.Array) -> tuple[jax.Array, None]:
        z = linear * dt + root
        whole, half = jnp.exp(z), jnp.exp(z / 2)
        means = jnp.stack([
            (half - 1) / z,
            (-4 - z + whole * (4 - 3 * z + z**2)) / z**3,
            (2 + z + whole * (z - 2)) / z**3,
            (-4 - 3 * z - z**2 + whole * (4 - z)) / z**3,
        ])  # fmt: skip
        return total + means, None

    total, _ = jax.lax.scan(add, jnp.zeros((4, *linear.shape), dtype=linear.dtype), angles)
    stage, first, middle, last = dt * total / CIRCLE_POINTS
    return Coefficients(jnp.exp(linear * dt), jnp.exp(linear * dt / 2), stage, first, 2 * middle, last)


def step(c: Coefficients, nonlinear: NonLinear, state: jax.Array, time: jax.Array, dt: jax.Array | float) -> jax.Array:
    """One step of u_t = L u + N(u, t): ETDRK4."""
    n0 = nonlinear(state, time)
    a = c.half * state + c.stage * n0
    n1 = nonlinear(a, time + dt / 2)
    b = c.half * state + c.stage * n1
    n2 = nonlinear(b, time + dt / 2)
    d = c.half * a + c.stage * (2 * n2 - n0)
    n3 = nonlinear(d, time + dt)
    return c.full * state + c.first * n0 + c.middle * (n1 + n2) + c.last * n3
