"""Constraints of incompressible flow: what flows through sections, and through the faces of control volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from sciflow.conservation.constraint import Constraint
from sciflow.conservation.laws import fields_of
from sciflow.core.errors import InputError, near
from sciflow.data.schema import periodic_of, space_of
from sciflow.data.volume import on_cells, positions_of

VELOCITY = {"x": "u", "y": "v", "z": "w"}


def section_flux(
    context: xr.Dataset,
    axis: str,
    at: float | Sequence[float],
    rate: Any,
    *,
    noise: Any = 0.0,
    velocity: Mapping[str, str] = VELOCITY,
) -> Constraint:
    """Volume flux through sections: the integral of the velocity along `axis` over each plane axis = at is the rate.

    Quadrature over the section is that of the cells (trapezoidal on nodes), over fluid only; between points of the axis
    the velocity is interpolated linearly. In a channel the rates at all sections are that of the inlet.

    Args:
        context: a query's context, for grid, mask and order of the fields.
        axis: ``"x"``, ``"y"`` or ``"z"``, across the sections.
        at: K positions along it.
        rate: flux in m^2/s in two dimensions, m^3/s in three: what broadcasts to (case, T, K).
        noise: deviation allowed, see `Constraint`.
        velocity: name of the velocity's component along each axis.

    Returns:
        A constraint with matrix [case or 1, 1, K, C * S]; give it to `conserve` as ``constraint=``.

    Raises:
        InputError: an axis or field is not there, or a position lies outside of the points.
    """
    positions = np.atleast_1d(np.asarray(at, np.float64))
    whole = {other: (-np.inf, np.inf) for other in _axes(context, axis) if other != axis}
    matrix = np.stack([_face(context, axis, place, whole, velocity) for place in positions], axis=2)
    names = tuple(f"flux through {axis} = {place:g}" for place in positions)
    target = np.asarray(rate, np.float64)
    if target.shape and target.shape[-1] not in (1, len(positions)):
        raise InputError(
            f"The rate of {len(positions)} sections has the shape {target.shape}; give one that broadcasts to "
            f"(case, time, {len(positions)})."
        )
    target = np.broadcast_to(target, np.broadcast_shapes(target.shape, (1, 1, len(positions))))
    return Constraint(matrix, target, noise, names)


def control_volume(
    context: xr.Dataset,
    bounds: Mapping[str, tuple[float, float]],
    *,
    noise: Any = 0.0,
    velocity: Mapping[str, str] = VELOCITY,
) -> Constraint:
    """No net volume flux out of a box: the sum over its faces of the velocity along the outward normal is 0.

    Args:
        context: a query's context.
        bounds: low and high end of the box along every axis.
        noise, velocity: as for `section_flux`.

    Raises:
        InputError: an axis has no bounds, they do not increase, or a face lies outside of the points.
    """
    axes = space_of(context)
    if set(bounds) != set(axes):
        raise InputError(f"A control volume needs bounds along {', '.join(axes)}, not along {', '.join(bounds)}.")
    for axis, (low, high) in bounds.items():
        if not low < high:
            raise InputError(f"The bounds of a control volume along '{axis}' are {low} and {high}; they must increase.")
    row = 0.0
    for axis, (low, high) in bounds.items():
        across = {other: ends for other, ends in bounds.items() if other != axis}
        row = row + _face(context, axis, high, across, velocity) - _face(context, axis, low, across, velocity)
    name = "net flux of " + " x ".join(f"{axis} {low:g}..{high:g}" for axis, (low, high) in bounds.items())
    return Constraint(np.asarray(row)[:, :, None], np.zeros((1, 1, 1)), noise, (name,))


def _axes(context: xr.Dataset, axis: str) -> tuple[str, ...]:
    axes = space_of(context)
    if axis not in axes:
        raise InputError(f"There is no axis {axis!r}.{near(str(axis), axes)}")
    if positions_of(context):
        raise InputError("Sections need one grid for all cases; here positions differ by case, so take cases apart.")
    return axes


def _face(
    context: xr.Dataset,
    axis: str,
    at: float,
    across: Mapping[str, tuple[float, float]],
    velocity: Mapping[str, str],
) -> np.ndarray:
    """Weights [case or 1, 1, C * S] of the flux along an axis through the part of the plane axis = at within bounds."""
    axes, fields = _axes(context, axis), fields_of(context)
    if velocity.get(axis) not in fields:
        name = str(velocity.get(axis))
        raise InputError(f"The velocity along '{axis}' should be the field {name!r}.{near(name, fields)}")
    weights = np.ones(())
    for other in axes:
        points, periodic = np.asarray(context[other].values, np.float64), other in periodic_of(context)
        if other == axis:
            part = _interpolation(points, at, other, periodic=periodic)
        else:
            part = _overlap(points, *across[other], nodes=context.attrs.get("grid") == "nodes", periodic=periodic)
        weights = np.multiply.outer(weights, part)
    for name in ("mask", "volume_fraction"):
        if name in context.variables:
            weights = weights * on_cells(context, name)
    weights = weights[:, None] if weights.ndim > len(axes) else weights[None, None]
    row = np.zeros((*weights.shape[:2], len(fields), *weights.shape[2:]))
    row[:, :, fields.index(velocity[axis])] = weights
    return row.reshape(*row.shape[:2], -1)


def _interpolation(points: np.ndarray, at: float, axis: str, *, periodic: bool) -> np.ndarray:
    """Weights of linear interpolation at a position, over the seam of a periodic axis too."""
    weights, count = np.zeros(len(points)), len(points)
    ends = np.append(points, 2 * points[-1] - points[-2]) if periodic and count > 1 else points
    if not ends[0] <= at <= ends[-1]:
        raise InputError(
            f"The section {axis} = {at:g} lies outside of the points from {ends[0]:g} to {ends[-1]:g}; move it inside."
        )
    right = int(np.clip(np.searchsorted(ends, at), 1, len(ends) - 1)) if len(ends) > 1 else 0
    share = (at - ends[right - 1]) / (ends[right] - ends[right - 1]) if right else 1.0
    weights[right % count] += share
    weights[(right - 1) % count] += 1 - share
    return weights


def _overlap(points: np.ndarray, low: float, high: float, *, nodes: bool, periodic: bool) -> np.ndarray:
    """Length within [low, high] of the cell around each point; half cells at the ends of bounded nodes.

    Cells of a periodic axis reach over the seam, and count once however wide the bounds.
    """
    if len(points) == 1:
        return np.ones(1)
    middles = 0.5 * (points[1:] + points[:-1])
    inside = nodes and not periodic
    first = points[0] if inside else 1.5 * points[0] - 0.5 * points[1]
    last = points[-1] if inside else 1.5 * points[-1] - 0.5 * points[-2]
    edges = np.concatenate([[first], middles, [last]])
    shifts = (last - first) * np.arange(-1, 2) if periodic else np.zeros(1)
    found = np.diff(np.clip(edges + shifts[:, None], low, high)).sum(axis=0)
    return np.asarray(np.minimum(found, np.diff(edges)))
