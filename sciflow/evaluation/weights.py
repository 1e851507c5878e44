"""Volume of each cell of a data set's grid, zero in the solid: the weight that every metric sums with."""

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


def fluid_volume(data: xr.Dataset) -> np.ndarray:
    """Fluid volume of each cell, shape [*S], or [case, *S] where the mask differs by case.

    The product of the cell widths, times the mask (True = fluid) and, where the data set has it, the variable
    ``volume_fraction`` (fluid part of a cut cell).
    """
    axes = space_axes(data)
    nodes = data.attrs.get("grid", "cells") == "nodes"
    periodic = [axis.strip() for axis in str(data.attrs.get("periodic", "")).split(",")]
    volume = np.ones(())
    for axis in axes:
        points = data[axis].values if axis in data.coords else np.arange(data.sizes[axis])
        volume = np.multiply.outer(volume, cell_widths(points, nodes=nodes, periodic=axis in periodic))
    for name in ("mask", "volume_fraction"):
        if name in data.variables:
            part = data[name]
            order = [axis for axis in ("case", *axes) if axis in part.dims]
            volume = volume * part.transpose(*order).values.astype(np.float64)
    return volume
