"""Fourier coefficients along x and z, and values on a grid 3/2 times as fine where products are free of aliases.

Coefficients are complex arrays [y, kz, kx] with f(x, z) = sum of f_k exp(i (kx x + kz z)); kx runs over 0, 1, ... and
kz over 0, 1, ..., -1, both without the Nyquist mode, which is zero. Values are real arrays [y, z, x].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sciflow.solvers.channel.grid import ChannelGrid


@dataclass(frozen=True)
class Modes:
    """Which modes `nx` and `nz` points carry."""

    nx: int
    nz: int

    @property
    def kx(self) -> int:
        """Modes along x: 0 to the last before the Nyquist mode."""
        return (self.nx + 1) // 2

    @property
    def kz(self) -> int:
        """Largest mode along z."""
        return (self.nz - 1) // 2

    @property
    def shape(self) -> tuple[int, int]:
        """(kz, kx) of an array of coefficients."""
        return 2 * self.kz + 1, self.kx

    @property
    def fine(self) -> tuple[int, int]:
        """(z, x) points of the finer grid, at least 3/2 times the points; one mode needs one point."""
        return tuple(1 if n == 1 else 2 * (-(-3 * n // 4)) for n in (self.nz, self.nx))  # type: ignore[return-value]

    @partial(jax.jit, static_argnums=(0, 2), inline=True)
    def values(self, coefficients: jax.Array, points: tuple[int, int] | None = None) -> jax.Array:
        """Values at (z, x) points, those of the finer grid by default."""
        mz, mx = points or self.fine
        middle = jnp.zeros((coefficients.shape[0], mz - self.shape[0], self.kx), coefficients.dtype)
        split = self.kz + 1
        padded = jnp.concatenate([coefficients[:, :split], middle, coefficients[:, split:]], 1)
        rest = mx // 2 + 1 - self.kx
        return jnp.fft.irfft2(jnp.pad(padded, ((0, 0), (0, 0), (0, rest))), (mz, mx), norm="forward")

    @partial(jax.jit, static_argnums=0, inline=True)
    def coefficients(self, values: jax.Array) -> jax.Array:
        """Coefficients of values on a grid that carries at least these modes."""
        found = jnp.fft.rfft2(values, norm="forward")[..., : self.kx]
        return jnp.concatenate([found[:, : self.kz + 1], found[:, found.shape[1] - self.kz :]], 1)

    @partial(jax.jit, static_argnums=(0, 2), inline=True)
    def cut(self, coefficients: jax.Array, fewer: Modes) -> jax.Array:
        """Coefficients of the modes that `fewer` has; modes that these lack are zero."""
        keep, kx = min(self.kz, fewer.kz), min(self.kx, fewer.kx)
        rows, columns = 2 * (fewer.kz - keep), fewer.kx - kx
        middle = jnp.zeros((coefficients.shape[0], rows, kx), coefficients.dtype)
        low, high = coefficients[:, : keep + 1, :kx], coefficients[:, self.shape[0] - keep :, :kx]
        return jnp.pad(jnp.concatenate([low, middle, high], 1), ((0, 0), (0, 0), (0, columns)))


@dataclass(frozen=True, eq=False)
class Waves:
    """Wave numbers of a grid in 1 / half-height."""

    grid: ChannelGrid

    @cached_property
    def modes(self) -> Modes:
        """The modes of the grid."""
        return Modes(self.grid.nx, self.grid.nz)

    @cached_property
    def x(self) -> np.ndarray:
        """[1, 1, kx]"""
        return (2 * np.pi / self.grid.lx * np.arange(self.modes.kx))[None, None, :]

    @cached_property
    def z(self) -> np.ndarray:
        """[1, kz, 1]"""
        last = self.modes.kz
        order = np.concatenate([np.arange(last + 1), np.arange(-last, 0)])
        return (2 * np.pi / self.grid.lz * order)[None, :, None]

    @cached_property
    def squared(self) -> np.ndarray:
        """[1, kz, kx] kx^2 + kz^2."""
        return self.x**2 + self.z**2

    @cached_property
    def weights(self) -> np.ndarray:
        """[kx] how many modes each column stands for: the mean of f^2 is the sum of weights |f_k|^2."""
        return np.where(np.arange(self.modes.kx) > 0, 2.0, 1.0)


def along(wave: Any, coefficients: jax.Array) -> jax.Array:
    """Derivative i k f_k along the axis of `wave`."""
    return jnp.asarray(1j * wave, coefficients.dtype) * coefficients
