"""Positions of the cells relative to the domain."""

from __future__ import annotations

import numpy as np
import xarray as xr

from sciflow.data.schema import periodic_of, space_of


def bounds(data: xr.Dataset, axis: str) -> tuple[float, float]:
    """Where the domain begins and ends along an axis, in units of the coordinate.

    The attributes ``low`` and ``high`` of the coordinate say so; without them it follows from the grid: nodes include
    both ends, unless the axis is periodic (the right end is left out); cells end half a spacing beyond their centres.
    """
    values = np.asarray(data[axis].values, np.float64)
    attrs = data[axis].attrs
    if "low" in attrs and "high" in attrs:
        return float(attrs["low"]), float(attrs["high"])
    if len(values) == 1:
        return float(values[0]) - 0.5, float(values[0]) + 0.5
    first, last = values[1] - values[0], values[-1] - values[-2]
    if data.attrs.get("grid") == "cells":
        return float(values[0] - first / 2), float(values[-1] + last / 2)
    return float(values[0]), float(values[-1] + (last if axis in periodic_of(data) else 0.0))


def unit_coordinates(data: xr.Dataset) -> np.ndarray:
    """Coordinates of the cells [D, \\*S], float64, in tensor order (z, y, x), 0 to 1 over the domain."""
    axes = []
    for axis in space_of(data):
        low, high = bounds(data, axis)
        axes.append((np.asarray(data[axis].values, np.float64) - low) / (high - low))
    return np.stack(np.meshgrid(*axes, indexing="ij"))
