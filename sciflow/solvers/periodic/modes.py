"""Fourier modes of a periodic box: derivative symbols, transforms, dealiasing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np


@dataclass(frozen=True)
class Modes:
    """Real Fourier transforms over all space axes of an array [..., (z,) y, x].

    Attributes:
        shape: points in tensor order.
        extents: lengths of the box in tensor order.
        keep: share of the wave numbers that products keep: ``2 / (degree + 1)`` removes all aliasing.
    """

    shape: tuple[int, ...]
    extents: tuple[float, ...]
    keep: float

    @property
    def axes(self) -> tuple[int, ...]:
        """The space axes, counted from the end."""
        return tuple(range(-len(self.shape), 0))

    @partial(jax.jit, static_argnums=0, inline=True)
    def forward(self, field: jax.Array) -> jax.Array:
        """Transform of a real field."""
        return jnp.fft.rfftn(field, axes=self.axes)

    @partial(jax.jit, static_argnums=0, inline=True)
    def backward(self, spectrum: jax.Array) -> jax.Array:
        """Real field of a spectrum."""
        return jnp.fft.irfftn(spectrum, s=self.shape, axes=self.axes)

    def numbers(self) -> list[np.ndarray]:
        """Integer wave numbers along each axis (tensor order), shaped to broadcast over the half spectrum."""
        out = []
        for axis, points in enumerate(self.shape):
            last = axis == len(self.shape) - 1
            numbers = np.fft.rfftfreq(points, 1 / points) if last else np.fft.fftfreq(points, 1 / points)
            out.append(numbers.reshape([-1 if i == axis else 1 for i in range(len(self.shape))]))
        return out

    def symbol(self, orders: tuple[int, ...]) -> np.ndarray:
        """(i k)^orders, broadcast over the half spectrum, orders given as (x, y, z); real where their sum is even.

        Odd orders vanish at the Nyquist number, whose derivative no real field of the grid has.
        """
        symbol: np.ndarray = np.ones((1,) * len(self.shape), dtype=complex)
        rows = zip(self.numbers(), self.extents, self.shape, reversed(orders), strict=True)
        for numbers, extent, points, order in rows:
            factor = (2j * np.pi * numbers / extent) ** order
            if order % 2 and points % 2 == 0:
                factor = np.where(np.abs(numbers) == points // 2, 0, factor)
            symbol = symbol * factor
        return symbol.real if sum(orders) % 2 == 0 else symbol

    def mask(self) -> np.ndarray:
        """True for the wave numbers that products keep."""
        mask: np.ndarray = np.ones((1,) * len(self.shape), dtype=bool)
        for numbers, points in zip(self.numbers(), self.shape, strict=True):
            mask = mask & (np.abs(numbers) < self.keep * points / 2 + 1e-9 if self.keep < 1 else np.abs(numbers) >= 0)
        return np.broadcast_to(mask, np.broadcast_shapes(*(n.shape for n in self.numbers())))

    def dealiased(self, orders: tuple[int, ...]) -> np.ndarray:
        """The symbol on the wave numbers that products keep, zero elsewhere."""
        return self.symbol(orders) * self.mask()

    @partial(jax.jit, static_argnums=0, inline=True)
    def tail(self, spectrum: jax.Array) -> jax.Array:
        """Share of a field's fluctuation amplitude that lies in the upper third of the kept wave numbers, [...].

        A field that is zero but for rounding errors has no such share: amplitudes count from 100 rounding errors of
        the largest one in the array's second and third dimension (time and field) on.
        """
        share = np.max(np.stack(np.broadcast_arrays(*(
            np.abs(n) / (self.keep * points / 2) for n, points in zip(self.numbers(), self.shape, strict=True)
        ))), axis=0)  # fmt: skip
        power = jnp.abs(spectrum) ** 2 * (share > 0)
        upper = jnp.sum(power * ((share > 2 / 3) & (share <= 1)), axis=self.axes)
        whole = jnp.sum(power, axis=self.axes)
        least = (100 * jnp.finfo(power.dtype).eps) ** 2 * jnp.max(whole, axis=(1, 2), keepdims=True)
        return jnp.sqrt(upper / jnp.maximum(jnp.maximum(whole, least), jnp.finfo(power.dtype).tiny))
