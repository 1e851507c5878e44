"""Velocities on the four sides of the box: what a moving, impermeable or blowing wall imposes.

Every velocity component is prescribed on every side, at the place where the staggered grid needs it: a component normal
to a side at the face centres there, a tangential one at the inner grid lines that end there. A value is a number, a
scalar array or an array along the side; a plain Python zero is recognised while tracing and costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from sciflow.solvers.incompressible.grid import AxisMetric, StaggeredGrid

Value: TypeAlias = Any  # float | jax.Array
Ends: TypeAlias = tuple[Value, Value]
Profile: TypeAlias = Callable[[Value, Value, Value], tuple[Value, Value]]


class Walls(NamedTuple):
    """Wall values of both components; `walls.u[axis]` holds those at both ends of array axis 0 (y) or 1 (x)."""

    v: tuple[Ends, Ends]
    u: tuple[Ends, Ends]


class Sides(NamedTuple):
    """Velocity `(u, v)` on each side as a function of `(x, y, t)` in case units."""

    south: Profile
    north: Profile
    west: Profile
    east: Profile


def still(x: Value, y: Value, t: Value) -> tuple[Value, Value]:
    """A wall at rest."""
    return 0.0, 0.0


def is_zero(value: Value) -> bool:
    """True for a number that is known to be zero while tracing."""
    return isinstance(value, int | float) and value == 0


def line_values(side: Profile, component: int, x: Value, y: Value, t: Value) -> Value:
    """Component 0 (u) or 1 (v) of the velocity along a side; plain numbers stay plain numbers."""
    value = side(x, y, t)[component]
    return float(value) if isinstance(value, int | float) else value


def walls_at(sides: Sides, grid: StaggeredGrid, lengths: tuple[Value, Value], t: Value) -> Walls:
    """Evaluate the sides at time `t` where the grid needs them; `lengths` = (ly, lx)."""
    ly, lx = lengths
    south, north, west, east = sides

    def ends(
        low: Profile, high: Profile, component: int, at_low: tuple[Value, Value], at_high: tuple[Value, Value]
    ) -> Ends:
        return line_values(low, component, *at_low, t), line_values(high, component, *at_high, t)

    xc, xf, yc, yf = grid.x.centres * lx, grid.x.faces[1:-1] * lx, grid.y.centres * ly, grid.y.faces[1:-1] * ly
    u = ends(south, north, 0, (xf, 0.0), (xf, ly)), ends(west, east, 0, (0.0, yc), (lx, yc))
    v = ends(south, north, 1, (xc, 0.0), (xc, ly)), ends(west, east, 1, (0.0, yf), (lx, yf))
    return Walls(v=v, u=u)


def balanced(walls: Walls, metric: tuple[AxisMetric, AxisMetric]) -> Walls:
    """Walls whose normal velocities carry exactly no net volume, as a divergence-free flow in a closed box needs.

    The sampled profiles of an exact flow miss this by their quadrature error; the rest is spread evenly over all sides.
    """
    (south, north), (west, east) = walls.v[0], walls.u[1]
    if all(is_zero(value) for value in (south, north, west, east)):
        return walls
    dy, dx = metric[0].widths, metric[1].widths
    inflow = jnp.sum((south - north) * dx) + jnp.sum((west - east) * dy)
    excess = inflow / (2 * (jnp.sum(dx) + jnp.sum(dy)))
    v = ((south - excess, north + excess), walls.v[1])
    u = (walls.u[0], (west - excess, east + excess))
    return Walls(v=v, u=u)


def embed(inner: jax.Array, ends: Ends, axis: int) -> jax.Array:
    """Put wall values at both ends of `axis`."""
    if all(is_zero(end) for end in ends):
        return jnp.pad(inner, [(1, 1) if k == axis else (0, 0) for k in range(2)])
    shape = (1, inner.shape[1]) if axis == 0 else (inner.shape[0], 1)

    def line(end: Value) -> jax.Array:
        end = jnp.asarray(end, inner.dtype)
        return jnp.broadcast_to(end if end.ndim == 0 else end.reshape(shape), shape)

    return jnp.concatenate([line(ends[0]), inner, line(ends[1])], axis)
