"""Functions of the small matrices that couple the fields in each Fourier mode."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

TAYLOR_TERMS = 18  # of phi_3 at norm 1/2: the remainder is below 1e-22
MOST_HALVINGS = 60
BALANCING_SWEEPS = 6


class Phi(NamedTuple):
    """exp(z) and phi_k(z) = sum_j z^j / (j + k)!, each [F, F, *modes]."""

    zero: jax.Array
    one: jax.Array
    two: jax.Array
    three: jax.Array


def times(first: jax.Array, second: jax.Array) -> jax.Array:
    """Matrix product of [F, F, *modes] and [F, F, *modes], or of [F, F, *modes] and vectors [F, *modes]."""
    columns = range(first.shape[0])
    if second.ndim < first.ndim:
        return sum((first[:, j] * second[j] for j in columns[1:]), first[:, 0] * second[0])
    return sum((first[:, j, None] * second[None, j] for j in columns[1:]), first[:, 0, None] * second[None, 0])


def phi(z: jax.Array) -> Phi:
    """phi_0 to phi_3 of matrices [F, F, *modes], defective and stiff ones included.

    Each matrix is balanced, halved until its norm is below 1/2, expanded in its Taylor series, and doubled back, by
    phi_k(2 z) = 2^-k (phi_0(z) phi_k(z) + sum_{j=1..k} phi_j(z) / (k - j)!). Nothing is divided by z, so that singular
    matrices need no contour; halving each mode by its own norm keeps stiff modes apart from slow ones.

    Source: Skaflestad and Wright (2009), Appl. Numer. Math. 59, 783-799; balancing: Osborne (1960).
    """
    scale = _balance(jnp.abs(z))
    back = scale[:, None] / scale[None]
    z = z / back
    norm = jnp.max(jnp.sum(jnp.abs(z), axis=1), axis=0)
    halvings = jnp.clip(jnp.ceil(jnp.log2(jnp.maximum(norm, 0.25))) + 1, 0, MOST_HALVINGS)

    def body(index: jax.Array, current: Phi) -> Phi:
        return Phi(*(jnp.where(index < halvings, new, old) for new, old in zip(double(current), current, strict=True)))

    small = _taylor(z * jnp.exp2(-halvings))
    return Phi(*(part * back for part in jax.lax.fori_loop(0, jnp.max(halvings).astype(int), body, small)))


def double(p: Phi) -> Phi:
    """phi_0 to phi_3 of 2 z from those of z."""
    one = (times(p.zero, p.one) + p.one) / 2
    two = (times(p.zero, p.two) + p.one + p.two) / 4
    three = (times(p.zero, p.three) + p.one / 2 + p.two + p.three) / 8
    return Phi(times(p.zero, p.zero), one, two, three)


def _taylor(z: jax.Array) -> Phi:
    """From the series of phi_3 downwards: phi_k(z) = 1/k! + z phi_{k+1}(z)."""
    fields = z.shape[0]
    unit = jnp.broadcast_to(jnp.eye(fields, dtype=z.dtype).reshape(fields, fields, *(1,) * (z.ndim - 2)), z.shape)
    three = jax.lax.fori_loop(
        0, TAYLOR_TERMS, lambda i, sofar: (unit + times(z, sofar)) / (TAYLOR_TERMS + 3 - i), jnp.zeros_like(z)
    )
    three = (unit + times(z, three)) / 6
    two = unit / 2 + times(z, three)
    one = unit + times(z, two)
    return Phi(unit + times(z, one), one, two, three)


def _balance(size: jax.Array) -> jax.Array:
    """Powers of two d [F, *modes] that make the rows and columns of z_ij d_j / d_i alike in size, given |z|.

    A wave equation has entries 1 and (c k)^2 but eigenvalues of size c k only.
    """
    fields = size.shape[0]
    size = jnp.where(jnp.eye(fields, dtype=bool).reshape(fields, fields, *(1,) * (size.ndim - 2)), 0, size)

    def sweep(_: int, scale: jax.Array) -> jax.Array:
        for index in range(fields):
            row = jnp.sum(size[index] * scale, axis=0) / scale[index]
            column = jnp.sum(size[:, index] / scale, axis=0) * scale[index]
            both = (row > 0) & (column > 0)
            ratio = jnp.where(both, row, 1) / jnp.where(both, column, 1)
            scale = scale.at[index].multiply(jnp.exp2(jnp.round(jnp.log2(ratio) / 2)))
        return scale

    return jax.lax.fori_loop(0, BALANCING_SWEEPS, sweep, jnp.ones(size.shape[1:], dtype=size.dtype))
