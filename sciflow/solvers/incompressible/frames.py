"""Between the staggered grid and the uniform cells that frames are stored on, by cubic splines as dense matrices.

A stored cell holds the mean of spline values at `ceil(cells / stored)` points an axis (one point, its centre, where the
storage is as fine as the grid; 2 x 2 points where it is half as fine). Splines run through the wall values, so that
nothing is extrapolated but the pressure in the half cell next to a wall.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.interpolate import CubicSpline

from sciflow.solvers.incompressible.boundary import Ends, Sides, embed, line_values, walls_at
from sciflow.solvers.incompressible.grid import Axis, StaggeredGrid
from sciflow.solvers.incompressible.stepping import Flow, State


class Frame(NamedTuple):
    """Velocities and kinematic pressure (of zero mean) at stored cells, each `(ry, rx)`."""

    u: jax.Array
    v: jax.Array
    p: jax.Array


class _Line(NamedTuple):
    """Matrices of one axis, `(stored, nodes)` to stored cells and `(unknowns, stored + 2)` from them."""

    from_faces: np.ndarray
    from_nodes: np.ndarray
    from_centres: np.ndarray
    to_faces: np.ndarray
    to_centres: np.ndarray
    points: np.ndarray  # (stored, k) points whose mean a cell holds
    cells: np.ndarray  # (stored,) centres


def spline_matrix(nodes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Matrix `(points, nodes)` of cubic spline interpolation (not-a-knot)."""
    return CubicSpline(nodes, np.eye(len(nodes)))(points)


def _line(axis: Axis, stored: int) -> _Line:
    per_cell = -(-axis.cells // stored)
    points = (np.arange(stored * per_cell) + 0.5) / (stored * per_cell)

    def mean(nodes: np.ndarray) -> np.ndarray:
        return spline_matrix(nodes, points).reshape(stored, per_cell, -1).mean(axis=1)

    cells = (np.arange(stored) + 0.5) / stored
    ends = np.concatenate([[0.0], cells, [1.0]])
    return _Line(
        mean(axis.faces),
        mean(axis.nodes),
        mean(axis.centres),
        spline_matrix(ends, axis.faces[1:-1]),
        spline_matrix(ends, axis.centres),
        points.reshape(stored, per_cell),
        cells,
    )


class Sampler:
    """Reads frames of `shape` = (ry, rx) cells off a state, and fills a state's velocities from a frame."""

    def __init__(self, grid: StaggeredGrid, shape: tuple[int, int], dtype: Any) -> None:
        self._grid, self._dtype = grid, dtype
        self._y, self._x = (_line(axis, stored) for axis, stored in zip(grid.axes, shape, strict=True))

    def read(self, state: State, flow: Flow, sides: Sides) -> Frame:
        """The frame at the state's time."""
        t = flow.start + state.count.astype(self._dtype) * flow.dt
        walls = walls_at(sides, self._grid, flow.lengths, t)
        ly, lx = flow.lengths
        south, north, west, east = self._tangential(sides, lx, ly, t)
        u = self._matrix(self._y.from_nodes) @ embed(
            embed(state.u, walls.u[1], 1) @ self._matrix(self._x.from_faces).T, (south, north), 0
        )
        v = (
            embed(self._matrix(self._y.from_faces) @ embed(state.v, walls.v[0], 0), (west, east), 1)
            @ self._matrix(self._x.from_nodes).T
        )
        p = self._matrix(self._y.from_centres) @ state.p @ self._matrix(self._x.from_centres).T
        return Frame(u, v, p - p.mean())

    def fill(self, u: jax.Array, v: jax.Array, flow: Flow, sides: Sides) -> tuple[jax.Array, jax.Array]:
        """Velocities `(v, u)` at inner faces from stored ones; they still need a projection."""
        walls = walls_at(sides, self._grid, flow.lengths, flow.start)
        ly, lx = flow.lengths
        xs, ys = self._x.cells * lx, self._y.cells * ly
        normal_u: Ends = tuple(
            line_values(side, 0, x, ys, flow.start) for side, x in ((sides.west, 0.0), (sides.east, lx))
        )
        normal_v: Ends = tuple(
            line_values(side, 1, xs, y, flow.start) for side, y in ((sides.south, 0.0), (sides.north, ly))
        )
        inner_u = embed(u, normal_u, 1) @ self._matrix(self._x.to_faces).T
        inner_v = self._matrix(self._y.to_faces) @ embed(v, normal_v, 0)
        return (
            embed(inner_v, walls.v[1], 1) @ self._matrix(self._x.to_centres).T,
            self._matrix(self._y.to_centres) @ embed(inner_u, walls.u[0], 0),
        )

    def _tangential(self, sides: Sides, lx: Any, ly: Any, t: Any) -> tuple[Any, Any, Any, Any]:
        """Means over stored cells of the tangential wall velocity, on south, north, west and east."""
        xs, ys = self._x.points * lx, self._y.points * ly
        values = (
            line_values(sides.south, 0, xs, 0.0, t),
            line_values(sides.north, 0, xs, ly, t),
            line_values(sides.west, 1, 0.0, ys, t),
            line_values(sides.east, 1, lx, ys, t),
        )
        return tuple(value.mean(axis=1) if jnp.ndim(value) == 2 else value for value in values)

    def _matrix(self, values: np.ndarray) -> jax.Array:
        return jnp.asarray(values, self._dtype)
