"""The total shear stress, which a statistically steady channel makes linear across its height."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr


def total_stress(statistics: xr.Dataset) -> xr.Dataset:
    r"""Total stress of summed statistics, and how it differs from the line that the mean pressure gradient asks for.

    .. math:: \tau^+ = (\nu\,dU/dy - \langle u'v'\rangle) / u_\tau^2, \qquad \tau^+ = 1 - y

    Returns:
        Dimension ``y_face``; variables ``viscous``, ``turbulent``, ``total``, ``linear`` in units of u_tau^2; attribute
        ``largest`` = the largest difference of total and line.
    """
    import xarray as xr

    mean = statistics.weighted(statistics["weight"]).mean("block")
    square, nu = float(mean["force"]), float(statistics.attrs["nu"])
    slope = np.diff(mean["U"].values) / np.diff(statistics["y"].values)
    faces = statistics["y_face"].values
    rows = {"viscous": nu * slope / square, "turbulent": -mean["uv"].values / square}
    rows["total"] = rows["viscous"] + rows["turbulent"]
    rows["linear"] = 1 - faces
    largest = float(np.max(np.abs(rows["total"] - rows["linear"])))
    return xr.Dataset(
        {name: ("y_face", values) for name, values in rows.items()},
        coords={"y_face": faces},
        attrs={"largest": largest},
    )
