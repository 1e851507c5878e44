r"""Finite-volume operators on the staggered grid, all of second order and written once for both axes.

`field` is a velocity component without its wall values, `axis` the array axis it points along (0 for v, 1 for u). The
discrete divergence and gradient are negative adjoints of each other in the volume-weighted inner product, so that a
projection is exact and the pressure does no work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from sciflow.solvers.incompressible.boundary import Ends, Walls, embed, is_zero
from sciflow.solvers.incompressible.grid import Axis, AxisMetric, StaggeredGrid

Metric: TypeAlias = tuple[AxisMetric, AxisMetric]
Convection: TypeAlias = Literal["central", "quick"]


def along(values: jax.Array, axis: int) -> jax.Array:
    """Shape a line of values so that it varies along `axis`."""
    return values[:, None] if axis == 0 else values[None, :]


def low(a: jax.Array, axis: int) -> jax.Array:
    """All but the last entry along `axis`: the left one of each pair of neighbours."""
    return a[:-1] if axis == 0 else a[:, :-1]


def high(a: jax.Array, axis: int) -> jax.Array:
    """All but the first entry along `axis`: the right one of each pair of neighbours."""
    return a[1:] if axis == 0 else a[:, 1:]


def difference(a: jax.Array, axis: int) -> jax.Array:
    """Right minus left neighbour."""
    return high(a, axis) - low(a, axis)


def divergence(v: jax.Array, u: jax.Array, walls: Walls, metric: Metric) -> jax.Array:
    """Volume flux out of each cell per volume, `(ny, nx)`."""
    dv = difference(embed(v, walls.v[0], 0), 0) * along(metric[0].inverse_widths, 0)
    du = difference(embed(u, walls.u[1], 1), 1) * along(metric[1].inverse_widths, 1)
    return dv + du


def gradient(p: jax.Array, metric: Metric, axis: int) -> jax.Array:
    """Derivative of a cell-centred field along `axis` at the inner faces."""
    return difference(p, axis) * along(metric[axis].inverse_inner_gaps, axis)


def laplacian(field: jax.Array, walls: tuple[Ends, Ends], metric: Metric, axis: int) -> jax.Array:
    """Five-point finite-volume Laplacian of a velocity component with its wall values."""
    other = 1 - axis
    own, transverse = metric[axis], metric[other]
    normal = difference(embed(field, walls[axis], axis), axis) * along(own.inverse_widths, axis)
    shear = difference(embed(field, walls[other], other), other) * along(transverse.inverse_gaps, other)
    return difference(normal, axis) * along(own.inverse_inner_gaps, axis) + difference(shear, other) * along(
        transverse.inverse_widths, other
    )


def wall_diffusion(walls: tuple[Ends, Ends], metric: Metric, axis: int) -> jax.Array | float:
    """The part of `laplacian` that the wall values contribute (zero away from the walls), for implicit diffusion."""
    total: jax.Array | float = 0.0
    for k in (0, 1):
        factors = metric[k].wall_normal if k == axis else metric[k].wall_tangential
        for factor, value in zip(factors, walls[k], strict=True):
            if not is_zero(value):
                side = jnp.asarray(value, factor.dtype)
                total = total + along(factor, k) * (side if side.ndim == 0 else along(side, 1 - k))
    return total


class Upwind(NamedTuple):
    """Weights of the quadratic upwind-biased interpolation (QUICK) between neighbouring nodes k and k + 1 of a line.

    `right` weights nodes (k - 1, k, k + 1) for flow to the right, `left` nodes (k, k + 1, k + 2) for flow to the left;
    `(3, points)`.
    """

    right: np.ndarray
    left: np.ndarray


def upwind_weights(nodes: np.ndarray, points: np.ndarray, first: int) -> Upwind:
    """Lagrange weights at `points[i]`, between `nodes[first + i]` and the next; linear where a node is missing."""

    def lagrange(k: int, point: float) -> np.ndarray:
        stencil = np.arange(k, k + 3)
        weights = np.zeros(3)
        present = (stencil >= 0) & (stencil < len(nodes))
        for j in np.flatnonzero(present):
            others = nodes[stencil[present & (stencil != stencil[j])]]
            weights[j] = np.prod((point - others) / (nodes[stencil[j]] - others))
        return weights

    right = [lagrange(first + i - 1, point) for i, point in enumerate(points)]
    left = [lagrange(first + i, point) for i, point in enumerate(points)]
    return Upwind(np.transpose(right), np.transpose(left))


def convection(
    fields: tuple[jax.Array, jax.Array],
    walls: Walls,
    grid: StaggeredGrid,
    metric: Metric,
    axis: int,
    scheme: Convection,
) -> jax.Array:
    r"""Net momentum flux :math:`\nabla\cdot(\mathbf u\,u_{axis})` out of the control volumes of one velocity component.

    Mass fluxes through those volumes are the volume-weighted means of the cell fluxes, so that they inherit the
    discrete continuity equation. `central` carries the arithmetic mean of the neighbours: the operator is
    skew-symmetric and conserves kinetic energy on any grid (Verstappen and Veldman, J. Comput. Phys. 187, 2003).
    `quick` carries a quadratic upwind-biased value (Leonard, Comput. Methods Appl. Mech. Eng. 19, 1979), less wiggly
    when cells are too coarse for the shear layers.
    """
    other = 1 - axis
    field, cross = fields[axis], fields[other]
    own, transverse = metric[axis], metric[other]
    values = embed(field, walls[axis][axis], axis)
    speed = 0.5 * (low(values, axis) + high(values, axis))
    carried = (
        speed if scheme == "central" else _biased(values, speed, _normal_weights(grid.axes[axis]), axis, outside=True)
    )
    result = difference(speed * carried, axis) * along(own.inverse_inner_gaps, axis)

    def at_corners(a: jax.Array) -> jax.Array:
        return low(a, axis) * along(own.low, axis) + high(a, axis) * along(own.high, axis)

    speed = at_corners(cross)
    if scheme == "central":
        carried = 0.5 * (low(field, other) + high(field, other))
    else:
        extended = embed(field, walls[axis][other], other)
        carried = _biased(extended, speed, _tangential_weights(grid.axes[other]), other, outside=False)
    flux = embed(speed * carried, _wall_fluxes(walls, grid, axis, at_corners), other)
    return result + difference(flux, other) * along(transverse.inverse_widths, other)


def _wall_fluxes(walls: Walls, grid: StaggeredGrid, axis: int, at_corners: Callable[[jax.Array], jax.Array]) -> Ends:
    """Momentum carried through the walls that run along `axis`: normal velocity times tangential velocity."""
    other = 1 - axis
    fluxes = []
    for normal, tangential in zip(walls[other][other], walls[axis][other], strict=True):
        if is_zero(normal) or is_zero(tangential):
            fluxes.append(0.0)
            continue
        line = along(jnp.broadcast_to(jnp.asarray(normal), (grid.axes[axis].cells,)), axis)
        fluxes.append(at_corners(line).ravel() * tangential)
    return fluxes[0], fluxes[1]


def _normal_weights(axis: Axis) -> Upwind:
    return upwind_weights(axis.faces, axis.centres, 0)


def _tangential_weights(axis: Axis) -> Upwind:
    return upwind_weights(axis.nodes, axis.faces[1:-1], 1)


def _biased(values: jax.Array, speed: jax.Array, weights: Upwind, axis: int, outside: bool) -> jax.Array:
    """Quadratic interpolation from the side the flow comes from; `outside` pads a line without further nodes."""
    if outside:
        values = embed(values, (0.0, 0.0), axis)
    count = speed.shape[axis]

    def weighted(coefficients: np.ndarray, start: int) -> jax.Array:
        parts = [jax.lax.slice_in_dim(values, start + k, start + k + count, axis=axis) for k in range(3)]
        rows = [along(jnp.asarray(row, values.dtype), axis) for row in coefficients]
        return sum(row * part for row, part in zip(rows, parts, strict=True))

    return jnp.where(speed > 0, weighted(weights.right, 0), weighted(weights.left, 1))
