r"""Profiles in wall units: U+ = U / u_tau, rms of the fluctuations over u_tau, shear stress over u_tau^2.

Fluctuations are taken about the mean over the planes and all samples. Both halves of the channel are averaged, the
shear stress with opposite signs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sciflow.core.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

PROFILES = ("U", "u_rms", "v_rms", "w_rms", "uv")


def wall_profiles(statistics: xr.Dataset) -> xr.Dataset:
    """Profiles of statistics that a solver summed up (`sciflow.solvers.channel.statistics.to_xarray`).

    The friction velocity is that of the mean pressure gradient. Values at faces come to the centres by splines.

    Returns:
        Dimension ``y`` (distance from the wall, up to the centre); coordinate ``y_plus``; variables ``U``, ``u_rms``,
        ``v_rms``, ``w_rms`` and ``uv`` (minus the shear stress) in wall units; attributes ``u_tau``, ``Re_tau`` and
        ``nu``.
    """
    from scipy.interpolate import CubicSpline

    mean = statistics.weighted(statistics["weight"]).mean("block")
    u_tau = float(np.sqrt(mean["force"]))
    y, faces = statistics["y"].values, statistics["y_face"].values
    walls = np.concatenate([[0.0], faces, [y[0] + y[-1]]])

    def centred(values: np.ndarray) -> np.ndarray:
        return CubicSpline(walls, np.pad(values, 1))(y)

    rows = {
        "U": mean["U"].values,
        "u_rms": np.sqrt(mean["uu"].values),
        "v_rms": centred(np.sqrt(mean["vv"].values)),
        "w_rms": np.sqrt(mean["ww"].values),
        "uv": -centred(mean["uv"].values),
    }
    return _in_wall_units(y, rows, u_tau, float(statistics.attrs["nu"]))


def frame_profiles(data: xr.Dataset, nu: float, u_tau: float | None = None) -> xr.Dataset:
    """Profiles of the frames u, v, w (case, time, z, y, x) of a data set or a forecast, y from 0 to 2.

    Args:
        nu: viscosity, m^2/s.
        u_tau: friction velocity, m/s; None takes that of the mean profile (`friction_velocity`), which a coarse grid
            gets wrong by some percent.

    Returns:
        As `wall_profiles`.
    """
    over = [axis for axis in data["u"].dims if axis != "y"]
    mean = {name: data[name].astype(np.float64).mean(over) for name in "uvw"}
    apart = {name: data[name].astype(np.float64) - mean[name] for name in "uvw"}
    y = data["y"].values
    if u_tau is None:
        u_tau = friction_velocity(y, mean["u"].values, nu)
    rows = {"U": mean["u"].values}
    rows |= {f"{name}_rms": np.sqrt((apart[name] ** 2).mean(over).values) for name in "uvw"}
    rows["uv"] = -(apart["u"] * apart["v"]).mean(over).values
    return _in_wall_units(y, rows, u_tau, nu)


def friction_velocity(y: np.ndarray, mean: np.ndarray, nu: float) -> float:
    r"""sqrt(nu dU/dy) with the slope of the parabolas through each wall and the two points next to it, both averaged.

    Args:
        y: [ny] from 0 to 2; nodes on the walls may be among them.
        mean: [ny] mean velocity, zero on the walls.
    """
    slopes = []
    height = _height(y)
    for distance, values in ((y, mean), ((height - y)[::-1], mean[::-1])):
        first = 1 if distance[0] <= 1e-12 * height else 0
        (a, b), (f, g) = distance[first : first + 2], values[first : first + 2]
        slopes.append((f * b / a - g * a / b) / (b - a))
    slope = float(np.mean(slopes))
    if not slope > 0:
        raise InputError(f"The mean velocity has the slope {slope:g} at the wall; friction needs a positive one.")
    return float(np.sqrt(nu * slope))


def _height(y: np.ndarray) -> float:
    return float(y[0] + y[-1])


def _in_wall_units(y: np.ndarray, rows: dict[str, np.ndarray], u_tau: float, nu: float) -> xr.Dataset:
    import xarray as xr

    if not np.allclose(y + y[::-1], _height(y), rtol=0, atol=1e-8 * abs(_height(y))):
        raise InputError("The points across the channel are not symmetric about its centre; give a symmetric grid.")
    half = (len(y) + 1) // 2
    variables = {}
    for name, values in rows.items():
        sign = -1 if name == "uv" else 1
        folded = 0.5 * (values + sign * values[::-1])[:half]
        variables[name] = ("y", folded / u_tau ** (2 if name == "uv" else 1))
    coords = {"y": y[:half], "y_plus": ("y", y[:half] * u_tau / nu)}
    attrs = {"u_tau": u_tau, "Re_tau": u_tau * _height(y) / 2 / nu, "nu": nu}
    return xr.Dataset(variables, coords=coords, attrs=attrs)
