"""Solid volume fractions of the control volumes of both velocity components."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sciflow.problems.geometry import Shape, Values
from sciflow.solvers.incompressible.grid import StaggeredGrid

SAMPLES = 16  # points along each axis of a control volume


def solid_fractions(
    shapes: Sequence[Shape],
    values: Values,
    grid: StaggeredGrid,
    bounds: dict[str, tuple[float, float]],
    samples: int = SAMPLES,
) -> tuple[np.ndarray, np.ndarray]:
    """Share of solid in the control volumes of v `(ny - 1, nx)` and u `(ny, nx - 1)`, by counting
    `samples` x `samples` points in each volume near a shape.

    Args:
        shapes: obstacles over the axes x and y.
        values: parameters that their lengths depend on.
        bounds: of the channel by axis in the order x, y, in the unit of the shapes.
    """
    lines = []
    for axis, (low, high) in zip((grid.x, grid.y), bounds.values(), strict=True):
        scaled = low + (high - low) * np.stack([axis.faces[:-1], axis.faces[1:]])
        middles = low + (high - low) * np.stack([axis.centres[:-1], axis.centres[1:]])
        lines.append((scaled, middles))
    (cells_x, faces_x), (cells_y, faces_y) = lines
    return (
        _fractions(shapes, values, cells_x, faces_y, samples),
        _fractions(shapes, values, faces_x, cells_y, samples),
    )


def _fractions(shapes: Sequence[Shape], values: Values, x: np.ndarray, y: np.ndarray, samples: int) -> np.ndarray:
    """Shares `(rows, columns)` of volumes between `x[0]` and `x[1]` and between `y[0]` and `y[1]`."""
    out = np.zeros((y.shape[1], x.shape[1]))
    steps = (np.arange(samples) + 0.5) / samples
    for shape in shapes:
        boxes = shape.box(values)
        near = [np.flatnonzero((line[1] > low) & (line[0] < high)) for line, (low, high) in
                zip((x, y), boxes.values(), strict=True)]  # fmt: skip
        if not all(len(part) for part in near):
            continue
        px, py = (
            (line[0, part] + (line[1] - line[0])[part] * steps[:, None]).T.ravel()
            for line, part in zip((x, y), near, strict=True)
        )
        points = np.stack(np.meshgrid(px, py), axis=-1).reshape(-1, 2)
        inside = shape.inside(points, values).reshape(len(near[1]), samples, len(near[0]), samples)
        block = np.ix_(near[1], near[0])
        out[block] = np.minimum(1.0, out[block] + inside.mean(axis=(1, 3)))
    return out
