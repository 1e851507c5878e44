"""Pictures of forecasts that come with an uncertainty: bands, calibration, positions of a front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sciflow.core.errors import InputError
from sciflow.plot.figure import Picture, figure, label

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.core import Forecast

_WIDTH = 1.959963984540054  # standard deviations on either side that hold 95 % of a Gaussian


def bands(
    forecasts: Mapping[str, Forecast],
    truth: xr.Dataset | None = None,
    *,
    field: str | None = None,
    case: int = 0,
    frame: int = 0,
    totals: Mapping[str, tuple[float, float]] | None = None,
) -> Picture:
    """Mean and 95 % band of a field in 1-D, one panel for each forecast on shared axes.

    Args:
        forecasts: name of a panel, such as "before" and "after" -> forecast with a variance.
        truth: the true frames, drawn in each panel.
        field: which one; the first if not given.
        case, frame: which case and frame.
        totals: name of a panel -> integral of the mean, and what the conservation law demands; written above it.

    Raises:
        InputError: there is no forecast, one lacks the field, has no variance, or is not on one axis.
    """
    if not forecasts:
        raise InputError("There are no forecasts to draw; give at least one.")
    made = figure(4.2 * len(forecasts), 3.6)
    panels = np.atleast_1d(made.subplots(1, len(forecasts), sharex=True, sharey=True))
    for panel, (name, forecast) in zip(panels, forecasts.items(), strict=True):
        axis, mean, deviation = _line(forecast, name, field, case, frame)
        points = forecast.mean[axis].values if axis in forecast.mean.coords else np.arange(mean.size)
        if truth is not None:
            shown = truth[field or forecast.fields[0]].isel(case=case, time=frame)
            panel.plot(points, shown.values, color="k", linewidth=1, label="truth")
        panel.plot(points, mean, color="C0", label="mean")
        low, high = mean - _WIDTH * deviation, mean + _WIDTH * deviation
        panel.fill_between(points, low, high, color="C0", alpha=0.25, linewidth=0, label="95 %")
        title = name
        if totals and name in totals:
            held, demanded = totals[name]
            title += f"\nintegral {held:.5g}, law {demanded:.5g}"
        panel.set_title(title, fontsize=10)
        attributes = forecast.mean[axis].attrs if axis in forecast.mean.coords else {}
        panel.set_xlabel(label(axis, attributes))
        panel.grid(alpha=0.3)
    first = next(iter(forecasts.values()))
    shown_field = field or first.fields[0]
    panels[0].set_ylabel(label(shown_field, first.mean[shown_field].attrs))
    panels[0].legend(fontsize=8)
    return made


def _line(
    forecast: Forecast, name: str, field: str | None, case: int, frame: int
) -> tuple[str, np.ndarray, np.ndarray]:
    """Axis, mean [n] and standard deviation [n] of one frame."""
    shown = field or forecast.fields[0]
    if shown not in forecast.mean:
        raise InputError(f"The forecast '{name}' has no field '{shown}'; it has {', '.join(forecast.fields)}.")
    if forecast.variance is None:
        raise InputError(f"The forecast '{name}' has no variance, so there is no band to draw; use sf.plot.fields.")
    space = [str(dim) for dim in forecast.mean[shown].dims if dim not in ("case", "time")]
    if len(space) != 1:
        raise InputError(f"Bands are drawn along one axis; the forecast '{name}' has {', '.join(space) or 'none'}.")
    mean, variance = (
        np.asarray(part[shown].isel(case=case, time=frame).values, np.float64)
        for part in (forecast.mean, forecast.variance)
    )
    return space[0], mean, np.sqrt(np.maximum(variance, 0.0))


def calibration(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> Picture:
    """Share of the truth inside central intervals against their nominal probability; the diagonal is calibrated.

    Args:
        curves: name of a method -> nominal and empirical coverage, each in 0 ... 1.

    Raises:
        InputError: there is no curve.
    """
    if not curves:
        raise InputError("There are no curves to draw; give at least one.")
    made = figure(4.6, 4.2)
    panel = made.subplots()
    panel.plot([0, 1], [0, 1], color="0.5", linestyle="--", label="calibrated")
    for name, (nominal, empirical) in curves.items():
        panel.plot(np.asarray(nominal, float), np.asarray(empirical, float), marker=".", label=name)
    panel.set_xlabel("nominal probability of the interval [1]")
    panel.set_ylabel("share of the truth inside [1]")
    panel.set_aspect("equal")
    panel.grid(alpha=0.3)
    panel.legend(fontsize=8)
    return made


def front_positions(
    positions: Mapping[str, Any], truth: float | None = None, *, bins: int = 40, unit: str = ""
) -> Picture:
    """Histograms of where posterior samples have their front, one panel for each method on shared bins.

    Args:
        positions: name of a method -> positions of the front in each sample; NaN (no front) is counted in the title.
        truth: the true position, a line.
        bins: of the histograms.
        unit: of the positions.

    Raises:
        InputError: there is no method, or no sample of any method has a front.
    """
    rows = {name: np.asarray(values, np.float64).ravel() for name, values in positions.items()}
    found = [row[np.isfinite(row)] for row in rows.values()]
    if not found or not any(row.size for row in found):
        raise InputError("No sample has a front, so there is no histogram to draw.")
    edges = np.histogram_bin_edges(np.concatenate(found), bins=bins)
    made = figure(3.6 * len(rows), 3.2)
    panels = np.atleast_1d(made.subplots(1, len(rows), sharex=True, sharey=True))
    for panel, (name, row), own in zip(panels, rows.items(), found, strict=True):
        panel.hist(own, bins=list(edges), color="C0", weights=np.full(own.size, 1 / max(row.size, 1)))
        if truth is not None:
            panel.axvline(truth, color="k", linewidth=1, label="truth")
            panel.legend(fontsize=8)
        missing = row.size - own.size
        panel.set_title(name + (f"\n{missing} of {row.size} without a front" if missing else ""), fontsize=10)
        panel.set_xlabel(label("position of the front", {"units": unit}))
    panels[0].set_ylabel("share of the samples [1]")
    return made
