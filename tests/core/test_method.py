from __future__ import annotations

from typing import Any, Self

import numpy as np
import pytest
import xarray as xr

from sciflow.core import Forecast, InputError, Method, Query


def frames(cases: int, times: int, **extra: int) -> xr.Dataset:
    sizes = {**extra, "case": cases, "time": times, "x": 4}
    return xr.Dataset({"u": (list(sizes), np.zeros(list(sizes.values())))})


def query(**changes: Any) -> Query:
    parts = {
        "context": frames(2, 1),
        "context_times": np.zeros((2, 1)),
        "times": np.ones((2, 3)),
        "signals": {"lid": np.zeros((2, 4))},
    }
    return Query(**{**parts, **changes})


class Persistence(Method):
    name = "persistence"

    def fit(self, train: Any, valid: Any = None) -> Self:
        return self

    def predict(self, query: Any) -> Forecast:
        return Forecast(query.context.isel(time=[-1] * query.steps))


def test_a_query_knows_its_size() -> None:
    assert (query().cases, query().steps) == (2, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"context": frames(2, 1).isel(time=0)}, "time is missing"),
        ({"context_times": np.zeros((2, 2))}, r"context_times must have the shape \(2, 1\)"),
        ({"times": np.zeros(3)}, r"times must have the shape \(2, frames\), not \(3,\)"),
        ({"signals": {"lid": np.zeros((2, 3))}}, r"signal 'lid' .* \(2, 4\) .* not \(2, 3\)"),
    ],
)
def test_a_query_whose_parts_disagree(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        query(**changes)


def test_a_forecast_knows_its_size_and_fields() -> None:
    forecast = Forecast(
        frames(2, 3), variance=frames(2, 3), members=frames(2, 3, member=5), factor=frames(2, 3, rank=1)
    )
    assert (forecast.cases, forecast.steps, forecast.fields) == (2, 3, ["u"])


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"variance": frames(2, 3).rename(u="v")}, r"variance .* fields of its mean, \['u'\], not \['v'\]"),
        ({"variance": frames(2, 2)}, "variance .* sizes of its mean"),
        ({"members": frames(2, 3)}, "a dimension member"),
        ({"factor": frames(1, 3, rank=2)}, "factor .* sizes of its mean"),
    ],
)
def test_a_forecast_whose_parts_disagree(part: dict[str, xr.Dataset], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Forecast(frames(2, 3), **part)


def test_a_method_needs_fit_and_predict_and_nothing_more() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Method()  # type: ignore[abstract]
    method = Persistence().fit(None)
    assert method.predict(query()).steps == 3 and method.cost() == {}
    with pytest.raises(InputError, match="'persistence' cannot be saved"):
        method.save("folder")
    with pytest.raises(InputError, match="Persistence cannot be loaded"):
        Persistence.load("folder")
