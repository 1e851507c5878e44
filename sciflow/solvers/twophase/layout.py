"""The staggered grid of a two-phase case: where the velocity is free, what is solid, and what the sides do.

Arrays are `[y, x]`. On `ny` by `nx` equal cells the volume fraction and the pressure live at centres `(ny, nx)`, the x
velocity `u` at all faces of x `(ny, nx + 1)`, the y velocity `v` at all faces of y `(ny + 1, nx)`, shear stresses at
corners `(ny + 1, nx + 1)`; faces on the boundary are included.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Fluids(NamedTuple):
    """Densities (kg/m^3), dynamic viscosities (Pa s) of the water and the air, and gravity (m/s^2, along -y)."""

    rho_water: Any
    mu_water: Any
    rho_air: Any
    mu_air: Any
    gravity: Any


class Layout(NamedTuple):
    """Geometry of one case as numbers that are traced, so that cases of one grid share one compiled program."""

    hx: Any  # cell widths, m
    hy: Any
    fluid: Any  # (ny, nx) 1 in the fluid, 0 in an obstacle
    free_u: Any  # (ny, nx + 1) 1 where the velocity is unknown, 0 where it is given
    free_v: Any  # (ny + 1, nx)
    shear_u: Any  # (ny + 1, nx + 1) factor of du/dy: 2 at a wall (half a cell away), 0 on a slip wall, else 1
    shear_v: Any  # (ny + 1, nx + 1) the same for dv/dx
    corner: Any  # (ny + 1, nx + 1) inverse number of fluid cells around a corner
    around: Any  # (ny, nx) inverse number of fluid neighbours of a cell


def layout(
    shape: tuple[int, int],
    lengths: tuple[float, float],
    solid: np.ndarray,
    *,
    outlet: bool,
    slip: tuple[bool, bool],
) -> Layout:
    """Layout of a box of `lengths` (ly, lx).

    Args:
        shape: cells `(ny, nx)`.
        lengths: of the sides in m, in array order.
        solid: `(ny, nx)` True in obstacles.
        outlet: whether the side x+ is open.
        slip: whether the walls y- and y+ let the fluid slip.
    """
    ny, nx = shape
    fluid = (~solid).astype(float)
    free_u, free_v = np.zeros((ny, nx + 1)), np.zeros((ny + 1, nx))
    free_u[:, 1:-1] = fluid[:, 1:] * fluid[:, :-1]
    free_v[1:-1] = fluid[1:] * fluid[:-1]
    free_u[:, -1] = fluid[:, -1] * outlet
    shear_u, shear_v = np.ones((ny + 1, nx + 1)), np.ones((ny + 1, nx + 1))
    outside = np.pad(solid, 1, mode="edge")
    deep_u = outside[1:-1, 1:] & outside[1:-1, :-1]  # faces inside an obstacle, behind its surface
    deep_v = outside[1:, 1:-1] & outside[:-1, 1:-1]
    shear_u[1:-1][deep_u[1:] != deep_u[:-1]] = 2
    shear_v[:, 1:-1][deep_v[:, 1:] != deep_v[:, :-1]] = 2
    shear_u[0], shear_u[-1] = 2 * (not slip[0]), 2 * (not slip[1])
    shear_v[:, 0], shear_v[:, -1] = 2, 2 * (not outlet)
    padded = np.pad(fluid, 1)
    corners = padded[1:, 1:] + padded[1:, :-1] + padded[:-1, 1:] + padded[:-1, :-1]
    sides = padded[1:-1, 2:] + padded[1:-1, :-2] + padded[2:, 1:-1] + padded[:-2, 1:-1]
    return Layout(
        hx=lengths[1] / nx,
        hy=lengths[0] / ny,
        fluid=fluid,
        free_u=free_u,
        free_v=free_v,
        shear_u=shear_u,
        shear_v=shear_v,
        corner=1 / np.maximum(corners, 1),
        around=1 / np.maximum(sides, 1),
    )


def face_means(cells: Any, xp: Any) -> tuple[Any, Any]:
    """Means of cell values at all faces of x `(ny, nx + 1)` and of y `(ny + 1, nx)`; edge values on the boundary."""
    x = xp.pad(cells, ((0, 0), (1, 1)), mode="edge")
    y = xp.pad(cells, ((1, 1), (0, 0)), mode="edge")
    return 0.5 * (x[:, 1:] + x[:, :-1]), 0.5 * (y[1:] + y[:-1])
