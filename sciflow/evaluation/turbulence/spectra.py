r"""Energy spectra along x or z.

.. math:: E(k) = \frac12 \sum_i \langle|\hat u_i(k)|^2\rangle

of one-dimensional transforms along the axis, averaged over cases, times, the other periodic axis and, unless a plane is
chosen, over y with the volume of its points; modes that stand for their negative as well count twice, and the mean is
left out. The sum over k is the kinetic energy of what varies along the axis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sciflow.core.errors import InputError
from sciflow.data.volume import cell_widths

if TYPE_CHECKING:
    import xarray as xr


def energy_spectrum(data: xr.Dataset, axis: str, y: float | None = None) -> xr.DataArray:
    """Spectrum of the frames u, v, w (case, time, z, y, x) along ``"x"`` or ``"z"``.

    Args:
        y: distance from the lower wall, in metres; the nearest points there and, mirrored, at the upper wall are
            averaged. None averages over the height.

    Returns:
        Dimension ``k`` in 1/m, m^2/s^2 for each mode.
    """
    import xarray as xr

    if axis not in ("x", "z"):
        raise InputError(f"A spectrum runs along 'x' or 'z', not {axis!r}.")
    weights = xr.DataArray(_weights(data, y), dims="y")
    points = data.sizes[axis]
    total: Any = 0.0
    for name in ("u", "v", "w"):
        field = data[name].transpose(..., axis)
        power = np.abs(np.fft.rfft(field.values.astype(np.float64), norm="forward")) ** 2
        rest = xr.DataArray(power, dims=(*field.dims[:-1], "k"))
        averaged = rest.mean([dim for dim in rest.dims if dim not in ("k", "y")])
        total = total + 0.5 * averaged.dot(weights)
    doubled = np.full(points // 2 + 1, 2.0)
    doubled[0] = 0
    if points % 2 == 0:
        doubled[-1] = 1
    gap = float(data[axis][1] - data[axis][0])
    waves = 2 * np.pi * np.fft.rfftfreq(points, gap)
    return xr.DataArray(np.asarray(total) * doubled, dims="k", coords={"k": waves}, name=f"E_{axis}").isel(
        k=slice(1, None)
    )


def statistics_spectrum(statistics: xr.Dataset, axis: str, y: float) -> xr.Dataset:
    """Spectra of u, v, w at the distance `y` from either wall, of statistics that a solver summed up.

    Returns:
        Variables ``u``, ``v``, ``w`` with dimension ``k`` in 1/m; the sum over k is the variance.
    """
    if axis not in ("x", "z"):
        raise InputError(f"A spectrum runs along 'x' or 'z', not {axis!r}.")
    import xarray as xr

    mean = statistics.weighted(statistics["weight"]).mean("block")
    out = {}
    for name in ("u", "v", "w"):
        rows = mean[f"spectrum_{axis}_{name}"]
        across = "y_face" if name == "v" else "y"
        points = statistics[across].values
        height = statistics["y"].values[0] + statistics["y"].values[-1]
        near = [int(np.argmin(np.abs(points - place))) for place in (y, height - y)]
        out[name] = rows.isel({across: near}).mean(across).rename({f"k{axis}": "k"})
    return xr.Dataset(out)


def _weights(data: xr.Dataset, y: float | None) -> np.ndarray:
    points = data["y"].values
    if y is None:
        widths = cell_widths(points, nodes=data.attrs.get("grid") == "nodes", periodic=False)
        return widths / widths.sum()
    weights = np.zeros(len(points))
    for place in (y, points[0] + points[-1] - y):
        weights[int(np.argmin(np.abs(points - place)))] += 0.5
    return weights
