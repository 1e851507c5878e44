"""Grid of a channel with obstacles: equal fine cells around them, growing smoothly towards the sides."""

from __future__ import annotations

from math import ceil, exp, log, log1p

import numpy as np

from sciflow.core.errors import InputError
from sciflow.solvers.incompressible.grid import Axis, StaggeredGrid

GROWTH = 0.05  # of the width from one cell to the next outside the fine part
MARGIN = 0.25  # fine cells around an obstacle, in diameters; downstream of it:
WAKE = 1.0

Span = tuple[float, float]


def patched_axis(length: float, patch: Span, width: float, stretch: float, growth: float = GROWTH) -> Axis:
    """Axis from 0 to `length` with equal cells of about `width` on `patch`, growing outside by `growth` from each cell
    to the next up to `stretch` times `width`; `stretch` = 1 is uniform.

    Raises:
        InputError: the patch does not lie inside, or there are more than 4096 cells.
    """
    low, high = max(patch[0], 0.0), min(patch[1], length)
    if not low < high or width <= 0 or stretch < 1:
        raise InputError(f"An axis of length {length:g} holds no fine part from {patch[0]:g} to {patch[1]:g}.")
    if stretch == 1:
        low, high = 0.0, length
    if length / width > 4096 * stretch:
        raise InputError(f"Cells of {width:g} m are too many on {length:g} m; ask for fewer cells across the obstacle.")
    below, above = _outward(low, width, stretch, growth), _outward(length - high, width, stretch, growth)
    cells = max(1, round((high - low) / width))
    faces = np.concatenate(
        [(low - below[::-1])[:-1], low + (high - low) * np.arange(cells + 1) / cells, (high + above)[1:]]
    )
    faces[0], faces[-1] = 0.0, length
    return Axis(faces / length)


def _outward(length: float, width: float, stretch: float, growth: float) -> np.ndarray:
    """Faces from 0 to `length` whose distances grow from `width` on: equal steps in the number of cells passed."""
    if length <= 1e-9 * width:
        return np.zeros(1)
    ramp = width * (stretch - 1) / growth  # where the width has grown to its largest
    passed = log(stretch) / growth  # cells until there

    def count(distance: float) -> float:
        inner = log1p(growth * min(distance, ramp) / width) / growth
        return inner + max(distance - ramp, 0.0) / (stretch * width)

    def distance(number: float) -> float:
        inner = width * (exp(growth * min(number, passed)) - 1) / growth
        return inner + max(number - passed, 0.0) * stretch * width

    total = count(length)
    cells = max(1, ceil(total - 0.5))
    return np.array([distance(total * k / cells) for k in range(cells + 1)])


def channel_grid(
    lengths: tuple[float, float], obstacle: tuple[Span, Span], width: float, diameter: float, stretch: float
) -> StaggeredGrid:
    """Grid for a channel of `lengths` (ly, lx) with everything solid inside the spans `obstacle` (along y, along x)."""
    (y0, y1), (x0, x1) = obstacle
    margin, wake = MARGIN * diameter, WAKE * diameter
    y = patched_axis(lengths[0], (y0 - margin, y1 + margin), width, stretch)
    x = patched_axis(lengths[1], (x0 - margin, x1 + wake), width, stretch)
    return StaggeredGrid(y, x)
