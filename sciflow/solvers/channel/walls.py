"""Differences across the channel, and direct solves by eigenvectors that all Fourier modes share.

A second difference along y is a tridiagonal matrix whose off-diagonal entries are positive, hence similar to a
symmetric one: T = R diag(m) L with real m. (c - a (T - k^2)) f = g has f = R (L g / (c - a (m - k^2))): two products
with real matrices for all modes at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import eigh_tridiagonal

from sciflow.solvers.channel.grid import ChannelGrid


class Spectrum(NamedTuple):
    """Eigenvalues [n] and the matrices of T = right diag(values) left."""

    values: np.ndarray
    right: np.ndarray
    left: np.ndarray


def spectrum(lower: np.ndarray, diagonal: np.ndarray, upper: np.ndarray) -> Spectrum:
    """Eigenvectors of a tridiagonal matrix with positive entries beside the diagonal."""
    scale = np.concatenate([[0.0], 0.5 * np.cumsum(np.log(lower / upper))])
    scale = np.exp(scale - scale.mean())
    values, vectors = eigh_tridiagonal(diagonal, np.sqrt(lower * upper))
    return Spectrum(values, scale[:, None] * vectors, (vectors / scale[:, None]).T)


def wall_slope(grid: ChannelGrid) -> tuple[float, float]:
    """Weights (a, b) of df/dy = a f_0 - b f_1 at a wall where f = 0: the slope of the parabola through these points."""
    first, second = grid.centres[:2]
    gap = second - first
    return second / (first * gap), first / (second * gap)


@dataclass(frozen=True, eq=False)
class Across:
    """Second differences along y on a grid."""

    grid: ChannelGrid

    @cached_property
    def centres(self) -> Spectrum:
        """Of fields at centres that vanish at the walls (u, w)."""
        low, main, up = self._neumann()
        a, b = wall_slope(self.grid)
        w = self.grid.widths
        main[0], up[0] = main[0] - a / w[0], up[0] + b / w[0]
        main[-1], low[-1] = main[-1] - a / w[-1], low[-1] + b / w[-1]
        return spectrum(low, main, up)

    @cached_property
    def pressure(self) -> Spectrum:
        """Of fields at centres without flux through the walls; the eigenvalue of the constant is 0."""
        found = spectrum(*self._neumann())
        values = found.values.copy()
        values[np.argmax(values)] = 0.0
        return Spectrum(values, found.right, found.left)

    @cached_property
    def faces(self) -> Spectrum:
        """Of fields at inner faces that vanish at the walls (v)."""
        w, g = self.grid.widths, self.grid.gaps
        main = -(1 / w[:-1] + 1 / w[1:]) / g
        return spectrum(1 / (w[1:-1] * g[1:]), main, 1 / (w[1:-1] * g[:-1]))

    def _neumann(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        w, g = self.grid.widths, self.grid.gaps
        main = np.zeros(self.grid.ny)
        main[:-1] -= 1 / (g * w[:-1])
        main[1:] -= 1 / (g * w[1:])
        return 1 / (g * w[1:]), main, 1 / (g * w[:-1])


def product(matrix: jax.Array, coefficients: jax.Array) -> jax.Array:
    """A real matrix [n, y] times complex coefficients [y, kz, kx]."""
    y, *rest = coefficients.shape
    parts = jnp.concatenate([coefficients.real.reshape(y, -1), coefficients.imag.reshape(y, -1)], 1)
    found = jnp.matmul(matrix, parts, precision=jax.lax.Precision.HIGHEST)
    real, imaginary = jnp.split(found, 2, axis=1)
    return jax.lax.complex(real, imaginary).reshape(-1, *rest)


def solve(spectrum: Spectrum, factor: jax.Array, right: jax.Array) -> jax.Array:
    """R (factor * (L g)) with a factor [y, kz, kx], such as 1 / (c - a (m - k^2))."""
    return product(spectrum.right, factor * product(spectrum.left, right))


def difference(values: jax.Array, distances: jax.Array) -> jax.Array:
    """From centres to inner faces (with the gaps), or from all faces to centres (with the widths)."""
    return (values[1:] - values[:-1]) / distances[:, None, None]


def with_walls(inner: jax.Array) -> jax.Array:
    """Values at inner faces with the zeros at both walls."""
    return jnp.pad(inner, ((1, 1), (0, 0), (0, 0)))


def to_faces(centred: jax.Array) -> jax.Array:
    """Values at inner faces, half-way between centres."""
    return 0.5 * (centred[1:] + centred[:-1])
