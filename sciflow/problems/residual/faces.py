"""Cells along an axis, their faces, and what goes from centres to faces."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sciflow.core.errors import InputError
from sciflow.problems.differences import Side

_SINGULAR = 1e12  # condition number of the scaled fit at a side; a sound one stays below 1e4


def faces(axis: str, points: np.ndarray, low: float, high: float, periodic: bool) -> np.ndarray:
    """Faces [n + 1] of the cells whose centres are given; on a periodic axis the first and the last are the same.

    Raises:
        InputError: the points are not the centres of cells that fill the axis; a periodic grid is uneven.
    """
    steps = np.diff(points)
    if periodic:
        step = (high - low) / len(points)
        found = np.append(points - step / 2, points[-1] + step / 2)
        fits = np.allclose(steps, step, rtol=1e-3)
    else:
        found = np.empty(len(points) + 1)
        found[0] = low
        for cell, centre in enumerate(points):
            found[cell + 1] = 2 * centre - found[cell]
        fits = bool(np.all(np.diff(found) > 0)) and abs(found[-1] - high) < 1e-2 * (high - points[-1])
        found[-1] = high
    if not fits:
        raise InputError(
            f"The points along '{axis}' are not the centres of cells that fill [{low:g}, {high:g}]; the volume "
            "residual needs cell centres, in even spacing on periodic axes."
        )
    return found


@lru_cache(maxsize=512)
def to_faces(
    order: int, points: bytes, where: bytes, sides: tuple[Side | None, Side | None], periodic: bool, cells: int
) -> tuple[np.ndarray, np.ndarray]:
    """A [n + 1, n] and B [n + 1, 2]: the value (order 0) or slope (order 1) at the faces `where` is A u + B g.

    Between two centres the value is interpolated linearly and the slope is the difference quotient. On a side both are
    those of the polynomial through the nearest `cells` centres and the condition, or one centre more where there is no
    condition. Two cells give slopes of second order on the side; one cell suits a coefficient that jumps between cells.
    """
    centres, ends = np.frombuffer(points), np.frombuffer(where)
    count = len(centres)
    matrix, data = np.zeros((count + 1, count)), np.zeros((count + 1, 2))
    for face in range(count + 1):
        if 0 < face < count:
            left, right = centres[face - 1], centres[face]
        elif periodic:
            right = centres[0] + (ends[-1] - ends[0]) * (face == count)
            left = right - centres[0] + centres[-1] - (ends[-1] - ends[0])
        else:
            _wall(matrix, data, order, centres, ends[face], face > 0, sides[face > 0], cells)
            continue
        share = (ends[face] - left) / (right - left)
        weights = (1 - share, share) if order == 0 else (-1 / (right - left), 1 / (right - left))
        for cell, weight in zip(((face - 1) % count, face % count), weights, strict=True):
            matrix[face, cell] += weight
    return matrix, data


def _wall(
    matrix: np.ndarray,
    data: np.ndarray,
    order: int,
    centres: np.ndarray,
    place: float,
    upper: bool,
    side: Side | None,
    cells: int,
) -> None:
    """Fill the row of the face on a side."""
    count = cells if side is not None else cells + 1
    if len(centres) < count:
        raise InputError(f"The fluxes at the sides need at least {count} cells along the axis, not {len(centres)}.")
    chosen = np.arange(len(centres) - count, len(centres)) if upper else np.arange(count)
    width = np.abs(centres[chosen] - place).max()
    inwards = np.abs(centres[chosen] - place) / width
    powers = np.arange(count + (side is not None))
    system = inwards[:, None] ** powers  # rows: what is known; columns: coefficients of the polynomial
    if side is not None:
        row = np.zeros(len(powers))
        row[0], row[1] = side.a, -side.b / width
        system = np.vstack([system, row])
        if np.linalg.cond(system / np.abs(system).max(axis=1, keepdims=True)) > _SINGULAR:
            raise InputError(
                f"The condition {side.a:g} u + {side.b:g} du/dn = g cancels at this spacing; change the cell number."
            )
    inverse = np.linalg.inv(system)
    weights = inverse[0] if order == 0 else inverse[1] * (-1 if upper else 1) / width
    matrix[-1 if upper else 0, chosen] = weights[:count]
    if side is not None:
        data[-1 if upper else 0, int(upper)] = weights[-1]
