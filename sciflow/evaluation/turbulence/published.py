"""Published profiles of direct numerical simulations, and how far a run is from them."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from sciflow.core.errors import InputError
from sciflow.evaluation.turbulence.profiles import PROFILES

if TYPE_CHECKING:
    import xarray as xr

_FILES = {180: "mkm1999_channel_re180.csv"}


def published_profiles(re_tau: int = 180) -> xr.Dataset:
    """Moser, Kim and Mansour (1999), Phys. Fluids 11, 943-945, Re_tau = 178.12; form as of `wall_profiles`.

    Raises:
        InputError: there are no profiles of this Reynolds number.
    """
    import pandas as pd
    import xarray as xr

    if re_tau not in _FILES:
        raise InputError(f"There are no published profiles at Re_tau {re_tau} here; use one of {list(_FILES)}.")
    with (files(__package__) / "reference" / _FILES[re_tau]).open() as file:
        table = pd.read_csv(file, comment="#")
    rows = {"U": table["u_mean"], "uv": -table["r_uv"]}
    rows |= {f"{name}_rms": np.sqrt(table[f"r_{2 * name}"]) for name in "uvw"}
    variables = {name: ("y", rows[name].to_numpy()) for name in PROFILES}
    return xr.Dataset(
        variables,
        coords={"y": table["y"].to_numpy(), "y_plus": ("y", table["y_plus"].to_numpy())},
        attrs={"u_tau": 1.0, "Re_tau": float(table["y_plus"].iloc[-1]), "nu": 1 / float(table["y_plus"].iloc[-1])},
    )


def compare(profiles: xr.Dataset, reference: xr.Dataset, below: float = 80.0) -> dict[str, float]:
    r"""Relative L2 error of each profile at equal distances from the wall in wall units, y+ < `below`.

    .. math:: \left(\int (f - f_{ref})^2 dy \Big/ \int f_{ref}^2 dy\right)^{1/2}

    by the trapezoidal rule on the points of `profiles`, to which the reference comes by a cubic spline.
    """
    from scipy.interpolate import CubicSpline

    y_plus = profiles["y_plus"].values
    near = (y_plus < below) & (y_plus <= reference["y_plus"].values[-1])
    if near.sum() < 4:
        raise InputError(f"Only {near.sum()} points lie below y+ = {below:g}; compare further out or on a finer grid.")
    points = y_plus[near]
    errors = {}
    for name in PROFILES:
        known = CubicSpline(reference["y_plus"].values, reference[name].values)(points)
        wrong = np.trapezoid((profiles[name].values[near] - known) ** 2, points)
        errors[name] = float(np.sqrt(wrong / np.trapezoid(known**2, points)))
    return errors


def jackknife(statistics: xr.Dataset, measure: Callable[[xr.Dataset], dict[str, float]]) -> dict[str, float]:
    r"""Standard error of each measure over the blocks of statistics, by leaving out one block after the other.

    .. math:: s^2 = \frac{n - 1}{n} \sum_i (m_i - \bar m)^2

    It holds where blocks are longer than the flow's memory: several half-heights over friction velocity.
    """
    count = statistics.sizes["block"]
    if count < 2:
        raise InputError("Error bars need at least two blocks of statistics; sample for longer.")
    found = [measure(statistics.drop_isel(block=[index])) for index in range(count)]
    return {name: float(np.sqrt((count - 1) * np.var([row[name] for row in found]))) for name in found[0]}
