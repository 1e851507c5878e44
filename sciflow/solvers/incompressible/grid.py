"""Tensor-product staggered (MAC) grid: axes on the unit interval and their metric in case units.

Along an axis with `n` cells the staggered grid has `n + 1` faces, `n` centres and, counting the two walls as nodes, `n
+ 1` gaps between neighbouring centres (the first and the last one are half a cell). Arrays are `[y, x]`, so array axis
0 is y and 1 is x:

    pressure         centres of x, centres of y        (ny, nx)
    x velocity `u`   inner faces of x, centres of y    (ny, nx - 1)
    y velocity `v`   centres of x, inner faces of y    (ny - 1, nx)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sciflow.core.errors import InputError


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis of the grid on [0, 1]; `faces` are the `n + 1` increasing cell boundaries."""

    faces: np.ndarray

    def __post_init__(self) -> None:
        faces = self.faces
        if faces.ndim != 1 or len(faces) < 5 or faces[0] != 0 or faces[-1] != 1 or np.any(np.diff(faces) <= 0):
            raise InputError(
                "the faces of an axis must increase from 0 to 1 over at least 4 cells; give such an array."
            )

    @property
    def cells(self) -> int:
        """Number of cells."""
        return len(self.faces) - 1

    @cached_property
    def centres(self) -> np.ndarray:
        """Midpoints of the cells, `(n,)`."""
        return 0.5 * (self.faces[1:] + self.faces[:-1])

    @cached_property
    def nodes(self) -> np.ndarray:
        """The centres with both walls, `(n + 2,)`."""
        return np.concatenate([[0.0], self.centres, [1.0]])

    @cached_property
    def widths(self) -> np.ndarray:
        """Cell widths, `(n,)`: the finite-volume weights of values at centres."""
        return np.diff(self.faces)

    @cached_property
    def gaps(self) -> np.ndarray:
        """Distances between `nodes`, `(n + 1,)`; `gaps[1:-1]` are the weights of values at inner faces."""
        return np.diff(self.nodes)


def uniform_axis(cells: int) -> Axis:
    """Axis of `cells` equal cells."""
    return Axis(np.arange(cells + 1) / cells)


def tanh_axis(cells: int, stretch: float) -> Axis:
    r"""Axis refined towards both walls, :math:`x = \frac12 + \frac{\tanh(b(2s-1))}{2\tanh b}` at uniform `s`.

    `stretch` = b: 0 is uniform, 1.6 makes wall cells about a quarter of the mean (good for cavities), 2 suits channels.
    The faces are exactly symmetric about 1/2, which the direct solver exploits.
    """
    if stretch < 0 or stretch > 5:
        raise InputError(f"stretch must lie between 0 (uniform) and 5, got {stretch}; 1.6 works well for a cavity.")
    if stretch == 0:
        return uniform_axis(cells)
    half = 0.5 * np.tanh(stretch * np.linspace(-1, 1, cells + 1)) / np.tanh(stretch)
    faces = 0.5 + 0.5 * (half - half[::-1])
    faces[0], faces[-1] = 0.0, 1.0
    return Axis(faces)


class AxisMetric(NamedTuple):
    """Arrays of one axis at its length in case units, as the difference operators need them."""

    widths: jax.Array  # (n,)
    inverse_widths: jax.Array  # (n,)
    inverse_gaps: jax.Array  # (n + 1,)
    low: jax.Array  # (n - 1,) volume weights that take centre values to inner faces:
    high: jax.Array  # face = low * left + high * right
    wall_tangential: jax.Array  # (2, n) factor of a wall value in the Laplacian of values at centres
    wall_normal: jax.Array  # (2, n - 1) the same for values at inner faces

    @property
    def inverse_inner_gaps(self) -> jax.Array:
        """Inverse distances between centres, `(n - 1,)`."""
        return self.inverse_gaps[1:-1]


@dataclass(frozen=True, eq=False)
class StaggeredGrid:
    """Tensor product of two unit axes; a case stretches it to its lengths without changing any eigenvector."""

    y: Axis
    x: Axis

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """The axes in array order."""
        return self.y, self.x

    @property
    def shape(self) -> tuple[int, int]:
        """Cells `(ny, nx)`."""
        return self.y.cells, self.x.cells

    def metric(self, lengths: tuple[Any, Any], dtype: Any) -> tuple[AxisMetric, AxisMetric]:
        """Metric of both axes in array order for a domain of `lengths` (ly, lx); lengths may be traced."""
        y, x = (_metric(axis, length, dtype) for axis, length in zip(self.axes, lengths, strict=True))
        return y, x


def _metric(axis: Axis, length: Any, dtype: Any) -> AxisMetric:
    widths, gaps = axis.widths, axis.gaps
    tangential, normal = np.zeros((2, axis.cells)), np.zeros((2, axis.cells - 1))
    tangential[0, 0], tangential[1, -1] = 1 / (gaps[0] * widths[0]), 1 / (gaps[-1] * widths[-1])
    normal[0, 0], normal[1, -1] = 1 / (widths[0] * gaps[1]), 1 / (widths[-1] * gaps[-2])

    def array(values: np.ndarray, power: int) -> jax.Array:
        return jnp.asarray(values, dtype) * jnp.asarray(length, dtype) ** power

    inner = gaps[1:-1]
    return AxisMetric(
        widths=array(widths, 1),
        inverse_widths=array(1 / widths, -1),
        inverse_gaps=array(1 / gaps, -1),
        low=array(widths[:-1] / (2 * inner), 0),
        high=array(widths[1:] / (2 * inner), 0),
        wall_tangential=array(tangential, -2),
        wall_normal=array(normal, -2),
    )
