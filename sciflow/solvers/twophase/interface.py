r"""The moving interface: geometric volume of fluid in two dimensions.

A cell with volume fraction :math:`0 < \alpha < 1` holds a straight interface :math:`m\cdot x = d` (PLIC), normal as in
Youngs (1982); the volume swept through a face is the exact area cut off by that line (Scardovelli and Zaleski, J.
Comput. Phys. 164, 2000). One step is a sweep along each axis,

.. math:: \alpha \leftarrow \alpha - \Delta F + c\,\Delta t\,\partial_i u_i,\qquad c = [\alpha^n > 1/2],

with `c` frozen over the step (Weymouth and Yue, J. Comput. Phys. 229, 2010): the volume is conserved to rounding and
:math:`0\le\alpha\le 1` if the velocity is free of divergence and the Courant number at most 1/2.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from sciflow.solvers.twophase.layout import Layout

TINY = 1e-14


class Swept(NamedTuple):
    """Result of one step of the interface."""

    alpha: jax.Array  # (ny, nx)
    x: jax.Array  # (ny, nx + 1) water through the faces of x, in cell volumes, positive towards +x
    y: jax.Array  # (ny + 1, nx)


def advect(alpha: jax.Array, courant_x: jax.Array, courant_y: jax.Array, layout: Layout, x_first: jax.Array) -> Swept:
    """Move the interface by the Courant numbers of the faces, `u dt / hx` (ny, nx + 1) and `v dt / hy` (ny + 1, nx).

    Water enters through x-, air through x+. The sweeps alternate: `x_first` says which one comes first.
    """
    kept = alpha > 0.5

    def along_x(alpha: jax.Array) -> tuple[jax.Array, jax.Array]:
        line = _lines(alpha, layout)
        before, after = jnp.ones_like(alpha[:, :1]), jnp.zeros_like(alpha[:, :1])
        flux = _swept(line, courant_x, before, after)
        return alpha - jnp.diff(flux, axis=1) + kept * jnp.diff(courant_x, axis=1), flux

    def along_y(alpha: jax.Array) -> tuple[jax.Array, jax.Array]:
        m_x, m_y, d = (part.T for part in _lines(alpha, layout))
        wall = jnp.zeros_like(alpha[:1].T)
        flux = _swept((m_y, m_x, d), courant_y.T, wall, wall).T
        return alpha - jnp.diff(flux, axis=0) + kept * jnp.diff(courant_y, axis=0), flux

    def x_then_y(alpha: jax.Array) -> Swept:
        half, x = along_x(alpha)
        end, y = along_y(half)
        return Swept(end, x, y)

    def y_then_x(alpha: jax.Array) -> Swept:
        half, y = along_y(alpha)
        end, x = along_x(half)
        return Swept(end, x, y)

    return jax.lax.cond(x_first, x_then_y, y_then_x, alpha)


def cut_area(m_1: jax.Array, m_2: jax.Array, d: jax.Array) -> jax.Array:
    """Area of the unit square where `m_1 x + m_2 y < d`, for `m_1, m_2 >= 0` with sum 1."""
    low, high = jnp.minimum(m_1, m_2), jnp.maximum(m_1, m_2)
    e = jnp.clip(jnp.minimum(d, 1 - d), 0, 0.5)  # the area at 1 - d is one minus the area at d
    area = jnp.where(e < low, e * e / (2 * jnp.maximum(low, TINY) * high), (e - 0.5 * low) / high)
    return jnp.where(d > 0.5, 1 - area, area)


def line_constant(m_1: jax.Array, m_2: jax.Array, area: jax.Array) -> jax.Array:
    """The inverse of `cut_area`: the constant `d` of the line that cuts off `area` in [0, 1]."""
    low, high = jnp.minimum(m_1, m_2), jnp.maximum(m_1, m_2)
    e = jnp.minimum(area, 1 - area)
    d = jnp.where(e < 0.5 * low / high, jnp.sqrt(2 * low * high * e), high * e + 0.5 * low)
    return jnp.where(area > 0.5, 1 - d, d)


def _lines(alpha: jax.Array, layout: Layout) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Signed normal (out of the water, sum of sizes 1) and constant of the line in each cell, in cell coordinates."""
    # An obstacle takes the mean of its fluid neighbours, a wall that of the cell beside it: interfaces meet walls at 90
    # degrees.
    inside = jnp.clip(alpha, 0, 1)
    wet = jnp.pad(inside * layout.fluid, 1)
    mean = (wet[1:-1, 2:] + wet[1:-1, :-2] + wet[2:, 1:-1] + wet[:-2, 1:-1]) * layout.around
    padded = jnp.pad(jnp.where(layout.fluid > 0, inside, mean), 1, mode="edge")
    rows = padded[2:] + 2 * padded[1:-1] + padded[:-2]
    columns = padded[:, 2:] + 2 * padded[:, 1:-1] + padded[:, :-2]
    m_x, m_y = rows[:, :-2] - rows[:, 2:], columns[:-2] - columns[2:]
    size = jnp.abs(m_x) + jnp.abs(m_y)
    flat = size < TINY
    scale = 1 / jnp.where(flat, 1, size)
    m_x, m_y = jnp.where(flat, 0, m_x * scale), jnp.where(flat, 1, m_y * scale)
    return m_x, m_y, line_constant(jnp.abs(m_x), jnp.abs(m_y), inside)


def _swept(
    line: tuple[jax.Array, jax.Array, jax.Array], courant: jax.Array, before: jax.Array, after: jax.Array
) -> jax.Array:
    """Water through the faces of the last axis, from the lines of the cells that the flow leaves.

    `before` and `after` are the volume fractions beyond the two ends.
    """
    forward = courant > 0

    def donor(part: jax.Array) -> jax.Array:
        part = jnp.pad(part, ((0, 0), (1, 1)))
        return jnp.where(forward, part[:, :-1], part[:, 1:])

    along, across, constant = (donor(part) for part in line)
    size = jnp.abs(courant)
    m_along, m_across = jnp.abs(along), jnp.maximum(jnp.abs(across), TINY)
    # The slab that leaves lies at the end that the normal points to, or at the other one.
    near = jnp.where(forward == (along > 0), constant - m_along * (1 - size), constant)
    total = m_along * size + m_across
    flux = courant * cut_area(m_along * size / total, m_across / total, near / total)
    first = courant[:, :1] * jnp.where(forward[:, :1], before, 0)
    last = jnp.where(forward[:, -1:], flux[:, -1:], courant[:, -1:] * after)
    return jnp.concatenate([first, flux[:, 1:-1], last], axis=1)
