"""Fields in motion, side by side."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
from matplotlib.animation import FuncAnimation

from sciflow.core import InputError
from sciflow.plot.field_pictures import cells, limits, moment, of_case
from sciflow.plot.figure import figure, label

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from sciflow.core import Forecast
    from sciflow.data import Dataset

_DPI = 75  # keeps a hundred frames of a few panels well below a megabyte


@final
class Motion(FuncAnimation):
    """An animation that a notebook shows by itself, as an animated PNG, which every browser plays.

    ``save("motion.gif", writer="pillow")`` writes a file and needs nothing but matplotlib.
    """

    def _repr_png_(self) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            self.save(file := Path(folder) / "motion.png", writer="pillow", dpi=_DPI)
            return file.read_bytes()


def animate(
    panels: Mapping[str, Forecast | Dataset | xr.Dataset], *, name: str = "", case: int = 0, fps: float = 8.0
) -> Motion:
    """One field of one case in time, one panel for each title, such as the truth and some forecasts of it.

    1-D fields are lines, 2-D fields maps, 3-D fields are cut in the middle of z. All panels share the axis of values
    of the first, so that a forecast that grows without bounds is cut off.

    Args:
        panels: title -> a forecast, a data set, or fields with dims (case, time, *space), all with as many frames and
            on the grid of the first.
        name: of the field; by default the first one.
        case: position of the case.
        fps: frames per second.

    Raises:
        InputError: there is no panel, a panel lacks the field or case or has another shape, or fps is not positive.
    """
    if not panels or not fps > 0:
        raise InputError("An animation needs at least one panel, by title and a positive number of frames per second.")
    shown = {title: of_case(data, case) for title, data in panels.items()}
    first = next(iter(shown.values()))
    name = name or str(next(iter(first.data_vars)))
    values = {title: _values(data, name) for title, data in shown.items()}
    shape = next(iter(values.values())).shape
    for title, own in values.items():
        if own.shape != shape:
            raise InputError(
                f"The panel '{title}' has {own.shape} (time, *space) values and the first one {shape}; "
                "give the same frames and grid to all."
            )
    made = figure(2.5 * len(values) + 0.8, 2.9)
    axes = made.subplots(1, len(values), squeeze=False, sharex=True, sharey=True)[0]
    draw = _maps if len(shape) == 3 else _lines
    artists = [draw(panel, own, first, name) for panel, own in zip(axes, values.values(), strict=True)]
    for panel, title in zip(axes, values, strict=True):
        panel.set_title(title, fontsize=10)
    axes[0].set_ylabel(_vertical(first, name))
    if len(shape) == 3:
        made.colorbar(artists[0], ax=list(axes), label=label(name, first[name].attrs), shrink=0.9)
    heading = made.suptitle(moment(first, 0), fontsize=10)

    def move(frame: int) -> list[Any]:
        for artist, own in zip(artists, values.values(), strict=True):
            (artist.set_array if len(shape) == 3 else artist.set_ydata)(own[frame])
        heading.set_text(moment(first, frame))
        return [*artists, heading]

    return Motion(made, move, frames=shape[0], interval=1000 / fps, blit=False)


def _values(data: xr.Dataset, name: str) -> np.ndarray:
    if name not in data:
        raise InputError(f"There is no field '{name}' to draw; there are {', '.join(map(str, data.data_vars))}.")
    axes = [axis for axis in ("y", "x") if axis in data[name].dims]
    return np.asarray(data[name].transpose("time", *axes).values, float)


def _vertical(data: xr.Dataset, name: str) -> str:
    return _axis(data, "y") if "y" in data.dims else label(name, data[name].attrs)


def _axis(data: xr.Dataset, axis: str) -> str:
    return label(axis, data[axis].attrs if axis in data.coords else {})


def _maps(panel: Axes, values: np.ndarray, like: xr.Dataset, name: str) -> Any:
    low, high, colours = limits(like[name].values, symmetric=False)
    panel.set_aspect("equal")
    panel.set_xlabel(_axis(like, "x"))
    panel.locator_params(nbins=3)
    return panel.pcolormesh(cells(like, "x"), cells(like, "y"), values[0], vmin=low, vmax=high, cmap=colours)


def _lines(panel: Axes, values: np.ndarray, like: xr.Dataset, name: str) -> Any:
    low, high, _ = limits(like[name].values, symmetric=False)
    panel.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
    panel.set_xlabel(_axis(like, "x"))
    return panel.plot(cells(like, "x"), values[0])[0]
