"""Pictures of physics-informed solvers: widths of solutions, landscapes of losses, maps of errors and residuals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LogNorm

from sciflow.core.errors import InputError
from sciflow.plot.figure import Picture, figure

if TYPE_CHECKING:
    from sciflow.pinn.analysis.landscape import Plane

_SIZES = 1e-6  # logarithmic colours of errors and residuals reach this far below the largest
_LOSSES = 1e-12  # those of losses
_FLOOR = 1e-15  # singular values below this share of the first are rounding


def singular_value_decay(frames: Mapping[str, Mapping[str, Any]]) -> Picture:
    """Singular values over the first, one panel for each frame of reference, on one scale.

    Args:
        frames: name of the frame -> label of a curve, such as ``"u, c = 50"`` -> singular values, largest first.

    Raises:
        InputError: there is no curve, or the first value of one is not positive.
    """
    if not any(frames.values()):
        raise InputError("There are no singular values to draw; give at least one curve.")
    made, panels = _panels(len(frames), shared=True)
    for panel, (frame, curves) in zip(panels, frames.items(), strict=True):
        for name, values in curves.items():
            row = np.asarray(values, np.float64)
            if row.size == 0 or not row[0] > 0:
                raise InputError(f"The singular values of '{name}' start with no positive number; is the field zero?")
            kept = row > _FLOOR * row[0]
            panel.semilogy(np.arange(1, row.size + 1)[kept], row[kept] / row[0], marker=".", label=name)
        panel.set_title(frame)
        panel.set_xlabel("mode [1]")
        panel.grid(alpha=0.3)
        if curves:
            panel.legend(fontsize=8)
    panels[0].set_ylabel("singular value / largest [1]")
    return made


def loss_planes(planes: Mapping[str, Plane]) -> Picture:
    """Losses around trained weights (a cross), side by side on one logarithmic colour scale.

    Raises:
        InputError: there is no plane, or no positive loss.
    """
    if not planes:
        raise InputError("There are no planes to draw; give at least one.")
    scale = _logarithmic(np.concatenate([plane.losses.ravel() for plane in planes.values()]), _LOSSES)
    if scale is None:
        raise InputError("No loss is positive and finite; there is nothing to draw.")
    made, panels = _panels(len(planes))
    for panel, (name, plane) in zip(panels, planes.items(), strict=True):
        shown = panel.pcolormesh(plane.offsets, plane.offsets, plane.losses, norm=scale, rasterized=True)
        panel.plot([0], [0], marker="x", color="white")
        panel.set_title(name)
        panel.set_xlabel("first direction [1]")
        panel.set_ylabel("second direction [1]")
    made.colorbar(shown, ax=list(panels), label="loss [1]")
    return made


def top_eigenvalues(
    values: Sequence[float], eigenvalues: Mapping[str, Sequence[float]], *, parameter: str = "c", unit: str = "m/s"
) -> Picture:
    """The largest eigenvalue of the Hessian against a parameter, one line for each method.

    Args:
        values: of the parameter.
        eigenvalues: method -> one for each value; those that are not positive and finite are left out.

    Raises:
        InputError: a method has another number of eigenvalues than there are values.
    """
    made, (panel,) = _panels(1)
    across = np.asarray(values, np.float64)
    for name, found in eigenvalues.items():
        row = np.asarray(found, np.float64)
        if row.shape != across.shape:
            raise InputError(f"'{name}' has {row.size} eigenvalues for {across.size} values; give one for each.")
        kept = np.isfinite(row) & (row > 0)
        panel.semilogy(across[kept], row[kept], marker="o", label=name)
    panel.set_xlabel(_label(parameter, unit))
    panel.set_ylabel("largest eigenvalue of the Hessian [1]")
    panel.grid(alpha=0.3, which="both")
    panel.legend(fontsize=8)
    return made


def solution_maps(
    times: Any,
    places: Any,
    solution: Any,
    *,
    reference: Any = None,
    residual: Any = None,
    name: str = "u",
    units: Mapping[str, str] | None = None,
) -> Picture:
    """A field over time and space; beside it the reference, the size of the error, and that of the residual.

    The field and its reference share one colour scale; error and residual have logarithmic ones.

    Args:
        times, places: (M,) and (N,).
        solution, reference, residual: snapshots (N, M); the last two where there are any.
        name: of the field.
        units: of ``"t"``, ``"x"``, of the field by its name, and of ``"residual"``.

    Raises:
        InputError: an array has another shape than places and times.
    """
    unit = {"t": "s", "x": "m", name: "", "residual": "", **(units or {})}
    across, up = np.asarray(times, np.float64), np.asarray(places, np.float64)
    given = {"solution": solution, "reference": reference, "residual": residual}
    arrays = {key: np.asarray(item, np.float64) for key, item in given.items() if item is not None}
    for key, array in arrays.items():
        if array.shape != (up.size, across.size):
            raise InputError(f"The {key} has shape {array.shape}, not (places, times) = {(up.size, across.size)}.")
    sizes = {} if reference is None else {"error": np.abs(arrays["solution"] - arrays["reference"])}
    if residual is not None:
        sizes["residual"] = np.abs(arrays.pop("residual"))
    labels = {"error": _label(f"|error of {name}|", unit[name]), "residual": _label("|residual|", unit["residual"])}
    shared = _linear(arrays.get("reference", arrays["solution"]))
    made, panels = _panels(len(arrays) + len(sizes), shared=True)
    for panel, (key, array) in zip(panels, (arrays | sizes).items(), strict=True):
        style = shared
        if key in sizes:
            scale = _logarithmic(array, _SIZES)
            style = {"cmap": "magma", "norm": scale}
            if scale is not None and scale.vmin is not None:
                array = np.maximum(array, scale.vmin)  # zero where a condition holds exactly
        image = panel.pcolormesh(across, up, array, rasterized=True, **style)
        made.colorbar(image, ax=panel, label=labels.get(key, _label(name, unit[name])))
        panel.set_title(key)
        panel.set_xlabel(_label("t", unit["t"]))
    panels[0].set_ylabel(_label("x", unit["x"]))
    return made


def _panels(count: int, *, shared: bool = False) -> tuple[Picture, Sequence[Any]]:
    """A figure with panels in a row, on the same axes where they are shared."""
    made = figure(4.0 * count + 1.0, 3.4)
    return made, made.subplots(1, count, squeeze=False, sharex=shared, sharey=shared)[0]


def _logarithmic(values: np.ndarray, share: float) -> LogNorm | None:
    """A logarithmic colour scale from the least positive value, or a share of the largest; None without such values."""
    good = values[np.isfinite(values) & (values > 0)]
    if good.size == 0:
        return None
    top = float(good.max())
    bottom = max(float(good.min()), share * top)
    return LogNorm(vmin=bottom if bottom < top else top / 10, vmax=top)


def _linear(values: np.ndarray) -> dict[str, Any]:
    """Colours of a field: diverging and symmetric where it has both signs."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low < 0 < high:
        return {"vmin": -max(-low, high), "vmax": max(-low, high), "cmap": "RdBu_r"}
    return {"vmin": low, "vmax": high, "cmap": "viridis"}


def _label(name: str, unit: str) -> str:
    return f"{name} [{unit or '1'}]"
