"""Pictures of fields at a few times, beside the truth where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from sciflow.core import Forecast, InputError
from sciflow.plot.figure import figure, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sciflow.data import Dataset
    from sciflow.plot.figure import Picture

_SPACE = ("z", "y", "x")


def fields(
    data: Forecast | Dataset | xr.Dataset,
    truth: Forecast | Dataset | xr.Dataset | None = None,
    *,
    names: Sequence[str] | None = None,
    case: int = 0,
    frames: Sequence[int] | None = None,
) -> Picture:
    """Fields of one case at a few frames.

    Without `truth` each row is a field and each column a frame. With it each field takes three rows in 2-D (forecast,
    truth, difference), the first two on one colour scale; in 1-D both are drawn as lines. A 3-D field is cut in the
    middle of z.

    Args:
        data: a forecast, a data set, or fields with dims (case, time, *space) (or without case).
        truth: the same cases at the same times, more of them allowed. Where either has no times, the frames must be the
            same, or those after one context frame that the truth holds as well.
        names: which fields; all by default.
        case: position of the case.
        frames: positions of the frames; by default up to four, evenly spread.

    Raises:
        InputError: a field, case or frame does not exist, or the truth lacks a time of the forecast.
    """
    shown = of_case(data, case)
    real = None if truth is None else of_case(truth, case)
    if real is not None:
        real = _aligned(real, shown)
    chosen = list(names) if names is not None else [str(name) for name in shown.data_vars]
    for name in chosen:
        if name not in shown or (real is not None and name not in real):
            raise InputError(f"There is no field '{name}' to draw; there are {', '.join(map(str, shown.data_vars))}.")
    count = shown.sizes["time"]
    picked = (
        list(frames) if frames is not None else sorted({round(p) for p in np.linspace(0, count - 1, min(4, count))})
    )
    if not picked or not all(-count <= frame < count for frame in picked):
        raise InputError(f"Frames must lie between 0 and {count - 1}; {picked} were asked for.")
    axes = [axis for axis in _SPACE if axis in shown.dims]
    if len(axes) == 1:
        return _lines(shown, real, chosen, picked, axes[0])
    return _maps(shown, real, chosen, picked)


def of_case(data: Any, case: int) -> xr.Dataset:
    """The time-dependent fields of one case."""
    if isinstance(data, Forecast):
        data = data.mean
    elif not isinstance(data, xr.Dataset):
        data = data.select([int(data.cases[case])]).xarray if hasattr(data, "select") else data
        case = 0
    if not isinstance(data, xr.Dataset):
        raise InputError(f"fields draws a forecast, a data set or an xarray.Dataset, not a {type(data).__name__}.")
    if "case" in data.dims:
        if not -data.sizes["case"] <= case < data.sizes["case"]:
            raise InputError(f"There are {data.sizes['case']} cases; case {case} does not exist.")
        data = data.isel(case=case)
    kept = [name for name, variable in data.data_vars.items() if "time" in variable.dims and variable.ndim > 1]
    if not kept:
        raise InputError("There is nothing to draw: no variable depends on time and space.")
    data = data[kept]
    return data.isel(z=data.sizes["z"] // 2) if "z" in data.dims else data


def _aligned(real: xr.Dataset, shown: xr.Dataset) -> xr.Dataset:
    """The frames of the truth at the times that are shown."""
    count, found = shown.sizes["time"], real.sizes["time"]
    wanted, known = _times(shown), _times(real)
    if wanted is None or known is None:
        if found < count:
            raise InputError(f"The truth has {found} frames, fewer than the {count} to be drawn; give as many.")
        first = min(1, found - count)
        return real.isel(time=slice(first, first + count))
    moments = np.where(np.isfinite(known.values), known.values, np.inf)  # times after the valid frames may be NaN
    places = np.abs(moments - wanted.values[:, None]).argmin(axis=1)
    spacing = np.diff(moments[np.isfinite(moments)])
    near = 1e-3 * float(np.abs(spacing).min()) if spacing.size else 0.0
    lost = ~np.isclose(moments[places], wanted.values, rtol=1e-6, atol=near)
    if lost.any():
        raise InputError(
            f"The truth has no frame at t = {float(wanted.values[lost][0]):.6g}; give the times that are drawn."
        )
    return real.isel(time=places)


def _times(data: xr.Dataset) -> xr.DataArray | None:
    return next((data[name] for name in ("time", "time_of_case") if name in data.coords), None)


def moment(data: xr.Dataset, frame: int) -> str:
    times = _times(data)
    if times is None:
        return f"frame {frame % data.sizes['time'] + 1}"
    return f"t = {float(times.values[frame]):.4g} {times.attrs.get('units', 's')}"


def _lines(shown: xr.Dataset, real: xr.Dataset | None, names: list[str], frames: list[int], axis: str) -> Picture:
    made = figure(3.2 * len(frames), 2.4 * len(names))
    panels = made.subplots(len(names), len(frames), squeeze=False, sharex=True, sharey="row")
    for row, name in enumerate(names):
        for column, frame in enumerate(frames):
            panel = panels[row, column]
            if real is not None:
                panel.plot(real[axis], real[name].isel(time=frame), color="0.6", linewidth=3, label="truth")
            panel.plot(
                shown[axis], shown[name].isel(time=frame), color="C0", label="forecast" if real is not None else None
            )
            if row == 0:
                panel.set_title(moment(shown, frame), fontsize=9)
        panels[row, 0].set_ylabel(label(name, shown[name].attrs))
    for panel in panels[-1]:
        panel.set_xlabel(label(axis, shown[axis].attrs))
    if real is not None:
        panels[0, 0].legend(fontsize=8)
    return made


def _maps(shown: xr.Dataset, real: xr.Dataset | None, names: list[str], frames: list[int]) -> Picture:
    rows: list[tuple[str, str]] = [
        (name, kind) for name in names for kind in (("forecast", "truth", "difference") if real is not None else ("",))
    ]
    made = figure(2.4 * len(frames) + 1.0, 2.1 * len(rows))
    panels = made.subplots(len(rows), len(frames), squeeze=False, sharex=True, sharey=True)
    for row, (name, kind) in enumerate(rows):
        source = (real if kind == "truth" and real is not None else shown)[name].transpose("time", "y", "x")
        values = source.isel(time=frames).values.astype(float)
        if real is not None and kind == "difference":
            values = values - real[name].transpose("time", "y", "x").isel(time=frames).values
        reference = values if kind in ("", "difference") or real is None else real[name].isel(time=frames).values
        low, high, colours = limits(np.asarray(reference, float), symmetric=kind == "difference")
        for column, frame in enumerate(frames):
            image = panels[row, column].pcolormesh(
                cells(shown, "x"),
                cells(shown, "y"),
                values[column],
                vmin=low,
                vmax=high,
                cmap=colours,
                rasterized=True,
            )
            panels[row, column].set_aspect("equal")
            panels[row, column].locator_params(nbins=3)
            if row == 0:
                panels[row, column].set_title(moment(shown, frame), fontsize=9)
        made.colorbar(image, ax=list(panels[row]), label=label(name, shown[name].attrs), shrink=0.9)
        _name_axes(panels[row], shown, kind, last=row == len(rows) - 1)
    return made


def _name_axes(panels: Sequence[Axes], shown: xr.Dataset, kind: str, *, last: bool) -> None:
    vertical = label("y", shown["y"].attrs if "y" in shown.coords else {})
    panels[0].set_ylabel(f"{kind}\n{vertical}" if kind else vertical)
    if last:
        for panel in panels:
            panel.set_xlabel(label("x", shown["x"].attrs if "x" in shown.coords else {}))


def cells(data: xr.Dataset, axis: str) -> np.ndarray:
    return np.asarray(data[axis].values if axis in data.coords else np.arange(data.sizes[axis]), float)


def limits(values: np.ndarray, *, symmetric: bool) -> tuple[float, float, str]:
    """Colour limits and map: diverging and symmetric where values have both signs."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if symmetric or low < 0 < high:
        high = max(-low, high, 1e-30)
        return -high, high, "RdBu_r"
    return low, high if high > low else low + 1.0, "viridis"
