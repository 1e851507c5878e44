r"""Two-point correlations along a periodic axis.

.. math:: R(r) = \langle f'(x) f'(x + r)\rangle / \langle f'^2\rangle
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sciflow.core.errors import InputError

if TYPE_CHECKING:
    import xarray as xr


def two_point_correlation(field: xr.DataArray, axis: str) -> xr.DataArray:
    """R for separations from 0 to half the period.

    Args:
        field: a component (case, time, z, y, x) or a part of it, such as one plane; fluctuations are taken about the
            mean over all dimensions but y.
        axis: ``"x"`` or ``"z"``.

    Returns:
        Dimensions ``r`` (m) and, if the field has it, ``y``. Where nothing fluctuates, as on a wall, R is NaN.
    """
    import xarray as xr

    if axis not in ("x", "z") or axis not in field.dims:
        raise InputError(f"A correlation runs along 'x' or 'z' of the field, not {axis!r}.")
    over = [dim for dim in field.dims if dim != "y"]
    apart = (field.astype(np.float64) - field.astype(np.float64).mean(over)).transpose(..., axis)
    count = apart.sizes[axis]
    power = np.abs(np.fft.rfft(apart.values, norm="forward")) ** 2
    products = xr.DataArray(np.fft.irfft(power, count, norm="forward"), dims=(*apart.dims[:-1], "r"))
    products = products.mean([dim for dim in products.dims if dim not in ("r", "y")])
    gap = float(field[axis][1] - field[axis][0])
    products = products.assign_coords(r=np.arange(count) * gap).isel(r=slice(0, count // 2 + 1))
    size = products.isel(r=0)
    return (products / size.where(size > 0)).rename("R")
