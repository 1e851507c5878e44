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


def observations(cases: int = 2, **changes: Any) -> xr.Dataset:
    values = {name: (("case", "point"), np.ones((cases, 5))) for name in ("u", "x", "t")}
    return xr.Dataset({name: value for name, value in {**values, **changes}.items() if value is not None})


def test_a_query_without_start_frames() -> None:
    asked = query(context=frames(2, 0), context_times=np.zeros((2, 0)), signals={"lid": np.zeros((2, 3))})
    assert (asked.cases, asked.steps, asked.observations) == (2, 3, None)


def test_a_query_may_hold_observations() -> None:
    assert query(observations=observations()).observations.sizes == {"case": 2, "point": 5}
    assert query(observations=observations(t=None)).cases == 2
    assert query(observations=observations().set_coords(["x", "t"])).cases == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (observations(u=None), "observations lack the field 'u'"),
        (observations(x=None), "observations lack the coordinate 'x'"),
        (observations(x=("point", np.ones(5))), r"observations 'x' .* \(case, point\), not \('point',\)"),
        (observations(u=(("case", "point"), np.full((2, 5), np.nan))), "observations 'u' of a query hold NaN"),
        (observations(v=(("case", "point"), np.ones((2, 5)))), "observations hold 'v', which is no field"),
        (observations(cases=3), "has 2 cases, but its observations 3"),
    ],
)
def test_observations_that_do_not_fit(given: xr.Dataset, message: str) -> None:
    with pytest.raises(InputError, match=message):
        query(observations=given)


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
        ({"member_variance": frames(2, 3, member=2)}, "needs as many members"),
        ({"members": frames(2, 3, member=3), "member_variance": frames(2, 3, member=2)}, "needs as many members"),
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
