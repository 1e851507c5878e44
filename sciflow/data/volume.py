"""Volume of each cell of a data set's grid, zero in the solid: the weight of metrics and of conservation laws."""

from __future__ import annotations

import numpy as np
import xarray as xr

SPACE = ("z", "y", "x")  # the order of space axes in arrays


def space_axes(data: xr.Dataset) -> tuple[str, ...]:
    """The space dimensions of a data set, in array order."""
    return tuple(axis for axis in SPACE if axis in data.dims)


def cell_widths(points: np.ndarray, *, nodes: bool, periodic: bool) -> np.ndarray:
    """Length that each point of one axis stands for.

    Cell centres and periodic nodes: the distance between the midpoints around a point; end points are mirrored, so
    that a uniform grid of spacing h gives h everywhere. Nodes of a bounded axis: the trapezoidal rule, half cells at
    both ends. An axis of one point has width 1.
    """
    points = np.asarray(points, np.float64)
    if points.size == 1:
        return np.ones(1)
    gaps = np.abs(np.diff(points))
    first, last = (0.0, 0.0) if nodes and not periodic else (gaps[0], gaps[-1])
    return 0.5 * (np.concatenate([[first], gaps]) + np.concatenate([gaps, [last]]))


def axis_weights(points: np.ndarray, rule: str, *, nodes: bool, periodic: bool) -> np.ndarray:
    """Weights of a quadrature rule along one axis, in units of the coordinate.

    Args:
        points: positions, in increasing order.
        rule: ``"trapezoid"``, which on cell centres is the volume of the cells; ``"right"``, the right Riemann sum
            (weight x_i - x_{i-1}, none at the first point of a bounded axis); ``"midpoint"``, every point the middle
            of a cell, on nodes too.
        nodes: whether points are nodes (both ends of a bounded axis among them) or cell centres.
        periodic: whether the axis is; then the gap over the seam equals the one at the other end.
    """
    points = np.asarray(points, np.float64)
    if rule == "right" and points.size > 1:
        gaps = np.diff(points)
        return np.concatenate([[gaps[-1] if periodic else 0.0], gaps])
    return cell_widths(points, nodes=nodes and rule != "midpoint", periodic=periodic)


def cell_volume(data: xr.Dataset, rule: str = "trapezoid") -> np.ndarray:
    """Fluid volume that each point stands for, shape [*S], or [case, *S] where mask or positions differ by case.

    The product of the weights along the axes (`axis_weights`), times the mask (True = fluid) and, where the data set
    has it, the variable ``volume_fraction`` (fluid part of a cut cell). Where positions differ by case (``x_of_case``
    and so on) the weights are those of each case, in metres.
    """
    axes = space_axes(data)
    nodes = data.attrs.get("grid", "cells") == "nodes"
    periodic = [axis.strip() for axis in str(data.attrs.get("periodic", "")).split(",")]
    volume = np.ones(())
    for axis in axes:
        points = data[axis].values if axis in data.coords else np.arange(data.sizes[axis])
        weights = axis_weights(points, rule, nodes=nodes, periodic=axis in periodic)
        volume = np.multiply.outer(volume, weights)
    for axis, places in positions_of(data).items():
        points = data[axis].values
        metres = (places[:, -1] - places[:, 0]) / (points[-1] - points[0])
        volume = metres.reshape(-1, *[1] * len(axes)) * volume
    for name in ("mask", "volume_fraction"):
        if name in data.variables:
            volume = volume * on_cells(data, name).astype(np.float64)
    return volume


def fluid_volume(data: xr.Dataset, rule: str = "trapezoid") -> np.ndarray:
    """`cell_volume` without the cells of the variable ``known``, which hold boundary data and are never scored."""
    volume = cell_volume(data, rule)
    return np.where(on_cells(data, "known"), 0.0, volume) if "known" in data.variables else volume


def positions_of(data: xr.Dataset) -> dict[str, np.ndarray]:
    """Positions in metres [case, n] of the cells along each axis, for axes along which they differ by case."""
    named = {axis: f"{axis}_of_case" for axis in space_axes(data)}
    return {axis: np.asarray(data[name].values, float) for axis, name in named.items() if name in data.variables}


def on_cells(data: xr.Dataset, name: str) -> np.ndarray:
    """A static variable [*S] or [case, *S], in array order."""
    part = data[name]
    return np.asarray(part.transpose(*(axis for axis in ("case", *space_axes(data)) if axis in part.dims)).values)
