"""From the staggered grid to stored cells and back, by overlap: means are kept exactly."""

from __future__ import annotations

import numpy as np


def overlap(target: int, source: int) -> np.ndarray:
    """Share of each of `source` equal cells in each of `target` equal cells of one axis, rows summing to 1."""
    edges, ends = np.arange(target + 1) / target, np.arange(source + 1) / source
    low = np.maximum(edges[:-1, None], ends[None, :-1])
    high = np.minimum(edges[1:, None], ends[None, 1:])
    return np.maximum(high - low, 0) * target


def cell_means(values: np.ndarray, fluid: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Means over the fluid part of `shape` (rows, columns) stored cells of values `(ny, nx)`; 0 where all is solid."""
    rows, columns = overlap(shape[0], fluid.shape[0]), overlap(shape[1], fluid.shape[1])
    share = rows @ fluid @ columns.T
    total = rows @ (values * fluid) @ columns.T
    return np.where(share > 0, total / np.where(share > 0, share, 1), 0.0)


def to_cells(u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cell means of velocities at faces."""
    return 0.5 * (u[:, 1:] + u[:, :-1]), 0.5 * (v[1:] + v[:-1])


def to_faces(u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Velocities at all faces from cell means; the boundary takes the value of the cell beside it."""
    wide, tall = np.pad(u, ((0, 0), (1, 1)), mode="edge"), np.pad(v, ((1, 1), (0, 0)), mode="edge")
    return 0.5 * (wide[:, 1:] + wide[:, :-1]), 0.5 * (tall[1:] + tall[:-1])


def spread(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Stored cells `(rows, columns)` taken to `shape` cells, each the mean of what lies in it."""
    return overlap(shape[0], values.shape[0]) @ values @ overlap(shape[1], values.shape[1]).T
