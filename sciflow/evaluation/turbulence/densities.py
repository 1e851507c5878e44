"""Probability densities of fluctuations and of velocity increments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sciflow.core.errors import InputError

if TYPE_CHECKING:
    import xarray as xr


def probability_density(values: np.ndarray, bins: int = 81, width: float = 5.0) -> xr.DataArray:
    """Density of values in units of their own standard deviation, about their mean.

    Args:
        bins: of equal width; more than 50,000 values fill 81.
        width: the outermost edges, in standard deviations; values beyond are counted in the total alone.

    Returns:
        Dimension ``sigma``; the attributes ``mean`` and ``std`` give the units back.
    """
    import xarray as xr

    flat = np.asarray(values, np.float64).ravel()
    mean, spread = float(flat.mean()), float(flat.std())
    if not spread > 0:
        raise InputError("A probability density needs values that vary; these are all equal or not finite.")
    counts, edges = np.histogram((flat - mean) / spread, bins, (-width, width))
    density = counts / (len(flat) * np.diff(edges))
    centres = 0.5 * (edges[1:] + edges[:-1])
    return xr.DataArray(
        density, dims="sigma", coords={"sigma": centres}, name="density", attrs={"mean": mean, "std": spread}
    )


def increments(field: xr.DataArray, axis: str, steps: int = 1) -> np.ndarray:
    """f(x + r) - f(x) along a periodic axis, with r = `steps` spacings."""
    return field.roll({axis: -steps}, roll_coords=False).values - field.values
