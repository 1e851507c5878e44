"""Pictures of uncertainties: what is drawn is what was given, and axes have units."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from sciflow import plot
from sciflow.core import Forecast, InputError

X = np.linspace(0.0, 1.0, 5)


def frames(values: np.ndarray, *space: str) -> xr.Dataset:
    coords = {axis: (axis, X, {"units": "m"}) for axis in space}
    return xr.Dataset({"u": (("case", "time", *space), values, {"units": "K"})}, coords)


def forecast(level: float) -> Forecast:
    values = np.stack([np.stack([X + level, 2 * X + level])] * 3)
    return Forecast(frames(values, "x"), variance=frames(np.full_like(values, 0.25), "x"))


def test_bands_hold_mean_and_two_deviations() -> None:
    truth = frames(np.zeros((3, 2, 5)), "x")
    made = plot.bands({"before": forecast(1.0), "after": forecast(0.0)}, truth, frame=1, totals={"after": (1.0, 1.0)})
    left, right = made.axes
    assert [line.get_ydata().tolist() for line in left.lines] == [[0.0] * 5, (2 * X + 1).tolist()]
    reach = left.collections[0].get_paths()[0].vertices[:, 1]
    assert reach.max() == pytest.approx(3 + 1.96 * 0.5, abs=1e-4)
    assert (left.get_xlabel(), left.get_ylabel()) == ("x [m]", "u [K]")
    assert right.get_title() == "after\nintegral 1, law 1" and left.get_title() == "before"


def test_bands_that_cannot_be_drawn() -> None:
    with pytest.raises(InputError, match="no forecasts"):
        plot.bands({})
    with pytest.raises(InputError, match="'a' has no variance"):
        plot.bands({"a": Forecast(forecast(0.0).mean)})
    with pytest.raises(InputError, match="'a' has no field 'v'; it has u"):
        plot.bands({"a": forecast(0.0)}, field="v")
    flat = frames(np.zeros((1, 1, 5, 5)), "y", "x")
    with pytest.raises(InputError, match="along one axis; the forecast 'a' has y, x"):
        plot.bands({"a": Forecast(flat, variance=flat)})


def test_calibration_has_a_diagonal_and_one_line_each() -> None:
    panel = plot.calibration({"fno": ([0.5, 0.9], [0.4, 0.8])}).axes[0]
    assert panel.lines[0].get_xydata().tolist() == [[0, 0], [1, 1]]
    assert panel.lines[1].get_xydata().tolist() == [[0.5, 0.4], [0.9, 0.8]]
    with pytest.raises(InputError, match="no curves"):
        plot.calibration({})


def test_front_positions_are_shares_on_shared_bins() -> None:
    made = plot.front_positions({"a": [0.2, 0.2, 0.4, np.nan], "b": [[0.35], [0.4]]}, 0.3, bins=2, unit="m")
    left, right = made.axes
    assert [patch.get_height() for patch in left.patches] == [0.5, 0.25]  # of four samples, one without a front
    assert [patch.get_height() for patch in right.patches] == [0.0, 1.0]
    assert left.get_title() == "a\n1 of 4 without a front" and left.get_xlabel() == "position of the front [m]"
    with pytest.raises(InputError, match="No sample has a front"):
        plot.front_positions({"a": [np.nan]})
