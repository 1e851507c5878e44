"""Mean curves by lead time, and the table of them, of made numbers and of a forecast of known error."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sciflow.core import Query
from sciflow.data import from_arrays
from sciflow.evaluation import CallableMethod, ForecastTask, Horizon, Results, evaluate, mean_curves
from sciflow.evaluation.lead_times import lead_time_markdown, shown_steps
from sciflow.evaluation.results import CURVE_COLUMNS


def test_steps_that_are_shown() -> None:
    assert shown_steps(70) == [1, 2, 5, 10, 20, 50, 70]
    assert shown_steps(10) == [1, 2, 5, 10] and shown_steps(2) == [1, 2] and shown_steps(100)[-2:] == [50, 100]


def test_curves_hold_the_error_of_every_future_step() -> None:
    """u = 1, forecast k is 1 + k/100: at each of 70 steps the NMSE is (k/100)^2, at whatever horizon."""
    data = from_arrays({"u": np.ones((2, 71, 4))}, times=np.arange(71))

    def growing(query: Query) -> np.ndarray:
        return np.tile(1 + np.arange(1, query.steps + 1)[:, None, None] / 100, (query.cases, 1, 1, 4))

    task = ForecastTask((Horizon(steps=10, stride=99), Horizon(steps=70)))
    curves = evaluate(CallableMethod(growing, "m"), data, task, ["mse"]).curves
    for horizon in (10, 70):
        rows = curves[(curves["horizon"] == horizon) & (curves["metric"] == "nmse") & (curves["field"] == "all")]
        wide = rows.pivot(index="case", columns="step", values="value")
        assert list(wide.columns) == list(range(1, horizon + 1)) and len(wide) == 2
        np.testing.assert_allclose(wide, np.tile((np.arange(1, horizon + 1) / 100) ** 2, (2, 1)))


@pytest.fixture
def results() -> Results:
    """Two methods, two seeds, two cases, 12 steps: the error of "a" is step + seed + case."""
    rows = []
    for seed in (0, 1):
        for case in (0, 1):
            for step in range(1, 13):
                for method, size in (("a", step + seed + case), ("b", 1.0)):
                    key = ("s", method, seed, "random", 12)
                    rows.append((*key, "nmse", "all", step, case, size))
                    rows.append((*key, "persistence_nmse", "all", step, case, 2.0))
                    if method == "a":
                        rows.append((*key, "gain", "all", step, case, 2.0 / size))
                    rows.append((*key, "rmse", "u", step, case, 7.0))
    return Results(pd.DataFrame(), pd.DataFrame(rows, columns=CURVE_COLUMNS), pd.DataFrame(), {"split": "random"})


def test_mean_curves(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Results, "methods", ["a", "b"])
    curves = mean_curves(results, 12)
    assert list(curves) == ["persistence", "a", "b"]
    assert curves["a"] == pytest.approx(np.arange(2, 14)) and curves["persistence"] == [2.0] * 12
    gains = mean_curves(results, 12, "gain")  # the ratio of the means, of the only method that has one
    assert list(gains) == ["a"] and gains["a"] == pytest.approx(2 / np.arange(2, 14))
    text = lead_time_markdown(results)
    assert "### nmse, random, 12 frames" in text and "| method | 1 | 2 | 5 | 10 | 12 |" in text
    assert "| a | 2 | 3 | 6 | 11 | 13 |" in text and "| persistence | 2 | 2 | 2 | 2 | 2 |" in text
    assert "### gain" in text and "### rmse" not in text  # it has no row for all fields


def test_without_curves_there_is_no_table() -> None:
    empty = Results(pd.DataFrame(), pd.DataFrame(columns=CURVE_COLUMNS), pd.DataFrame(), {"split": "random"})
    assert "###" not in lead_time_markdown(empty)
