"""The picture of a suite: truth, forecast and difference at the end of the longest horizon."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from sciflow import plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def sides(path: Path) -> tuple[xr.Dataset, xr.Dataset]:
    """Forecast and truth of the example that a run leaves, dims (case, time, *space)."""
    with xr.open_dataset(path, engine="h5netcdf") as file:
        example = file.load()
    parts = []
    for side in ("forecast_", "truth_"):
        names = {str(name): str(name).removeprefix(side) for name in example if str(name).startswith(side)}
        parts.append(example[list(names)].rename(names))
    return parts[0], parts[1]


def final_fields(path: Path, method: str, kind: str = "forecast") -> Figure:
    """Truth, forecast and difference of every field at the last step, side by side.

    Args:
        path: ``example.h5`` of a run, the test case on which the reference forecast is worst.
        method: its name, for the heading.
        kind: of the task; only a forecast counts steps from a start.
    """
    forecast, truth = sides(path)
    last = truth.sizes["time"] - 1
    if {"y", "x"} <= set(truth.dims) and "z" not in truth.dims:
        made = _maps(forecast.isel(case=0, time=last), truth.isel(case=0, time=last), method)
    else:
        made = plot.fields(forecast, truth, frames=[last])
    made.suptitle(f"{method}: {when(truth, [last], kind)}", fontsize=10)
    return made


def when(truth: xr.Dataset, frames: Sequence[int], kind: str) -> str:
    """Which case and frames of an example are shown, in words; frames counted from 1."""
    case, numbers = f"case {truth.attrs['case']}", ", ".join(str(frame + 1) for frame in frames)
    if kind == "forecast":
        return f"{case}, from frame {truth.attrs['start']}, after {numbers} steps"
    if truth.sizes["time"] == 1:
        return case
    return f"{case}, frame{'s' if len(frames) > 1 else ''} {numbers}"


def _maps(forecast: xr.Dataset, truth: xr.Dataset, method: str) -> Figure:
    from sciflow.plot.figure import figure, label

    names = [str(name) for name in truth.data_vars]
    made = figure(9.0, 2.6 * len(names) + 0.3)
    panels = made.subplots(len(names), 3, squeeze=False, sharex=True, sharey=True)
    for row, name in zip(panels, names, strict=True):
        real, found = (side[name].transpose("y", "x").values.astype(float) for side in (truth, forecast))
        error = found - real
        style, about_zero = _colours(real), _colours(error, symmetric=True)
        shown = (("truth", real, style), (f"forecast: {method}", found, style), ("forecast - truth", error, about_zero))
        for panel, (title, values, colours) in zip(row, shown, strict=True):
            points = [truth[axis].values if axis in truth.coords else np.arange(truth.sizes[axis]) for axis in "xy"]
            image = panel.pcolormesh(*points, values, rasterized=True, **colours)
            panel.set_aspect("equal")
            panel.locator_params(nbins=3)
            made.colorbar(image, ax=panel, label=label(name, truth[name].attrs), shrink=0.9)
            if name == names[0]:
                panel.set_title(title, fontsize=9)
    for panel in panels[-1]:
        panel.set_xlabel(label("x", truth["x"].attrs if "x" in truth.coords else {}))
    for row in panels:
        row[0].set_ylabel(label("y", truth["y"].attrs if "y" in truth.coords else {}))
    return made


def _colours(values: np.ndarray, *, symmetric: bool = False) -> dict[str, Any]:
    """Limits and colour map, symmetric about 0 where values have both signs."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if symmetric or low < 0 < high:
        high = max(-low, high) or 1.0
        return {"vmin": -high, "vmax": high, "cmap": "RdBu_r"}
    return {"vmin": low, "vmax": high if high > low else low + 1.0, "cmap": "viridis"}
