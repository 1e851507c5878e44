r"""Advection of momentum by the mass fluxes that move the interface.

.. math:: (\rho u)^* = (\rho u)^n - \Delta(\dot m\,\tilde u), \qquad \rho^* = \rho^n - \Delta\dot m

with the mass flux :math:`\dot m = \rho_a c + (\rho_w - \rho_a) F` of the interface step averaged to the control volumes
of the faces, and :math:`\tilde u` the upwind value with van Leer's slope: a uniform velocity stays uniform across any
density ratio, and heavy fluid is not accelerated by light one (Rudman, Int. J. Numer. Meth. Fluids 28, 1998).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from sciflow.solvers.twophase.layout import Layout


def transport(
    u: jax.Array,
    v: jax.Array,
    rho: jax.Array,
    mass: tuple[jax.Array, jax.Array],
    courant: tuple[jax.Array, jax.Array],
    layout: Layout,
) -> tuple[jax.Array, jax.Array]:
    """Velocities (u, v) after advection over one step; given faces keep their values.

    Args:
        u, v: velocities before it.
        rho: density of the cells before it `(ny, nx)`.
        mass: through the faces of x and y over the step, per cell volume (kg/m^3).
        courant: Courant numbers of the faces of x and y.
        layout: the geometry.
    """
    moved_u = jnp.where(layout.free_u > 0, _along_x(u, rho, mass, courant), u)
    moved_v = jnp.where(layout.free_v > 0, _along_y(v, rho, mass, courant), v)
    return moved_u, moved_v


def _along_x(
    u: jax.Array, rho: jax.Array, mass: tuple[jax.Array, jax.Array], courant: tuple[jax.Array, jax.Array]
) -> jax.Array:
    """New u at the faces 1 .. nx; face 0 keeps its value. Beyond the last face the flow continues unchanged."""
    (m_x, m_y), (c_x, c_y) = mass, courant

    def beyond(flux: jax.Array) -> jax.Array:
        return jnp.concatenate([flux, 2 * flux[:, -1:] - flux[:, -2:-1]], axis=1)

    density = jnp.pad(rho, ((0, 0), (0, 1)), mode="edge")
    content = 0.5 * (density[:, 1:] + density[:, :-1])  # faces 1 .. nx
    m_centre, c_centre = (0.5 * (f[:, 1:] + f[:, :-1]) for f in (beyond(m_x), beyond(c_x)))  # centres 0 .. nx
    wide = jnp.pad(u, ((0, 0), (1, 2)), mode="edge")
    flux = m_centre * _upwind([wide[:, k : k + m_centre.shape[1]] for k in range(4)], m_centre, c_centre)
    m_y, c_y = (jnp.pad(f, ((0, 0), (0, 1)), mode="edge") for f in (m_y, c_y))
    m_corner, c_corner = (0.5 * (f[:, 1:] + f[:, :-1]) for f in (m_y, c_y))  # corners 1 .. nx
    tall = jnp.pad(u[:, 1:], ((2, 2), (0, 0)), mode="edge")
    flux_y = m_corner * _upwind([tall[k : k + m_corner.shape[0]] for k in range(4)], m_corner, c_corner)
    momentum = content * u[:, 1:] - jnp.diff(flux, axis=1) - jnp.diff(flux_y, axis=0)
    content = content - jnp.diff(m_centre, axis=1) - jnp.diff(m_corner, axis=0)
    return jnp.concatenate([u[:, :1], momentum / content], axis=1)


def _along_y(
    v: jax.Array, rho: jax.Array, mass: tuple[jax.Array, jax.Array], courant: tuple[jax.Array, jax.Array]
) -> jax.Array:
    """New v at the faces 1 .. ny - 1; the walls keep their values. What enters through the sides has no v."""
    (m_x, m_y), (c_x, c_y) = mass, courant
    content = 0.5 * (rho[1:] + rho[:-1])
    m_centre, c_centre = (0.5 * (f[1:] + f[:-1]) for f in (m_y, c_y))
    tall = jnp.pad(v, ((1, 1), (0, 0)), mode="edge")
    flux = m_centre * _upwind([tall[k : k + m_centre.shape[0]] for k in range(4)], m_centre, c_centre)
    m_corner, c_corner = (0.5 * (f[1:] + f[:-1]) for f in (m_x, c_x))  # corners 0 .. nx of the inner faces of y
    inner = v[1:-1]
    left = jnp.zeros_like(inner[:, :1])
    right = jnp.where(m_corner[:, -1:] > 0, inner[:, -1:], 0)
    wide = jnp.concatenate([left, left, inner, right, right], axis=1)
    flux_x = m_corner * _upwind([wide[:, k : k + m_corner.shape[1]] for k in range(4)], m_corner, c_corner)
    momentum = content * inner - jnp.diff(flux, axis=0) - jnp.diff(flux_x, axis=1)
    content = content - jnp.diff(m_centre, axis=0) - jnp.diff(m_corner, axis=1)
    return jnp.concatenate([v[:1], momentum / content, v[-1:]], axis=0)


def _upwind(values: list[jax.Array], mass: jax.Array, courant: jax.Array) -> jax.Array:
    """Limited value between the two middle ones of four in a row, seen from where the mass comes from."""
    forward = mass > 0
    back = jnp.where(forward, values[1] - values[0], values[2] - values[3])
    ahead = jnp.where(forward, values[2] - values[1], values[1] - values[2])
    product = back * ahead
    slope = jnp.where(product > 0, 2 * product / jnp.where(product > 0, back + ahead, 1), 0)
    return jnp.where(forward, values[1], values[2]) + 0.5 * (1 - jnp.abs(courant)) * slope
