"""Animations: what each frame shows, labels with units, files that play."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from sciflow import plot
from sciflow.core import Forecast, InputError


def numbered(*space: str, frames: int = 4, factor: float = 1.0) -> xr.Dataset:
    """Fields of two cases: in case k, frame n, all cells but the first hold factor (10 k + n)."""
    values = factor * np.add.outer([0.0, 10.0], np.arange(frames))
    values = np.broadcast_to(values[(..., *[None] * len(space))], (2, frames, *[3] * len(space))).copy()
    coords = {axis: (axis, np.arange(3.0), {"units": "m"}) for axis in space}
    times = {"time": ("time", np.arange(frames) / 2, {"units": "s"})}
    return xr.Dataset({"u": (("case", "time", *space), values, {"units": "m/s"})}, {**coords, **times})


@pytest.mark.parametrize("space", [("y", "x"), ("z", "y", "x")])
def test_each_frame_of_maps(space: tuple[str, ...]) -> None:
    made = plot.animate({"truth": numbered(*space), "double": Forecast(numbered(*space, factor=2.0))}, case=1, fps=5)
    figure = made._fig
    first, second = figure.axes[:2]
    assert (first.get_title(), second.get_title()) == ("truth", "double")
    assert (first.get_xlabel(), first.get_ylabel(), figure.axes[2].get_ylabel()) == ("x [m]", "y [m]", "u [m/s]")
    for frame in (3, 1):
        made._func(frame)
        shown = [np.unique(panel.collections[0].get_array()) for panel in (first, second)]
        assert shown == [[10.0 + frame], [2 * (10.0 + frame)]]
        assert figure.get_suptitle() == f"t = {frame / 2:.4g} s"
    assert first.collections[0].get_clim() == second.collections[0].get_clim() == (10.0, 13.0)  # those of the first
    made._repr_png_()


def test_lines_and_files(tmp_path: Path) -> None:
    made = plot.animate({"truth": numbered("x"), "half": numbered("x", factor=0.5)}, fps=5)
    made._func(2)
    assert [panel.lines[0].get_ydata().tolist() for panel in made._fig.axes] == [[2.0] * 3, [1.0] * 3]
    assert (made._fig.axes[0].get_xlabel(), made._fig.axes[0].get_ylabel()) == ("x [m]", "u [m/s]")
    (tmp_path / "in-a-notebook.png").write_bytes(made._repr_png_())
    made.save(tmp_path / "saved.gif", writer="pillow")
    for name in ("in-a-notebook.png", "saved.gif"):
        with Image.open(tmp_path / name) as file:
            assert (file.n_frames, file.info["duration"], file.info["loop"]) == (4, 200, 0)  # for ever, in milliseconds


def test_bad_input() -> None:
    with pytest.raises(InputError, match="at least one panel"):
        plot.animate({})
    with pytest.raises(InputError, match="positive number of frames"):
        plot.animate({"truth": numbered("x")}, fps=0)
    with pytest.raises(InputError, match="no field 'w'"):
        plot.animate({"truth": numbered("x")}, name="w")
    with pytest.raises(InputError, match="same frames and grid"):
        plot.animate({"truth": numbered("x"), "longer": numbered("x", frames=5)})
    with pytest.raises(InputError, match="case 7 does not exist"):
        plot.animate({"truth": numbered("x")}, case=7)
