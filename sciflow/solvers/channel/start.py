"""Velocities to start a channel flow from."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from sciflow.solvers.channel.convection import Velocity
from sciflow.solvers.channel.fourier import Waves

LARGEST = 4  # wave number along each axis that a disturbance has


def from_profile(profile: np.ndarray, waves: Waves) -> Velocity:
    """Coefficients of u = profile [ny] at the centres, v = w = 0."""
    ny, shape = waves.grid.ny, waves.modes.shape
    u = np.zeros((ny, *shape), complex)
    u[:, 0, 0] = profile
    return Velocity(jnp.asarray(u), jnp.zeros((ny - 1, *shape), jnp.asarray(u).dtype), jnp.zeros_like(jnp.asarray(u)))


def disturbance(waves: Waves, rms: float, rng: np.random.Generator) -> Velocity:
    """Random large eddies whose mean square, added over the components, is rms^2 before they are made divergence-free.

    Modes up to 4 along x and z times sines up to 4 half-waves across; 0.3 of the bulk velocity turns a laminar channel
    at Re_tau 180 turbulent within 15 half-heights over bulk velocity.
    """
    shape, grid = waves.modes.shape, waves.grid
    orders = np.concatenate([np.arange(waves.modes.kz + 1), np.arange(-waves.modes.kz, 0)])
    large = (np.abs(orders)[:, None] <= LARGEST) & (np.arange(waves.modes.kx)[None, :] <= LARGEST)
    large[0, 0] = False
    parts = []
    for points in (grid.centres, grid.faces[1:-1], grid.centres):
        across = np.sin(0.5 * np.pi * np.outer(points, np.arange(1, LARGEST + 1)))
        drawn = rng.standard_normal((2, LARGEST, *shape))
        # Through values, so that the coefficients are those of a real field.
        parts.append(np.tensordot(across, drawn[0] + 1j * drawn[1], 1) * large)
    values = [waves.modes.values(jnp.asarray(part)) for part in parts]
    size = np.sqrt(sum(float(jnp.mean(value**2)) for value in values))
    scale = rms / size if size > 0 else 0.0
    return Velocity(*(waves.modes.coefficients(scale * value) for value in values))
