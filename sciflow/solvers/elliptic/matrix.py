"""The finite-volume matrix of div(a grad u) + c u on equal cells of a box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.sparse as sp


@final
@dataclass(frozen=True)
class Wall:
    """alpha u + beta du/dn = value on one side, n outwards; each [faces], with one entry along the axis.

    Dirichlet is (1, 0), Neumann (0, 1).
    """

    alpha: np.ndarray
    beta: np.ndarray
    value: np.ndarray


def assemble_matrix(
    diffusion: Sequence[np.ndarray],
    reaction: np.ndarray,
    spacing: Sequence[float],
    walls: Mapping[tuple[int, int], Wall],
) -> tuple[sp.csc_array, np.ndarray]:
    """Matrix M and vector b of ``div(a grad u) + c u = f  <=>  M u = f - b``, both symmetric in the cells.

    At a face between cells the coefficient is the harmonic mean, which is exact for a jump there. At a wall the outward
    derivative is ``(value - alpha u) / (beta + alpha h / 2)`` with u half a cell away: second order in u for all
    conditions.

    Args:
        diffusion: a by array axis, each [*cells].
        reaction: c, [*cells].
        spacing: cell size by array axis.
        walls: condition by (array axis, 0 for the low or 1 for the high side); an axis without is periodic.
    """
    shape = reaction.shape
    number = np.arange(reaction.size).reshape(shape)
    diagonal, known = reaction.astype(float).copy(), np.zeros(shape)
    rows, columns, entries = [], [], []
    for axis, (a, h) in enumerate(zip(diffusion, spacing, strict=True)):
        closed = (axis, 0) not in walls
        here = number if closed else np.take(number, range(shape[axis] - 1), axis)
        there = np.roll(number, -1, axis) if closed else np.take(number, range(1, shape[axis]), axis)
        left, right = a.ravel()[here.ravel()], a.ravel()[there.ravel()]
        link = 2 * left * right / (left + right) / h**2
        rows += [here.ravel(), there.ravel()]
        columns += [there.ravel(), here.ravel()]
        entries += [link, link]
        np.subtract.at(diagonal.reshape(-1), here.ravel(), link)
        np.subtract.at(diagonal.reshape(-1), there.ravel(), link)
        for side in () if closed else (0, 1):
            wall, edge = walls[axis, side], [slice(None)] * len(shape)
            edge[axis] = slice(0, 1) if side == 0 else slice(shape[axis] - 1, None)
            cells = tuple(edge)
            strength = _at_wall(a, axis, side, wall) / (wall.beta + wall.alpha * h / 2) / h
            diagonal[cells] -= strength * wall.alpha
            known[cells] += strength * wall.value
    rows.append(number.ravel())
    columns.append(number.ravel())
    entries.append(diagonal.ravel())
    index = np.concatenate(rows), np.concatenate(columns)
    return sp.coo_array((np.concatenate(entries), index)).tocsc(), known.ravel()


def _at_wall(a: np.ndarray, axis: int, side: int, wall: Wall) -> np.ndarray:
    """The coefficient on a side; a flux that is prescribed there needs it to second order.

    Where the field changes by less than half between the last two cells it is continued linearly; a jump is not.
    Under a Dirichlet condition the cell's own value is right, as for the other half of a face.
    """
    last = (0, 1) if side == 0 else (-1, -2)
    first, second = (np.take(a, [i], axis) for i in last)
    smooth = np.abs(first - second) < 0.5 * np.abs(first)
    return np.where((wall.beta != 0) & smooth, 1.5 * first - 0.5 * second, first)
