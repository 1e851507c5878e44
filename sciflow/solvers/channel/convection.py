r"""Convection in divergence form, free of aliases along x and z, conserving energy along y.

On the finer grid of `Modes.fine` all products are exact, so that along x and z the scheme is a Galerkin one. Along y a
flux through a face carries the mean of its two neighbours; the cells of v take the volume that flows through the halves
of the cells of u and w they cover, (w_j u_j + w_{j+1} u_{j+1}) / 2 over their height. Then the sum of u . C(u) over the
channel is zero to round-off (Morinishi et al. 1998, J. Comput. Phys. 143, for uniform grids).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from sciflow.solvers.channel.fourier import Waves, along
from sciflow.solvers.channel.grid import ChannelGrid
from sciflow.solvers.channel.walls import difference, to_faces, with_walls


class Velocity(NamedTuple):
    """Coefficients of the velocity: u and w at centres [ny, kz, kx], v at inner faces [ny - 1, kz, kx]."""

    u: jax.Array
    v: jax.Array
    w: jax.Array


def plane_values(velocity: Velocity, waves: Waves) -> Velocity:
    """Values on the finer grid, from one transform."""
    ny = waves.grid.ny
    values = waves.modes.values(jnp.concatenate(velocity))
    return Velocity(values[:ny], values[ny:-ny], values[-ny:])


def convection(velocity: Velocity, waves: Waves) -> tuple[Velocity, jax.Array]:
    """Coefficients of div(velocity velocity), and the rate that limits the step (see `step_rate`)."""
    grid, ny = waves.grid, waves.grid.ny
    u, v, w = plane_values(velocity, waves)
    u_face, w_face = to_faces(u), to_faces(w)
    volume = grid.widths[:, None, None]
    u_volume = 0.5 * (volume[1:] * u[1:] + volume[:-1] * u[:-1]) / grid.gaps[:, None, None]
    w_volume = 0.5 * (volume[1:] * w[1:] + volume[:-1] * w[:-1]) / grid.gaps[:, None, None]
    v_all = with_walls(v)
    v_centre = 0.5 * (v_all[1:] + v_all[:-1])
    centred = waves.modes.coefficients(jnp.concatenate([u * u, u * w, w * w, v_centre**2]))
    crossed = waves.modes.coefficients(jnp.concatenate([v * u_face, v * w_face, v * u_volume, v * w_volume]))
    uu, uw, ww, vv = (centred[i * ny : (i + 1) * ny] for i in range(4))
    vu, vw, uv, wv = (crossed[i * (ny - 1) : (i + 1) * (ny - 1)] for i in range(4))
    x, z = waves.x, waves.z
    terms = Velocity(
        along(x, uu) + along(z, uw) + difference(with_walls(vu), grid.widths),
        along(x, uv) + along(z, wv) + difference(vv, grid.gaps),
        along(x, uw) + along(z, ww) + difference(with_walls(vw), grid.widths),
    )
    return terms, step_rate(Velocity(u_face, v, w_face), grid)


def step_rate(faces: Velocity, grid: ChannelGrid) -> jax.Array:
    r"""Largest :math:`\pi|u|/\Delta x + |v|/\Delta y + \pi|w|/\Delta z` at faces; steps up to sqrt(3) / it hold."""
    x = jnp.pi * grid.nx / grid.lx if grid.nx > 1 else 0.0
    z = jnp.pi * grid.nz / grid.lz if grid.nz > 1 else 0.0
    return jnp.max(x * jnp.abs(faces.u) + jnp.abs(faces.v) / grid.gaps[:, None, None] + z * jnp.abs(faces.w))


def divergence(velocity: Velocity, waves: Waves) -> jax.Array:
    """Coefficients of the divergence at centres [ny, kz, kx]."""
    normal = difference(with_walls(velocity.v), waves.grid.widths)
    return along(waves.x, velocity.u) + normal + along(waves.z, velocity.w)


def gradient(p: jax.Array, waves: Waves) -> Velocity:
    """Coefficients of the gradient of a field at centres."""
    return Velocity(along(waves.x, p), difference(p, waves.grid.gaps), along(waves.z, p))


def energy(velocity: Velocity, waves: Waves) -> jax.Array:
    """Mean kinetic energy per volume over density, which convection and pressure keep."""
    parts = [jnp.sum(jnp.abs(part) ** 2 * waves.weights, (1, 2)) for part in velocity]
    grid = waves.grid
    return 0.25 * (jnp.sum(grid.widths * (parts[0] + parts[2])) + jnp.sum(grid.gaps * parts[1]))
