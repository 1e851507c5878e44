"""Calibration on validation cases, from the starts that scoring asks from."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from sciflow.conservation import Conformal
from sciflow.core import Forecast, InputError, Query
from sciflow.data import Dataset, from_arrays
from sciflow.evaluation import CallableMethod, ForecastTask, evaluate
from sciflow.evaluation.calibration import calibrated, require_calibration_cases
from sciflow.evaluation.horizon import Horizon

Z, FRAMES, N = 1.6448536269514722, 21, 4  # Z of the level 0.9


def growing(cases: int, lengths: np.ndarray | None = None) -> Dataset:
    """Values whose size is c (1 + k) at frame k, c that of the case: what starts late has larger errors."""
    sizes = np.linspace(1, 2, cases)[:, None, None] * (1 + np.arange(FRAMES))[:, None]
    values = xr.Dataset({"u": (("case", "time", "x"), sizes * np.array([1.0, -1.0, 1.0, -1.0]))})
    values = values.assign_coords(time=np.arange(float(FRAMES)), x=np.arange(N) / N)
    return from_arrays(values if lengths is None else values.assign_coords(length=("case", lengths)))


def zero(query: Query) -> Forecast:
    return Forecast(xr.Dataset({"u": (("case", "time", "x"), np.zeros((query.cases, query.steps, N)))}))


def half_widths(method: Conformal) -> np.ndarray:
    """Half the width of the intervals around 0, by lead time."""
    return method._scale["u"] * Z


def test_every_lead_time_is_calibrated_from_the_starts_of_the_shortest_horizon_that_has_it() -> None:
    data = growing(20)
    task = ForecastTask((Horizon(steps=10), Horizon(steps=4, stride=5)))
    found = calibrated(Conformal(CallableMethod(zero), level=0.9), data, task)
    assert isinstance(found, Conformal)
    cases = np.linspace(1, 2, 20)
    expected = []
    for lead in range(1, 11):
        starts = np.arange(0, FRAMES - 4, 5) if lead <= 4 else np.arange(FRAMES - 10)
        errors = np.sort((cases[:, None] * (1 + starts + lead)).ravel())
        expected.append(errors[int(np.ceil(0.9 * 21 / 20 * errors.size - 1e-9)) - 1])
    np.testing.assert_allclose(half_widths(found), expected)
    scores = evaluate(found, data, task, ["coverage"]).table.query("metric == 'coverage' and field == 'all'")
    whole = scores.groupby("horizon")["value"].mean()
    assert whole[4] > 0.9 and whole[10] > 0.9  # with the first start alone far less


def test_cases_of_different_lengths_have_their_own_starts_and_equal_weights() -> None:
    lengths = np.where(np.arange(20) < 10, FRAMES, 3)
    found = calibrated(
        Conformal(CallableMethod(zero), level=0.9), growing(20, lengths), ForecastTask((Horizon(steps=1),))
    )
    assert isinstance(found, Conformal)
    cases = np.linspace(1, 2, 20)
    errors = [c * (1 + np.arange(1, length)) for c, length in zip(cases, lengths, strict=True)]
    values = np.concatenate(errors)
    weights = np.concatenate([np.full(len(part), 1 / (20 * len(part))) for part in errors])
    order = np.argsort(values)
    expected = values[order][np.searchsorted(np.cumsum(weights[order]), 0.945 - 1e-9)]
    assert half_widths(found)[0] == pytest.approx(expected)


def test_cases_that_are_too_few_or_too_short() -> None:
    method, lengths = Conformal(CallableMethod(zero)), np.where(np.arange(20) < 18, FRAMES, 3)
    data, task = growing(20, lengths), ForecastTask((Horizon(steps=1), Horizon(steps=4)))
    require_calibration_cases(method, data, ForecastTask((Horizon(steps=1),)))
    with pytest.raises(InputError, match="at least 19 validation cases, not 18"):
        require_calibration_cases(method, data, task)
    with pytest.raises(InputError, match="No validation case is long enough.*30 steps; the longest has 21 frames"):
        require_calibration_cases(method, data, ForecastTask((Horizon(steps=30),)))
    with pytest.raises(InputError, match="use a split that has some"):
        require_calibration_cases(method, None, task)
