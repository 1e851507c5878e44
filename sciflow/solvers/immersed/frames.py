"""Means over equal stored cells from a graded staggered grid, and back, as dense matrices.

Along an axis where the grid knows cell means, the primitive function is known exactly at the faces; its cubic spline,
differenced between the faces of the stored cells, gives their means and keeps the integral over the domain to round-
off. Along the axis that a velocity points along, values at faces are splined and integrated.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.interpolate import CubicSpline

from sciflow.solvers.incompressible.boundary import Walls, embed
from sciflow.solvers.incompressible.frames import Frame, spline_matrix
from sciflow.solvers.incompressible.grid import Axis, StaggeredGrid


def means_of_means(axis: Axis, stored: int) -> np.ndarray:
    """Matrix `(stored, cells)` from means over the cells of the grid to means over stored cells."""
    primitive = np.concatenate([np.zeros((1, axis.cells)), np.cumsum(np.diag(axis.widths), axis=0)])
    ends = np.arange(stored + 1) / stored
    return np.diff(CubicSpline(axis.faces, primitive)(ends), axis=0) * stored


def means_of_points(axis: Axis, stored: int) -> np.ndarray:
    """Matrix `(stored, cells + 1)` from values at all faces to means over stored cells."""
    ends = np.arange(stored + 1) / stored
    integral = CubicSpline(axis.faces, np.eye(axis.cells + 1)).antiderivative()
    return np.diff(integral(ends), axis=0) * stored


class Averager:
    """Reads frames of `shape` = (ry, rx) cells off the fields of a grid, and fills a grid's velocities from a frame."""

    def __init__(self, grid: StaggeredGrid, shape: tuple[int, int], dtype: Any) -> None:
        self._grid, self._shape, self._dtype = grid, shape, dtype
        self._cells = [means_of_means(axis, stored) for axis, stored in zip(grid.axes, shape, strict=True)]
        self._faces = [means_of_points(axis, stored) for axis, stored in zip(grid.axes, shape, strict=True)]

    def read(self, v: jax.Array, u: jax.Array, p: jax.Array, walls: Walls) -> Frame:
        """Means over the stored cells; the mean of the pressure over the cells at the end x+ is 0."""
        (cells_y, cells_x), (faces_y, faces_x) = (
            [jnp.asarray(matrix, self._dtype) for matrix in pair] for pair in (self._cells, self._faces)
        )
        level = jnp.asarray(self._grid.y.widths, self._dtype) @ p[:, -1]
        return Frame(
            cells_y @ embed(u, walls.u[1], 1) @ faces_x.T,
            faces_y @ embed(v, walls.v[0], 0) @ cells_x.T,
            cells_y @ (p - level) @ cells_x.T,
        )

    def fill(self, v: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Velocities at inner faces from stored ones, by cubic splines; constant beyond the outer stored centres."""
        y, x = self._grid.axes
        return (
            self._spread(0, y.faces[1:-1]) @ v @ self._spread(1, x.centres).T,
            self._spread(0, y.centres) @ u @ self._spread(1, x.faces[1:-1]).T,
        )

    def _spread(self, axis: int, points: np.ndarray) -> np.ndarray:
        centres = (np.arange(self._shape[axis]) + 0.5) / self._shape[axis]
        return spline_matrix(centres, np.clip(points, centres[0], centres[-1]))
