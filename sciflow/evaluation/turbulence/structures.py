r"""The Q-criterion of Hunt, Wray and Moin (1988): where rotation outweighs strain.

.. math:: Q = \tfrac12 (\Omega_{ij}\Omega_{ij} - S_{ij} S_{ij})

with S and Omega the symmetric and the antisymmetric part of the velocity gradient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr


def q_criterion(data: xr.Dataset) -> xr.DataArray:
    """Q of the frames u, v, w (..., z, y, x) in 1/s^2.

    Derivatives are spectral along the periodic axes (attribute ``periodic``) and of second order on the points of
    others, whatever their spacing.
    """
    import xarray as xr

    periodic = {part.strip() for part in str(data.attrs.get("periodic", "")).split(",")}
    gradient = [[_derivative(data[name], axis, axis in periodic) for axis in ("x", "y", "z")] for name in "uvw"]
    # For any gradient g: S_ij S_ij - Omega_ij Omega_ij = g_ij g_ji.
    q = -0.5 * sum(gradient[i][j] * gradient[j][i] for i in range(3) for j in range(3))
    return xr.DataArray(q, dims=data["u"].dims, coords=data["u"].coords, name="Q", attrs={"units": "1/s^2"})


def _derivative(field: xr.DataArray, axis: str, periodic: bool) -> np.ndarray:
    values, place = field.values.astype(np.float64), field.get_axis_num(axis)
    points = field[axis].values
    if not periodic:
        return np.gradient(values, points, axis=place, edge_order=2)
    count = len(points)
    waves = 2 * np.pi * np.fft.rfftfreq(count, points[1] - points[0])
    if count % 2 == 0:
        waves[-1] = 0  # the derivative of the Nyquist mode is not carried by the points
    shape = [1] * values.ndim
    shape[place] = -1
    return np.fft.irfft(1j * waves.reshape(shape) * np.fft.rfft(values, axis=place), count, axis=place)
