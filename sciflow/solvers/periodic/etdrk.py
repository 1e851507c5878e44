"""Fourth-order exponential time differencing."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from sciflow.solvers.periodic.matrix import double, phi, times

NonLinear = Callable[[jax.Array, jax.Array], jax.Array]

CIRCLE_POINTS = 32


class Coefficients(NamedTuple):
    """What a step of fixed size multiplies with, each of the shape of L: numbers or matrices for each mode."""

    full: jax.Array
    half: jax.Array
    stage: jax.Array
    first: jax.Array
    middle: jax.Array
    last: jax.Array

    def times(self, name: str, spectrum: jax.Array) -> jax.Array:
        """One of the coefficients on [F, *modes]."""
        coefficient: jax.Array = getattr(self, name)
        return times(coefficient, spectrum) if coefficient.ndim > spectrum.ndim else coefficient * spectrum


def coefficients(linear: jax.Array, dt: jax.Array | float) -> Coefficients:
    """Coefficients of Cox and Matthews (2002), eqs. 26 to 29, for L [F, *modes], by means over circles.

    Means over a circle around each h L are those of Kassam and Trefethen (2005). They are complex where L is
    (advection, dispersion); exponax 0.2 keeps their real part, which measures first order on Korteweg-de Vries.
    """
    real = not jnp.iscomplexobj(linear)
    points = CIRCLE_POINTS // 2 if real else CIRCLE_POINTS  # the other half of the circle gives the conjugate values
    angles = jnp.exp(2j * jnp.pi * (jnp.arange(points) + 0.5) / CIRCLE_POINTS)

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

    total, _ = jax.lax.scan(add, jnp.zeros((4, *linear.shape), dtype=angles.dtype), angles)
    stage, first, middle, last = dt * (total.real if real else total) / points
    return Coefficients(jnp.exp(linear * dt), jnp.exp(linear * dt / 2), stage, first, 2 * middle, last)


def matrix_coefficients(linear: jax.Array, dt: jax.Array | float) -> Coefficients:
    """The same for matrices L [F, F, *modes], which no circle suits: h L may be defective, and its norm large.

    In phi_k of h L: first = phi_1 - 3 phi_2 + 4 phi_3, middle = 2 phi_2 - 4 phi_3, last = 4 phi_3 - phi_2, times h.
    """
    half = phi(linear * (dt / 2))
    full = double(half)
    first = full.one - 3 * full.two + 4 * full.three
    middle, last = 2 * full.two - 4 * full.three, 4 * full.three - full.two
    return Coefficients(full.zero, half.zero, dt / 2 * half.one, dt * first, dt * middle, dt * last)


def step(c: Coefficients, nonlinear: NonLinear, state: jax.Array, time: jax.Array, dt: jax.Array | float) -> jax.Array:
    """One step of u_t = L u + N(u, t): ETDRK4."""
    n0 = nonlinear(state, time)
    decayed = c.times("half", state)
    a = decayed + c.times("stage", n0)
    n1 = nonlinear(a, time + dt / 2)
    b = decayed + c.times("stage", n1)
    n2 = nonlinear(b, time + dt / 2)
    d = c.times("half", a) + c.times("stage", 2 * n2 - n0)
    n3 = nonlinear(d, time + dt)
    return c.times("full", state) + c.times("first", n0) + c.times("middle", n1 + n2) + c.times("last", n3)
