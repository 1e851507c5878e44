"""Values and fluxes at the faces between cells."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

Limiter = Callable[[jax.Array, jax.Array], jax.Array]


def minmod(first: jax.Array, second: jax.Array) -> jax.Array:
    """The smaller of two differences, 0 where their signs differ: the most careful limiter."""
    smaller = jnp.where(jnp.abs(first) < jnp.abs(second), first, second)
    return jnp.where(first * second > 0, smaller, 0.0)


def van_leer(first: jax.Array, second: jax.Array) -> jax.Array:
    """The harmonic mean of two differences, 0 where their signs differ; van Leer (1974)."""
    product = first * second
    return jnp.where(product > 0, 2 * product / jnp.where(product > 0, first + second, 1.0), 0.0)


LIMITERS: dict[str, Limiter] = {"van-leer": van_leer, "minmod": minmod}


def cut(array: jax.Array, axis: int, start: int, stop: int | None) -> jax.Array:
    """Part of an array along one axis."""
    return jax.lax.slice_in_dim(array, start, array.shape[axis] + stop if stop else array.shape[axis], axis=axis)


def at_faces(padded: jax.Array, axis: int, limiter: Limiter) -> tuple[jax.Array, jax.Array]:
    """Values on either side of each face, linear in the cells: from n + 4 cells to n + 1 faces.

    Between the values of neighbouring cells, so that what is positive stays so.
    """
    jump = cut(padded, axis, 1, None) - cut(padded, axis, 0, -1)
    slope = limiter(cut(jump, axis, 0, -1), cut(jump, axis, 1, None))
    inner = cut(padded, axis, 1, -1)
    upper, lower = inner + slope / 2, inner - slope / 2
    return cut(upper, axis, 0, -1), cut(lower, axis, 1, None)


def hll(
    left: jax.Array, right: jax.Array, left_flux: jax.Array, right_flux: jax.Array, slow: jax.Array, fast: jax.Array
) -> jax.Array:
    """Flux of Harten, Lax and van Leer (1983) for signals no slower than `slow` and no faster than `fast`."""
    low, high = jnp.minimum(slow, 0.0), jnp.maximum(fast, 0.0)
    width = high - low
    mixed = high * left_flux - low * right_flux + low * high * (right - left)
    return jnp.where(width > 0, mixed / jnp.where(width > 0, width, 1.0), 0.5 * (left_flux + right_flux))
