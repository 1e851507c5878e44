r"""Implicit friction with the full stress :math:`\mu(\nabla u + \nabla u^T)` of a fluid of variable viscosity.

One step solves for the change :math:`\delta` of the velocity

.. math:: (\rho + \Delta t\,K)\,\delta = \Delta t\,(\nabla\cdot\mu(\nabla u + \nabla u^T) + f)

where `K` is the part of the stress that each component exerts on itself and `f` all other forces. `K` is symmetric and
bounds the coupling that it leaves out, so that the step is stable for any viscosity, and a steady state does not depend
on the step. Conjugate gradients with the diagonal as preconditioner need a few iterations where friction is weak and
about as many as the square root of the diffusion number where it is strong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from sciflow.solvers.twophase.layout import Fluids, Layout

TOLERANCE = 1e-8  # of the residual, relative to the forces
MOST = 1000

Pair = tuple[jax.Array, jax.Array]


class Viscosity(NamedTuple):
    """Dynamic viscosity at centres `(ny, nx)` and at corners `(ny + 1, nx + 1)`."""

    centres: jax.Array
    corners: jax.Array


def viscosity(alpha: jax.Array, fluids: Fluids, layout: Layout) -> Viscosity:
    """Harmonic means over a cell's fluids and over the fluid cells around a corner: stress is what is continuous."""
    wet = jnp.clip(alpha, 0, 1)
    fluidity = wet / fluids.mu_water + (1 - wet) / fluids.mu_air
    padded = jnp.pad(fluidity * layout.fluid, 1)
    total = padded[1:, 1:] + padded[1:, :-1] + padded[:-1, 1:] + padded[:-1, :-1]
    around = total * layout.corner
    return Viscosity(1 / fluidity, jnp.where(around > 0, 1 / jnp.where(around > 0, around, 1), 0))


def friction(u: jax.Array, v: jax.Array, mu: Viscosity, layout: Layout) -> Pair:
    """Divergence of the stress at the faces of x and y, in N/m^3; walls rest, the outlet has no normal change."""
    tau_xx = 2 * mu.centres * jnp.diff(u, axis=1) / layout.hx
    tau_yy = 2 * mu.centres * jnp.diff(v, axis=0) / layout.hy
    strain = _across(u, axis=0) * layout.shear_u / layout.hy
    strain += _across(v, axis=1) * layout.shear_v / layout.hx
    tau_xy = mu.corners * strain
    tau_xx = jnp.pad(tau_xx, ((0, 0), (1, 1)), mode="edge")
    tau_yy = jnp.pad(tau_yy, ((1, 1), (0, 0)), mode="edge")
    on_u = jnp.diff(tau_xx, axis=1) / layout.hx + jnp.diff(tau_xy, axis=0) / layout.hy
    on_v = jnp.diff(tau_yy, axis=0) / layout.hy + jnp.diff(tau_xy, axis=1) / layout.hx
    return on_u * layout.free_u, on_v * layout.free_v


def respond(force: Pair, rho: Pair, mu: Viscosity, layout: Layout, dt: jax.Array) -> Pair:
    """Change of (u, v) over `dt` under a force density at the faces (friction included); `rho` is that of the faces."""
    own_u, own_v = _diagonal(mu, layout)
    free = layout.free_u, layout.free_v
    inverse = free[0] / (rho[0] + dt * own_u), free[1] / (rho[1] + dt * own_v)

    def apply(change: Pair) -> Pair:
        u, v = change
        tau_xx = jnp.pad(2 * mu.centres * jnp.diff(u, axis=1), ((0, 0), (1, 1))) / layout.hx**2
        tau_yy = jnp.pad(2 * mu.centres * jnp.diff(v, axis=0), ((1, 1), (0, 0))) / layout.hy**2
        shear_u = mu.corners * layout.shear_u * _across(u, axis=0) / layout.hy**2
        shear_v = mu.corners * layout.shear_v * _across(v, axis=1) / layout.hx**2
        on_u = jnp.diff(tau_xx, axis=1) + jnp.diff(shear_u, axis=0)
        on_v = jnp.diff(tau_yy, axis=0) + jnp.diff(shear_v, axis=1)
        return free[0] * (rho[0] * u - dt * on_u), free[1] * (rho[1] * v - dt * on_v)

    right = dt * force[0] * free[0], dt * force[1] * free[1]
    return _conjugate_gradients(apply, right, inverse)


def _across(field: jax.Array, axis: int) -> jax.Array:
    """Differences along `axis` to the neighbours, to zero beyond the first and the last value: (n,) to (n + 1,)."""
    widths = [(0, 0), (0, 0)]
    widths[axis] = (1, 1)
    return jnp.diff(jnp.pad(field, widths), axis=axis)


def _diagonal(mu: Viscosity, layout: Layout) -> Pair:
    """Diagonal of K at the faces of x and y."""
    normal_x = jnp.pad(2 * mu.centres, ((0, 0), (1, 1))) / layout.hx**2
    normal_y = jnp.pad(2 * mu.centres, ((1, 1), (0, 0))) / layout.hy**2
    shear_u, shear_v = mu.corners * layout.shear_u / layout.hy**2, mu.corners * layout.shear_v / layout.hx**2
    own_u = normal_x[:, 1:] + normal_x[:, :-1] + shear_u[1:] + shear_u[:-1]
    own_v = normal_y[1:] + normal_y[:-1] + shear_v[:, 1:] + shear_v[:, :-1]
    return own_u, own_v


def _conjugate_gradients(apply: Callable[[Pair], Pair], right: Pair, inverse: Pair) -> Pair:
    """Solve `apply(x) = right` with the diagonal `inverse` as preconditioner."""

    def dot(a: Pair, b: Pair) -> jax.Array:
        return jnp.sum(a[0] * b[0]) + jnp.sum(a[1] * b[1])

    def add(a: Pair, factor: jax.Array, b: Pair) -> Pair:
        return a[0] + factor * b[0], a[1] + factor * b[1]

    def precondition(a: Pair) -> Pair:
        return a[0] * inverse[0], a[1] * inverse[1]

    start = precondition(right)
    residual = add(right, -jnp.ones(()), apply(start))
    z = precondition(residual)
    size = dot(right, precondition(right))

    def unfinished(state: tuple[jax.Array, Pair, Pair, Pair, jax.Array]) -> jax.Array:
        return (state[4] > TOLERANCE**2 * size) & (state[0] < MOST)

    def improve(
        state: tuple[jax.Array, Pair, Pair, Pair, jax.Array],
    ) -> tuple[jax.Array, Pair, Pair, Pair, jax.Array]:
        count, x, residual, direction, old = state
        image = apply(direction)
        step = old / dot(direction, image)
        x, residual = add(x, step, direction), add(residual, -step, image)
        z = precondition(residual)
        new = dot(residual, z)
        return count + 1, x, residual, add(z, new / old, direction), new

    return jax.lax.while_loop(unfinished, improve, (jnp.zeros((), int), start, residual, z, dot(residual, z)))[1]
