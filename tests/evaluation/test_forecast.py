"""The forecast task: which frames are asked for and scored."""

from __future__ import annotations

import time

import numpy as np
import pytest
import xarray as xr

from sciflow.baselines.persistence import Persistence
from sciflow.core import Forecast, InputError, Query
from sciflow.data import Dataset, from_arrays
from sciflow.evaluation import CallableMethod, ForecastTask, Horizon, evaluate
from sciflow.evaluation.forecast import chunks, starts_of

TASK = ForecastTask((Horizon(steps=1), Horizon(steps=4, stride=2)))


def values(found: object, **wanted: object) -> np.ndarray:
    """Values of the rows in which all columns have the wanted values."""
    table = found
    for column, value in wanted.items():
        table = table[table[column] == value]  # type: ignore[index]
    return table["value"].to_numpy()  # type: ignore[index]


def test_starts() -> None:
    assert starts_of(9, 1, Horizon(steps=1)) == list(range(8))
    assert starts_of(9, 1, Horizon(steps=4, stride=2)) == [0, 2, 4]
    assert starts_of(9, 3, Horizon(steps=4, stride=3)) == [0]
    assert starts_of(4, 1, Horizon(steps=4)) == []


def test_persistence_scores_its_own_number_on_all_frames(data: Dataset) -> None:
    found = evaluate(Persistence(), data, TASK, ["gain", "skill"])
    u, v = (data.array(name)[:, :, 0].astype(float) for name in ("u", "v"))
    for steps, starts in ((1, range(8)), (4, (0, 2, 4))):
        top, bottom = np.zeros(len(data)), np.zeros(len(data))
        for field in (u, v):
            for start in starts:
                later = field[:, start + 1 : start + 1 + steps]
                top += ((later - field[:, start, None]) ** 2).sum(axis=(1, 2, 3))
                bottom += (later**2).sum(axis=(1, 2, 3))
        np.testing.assert_allclose(
            values(found.table, horizon=steps, metric="nmse", field="all"), top / bottom, rtol=1e-6
        )
        np.testing.assert_allclose(values(found.table, horizon=steps, metric="gain", field="all"), 1.0)
        np.testing.assert_allclose(values(found.table, horizon=steps, metric="skill", field="u"), 0.0, atol=1e-12)
    assert set(found.table["case"]) == set(data.cases)
    assert found.seconds_per_frame > 0 and found.skipped == ()


def test_curves_have_one_point_for_each_lead_time(data: Dataset) -> None:
    found = evaluate(Persistence(), data, TASK).curves
    rows = values(found, horizon=4, metric="nmse", field="u", case=9)
    u = data.array("u")[9, :, 0].astype(float)
    expected = []
    for lead in range(1, 5):
        pairs = [(u[start + lead], u[start]) for start in (0, 2, 4)]
        expected.append(sum(((a - b) ** 2).sum() for a, b in pairs) / sum((a**2).sum() for a, _ in pairs))
    np.testing.assert_allclose(rows, expected, rtol=1e-6)
    assert (np.diff(rows) > 0).all()


def test_chunks_do_not_change_the_scores(data: Dataset) -> None:
    whole = evaluate(Persistence(), data, TASK, ["nmse", "max_error", "vrmse"])
    parts = evaluate(Persistence(), data, TASK, ["nmse", "max_error", "vrmse"], chunk_bytes=3000)
    keys = ["horizon", "metric", "field", "case"]
    first, second = (item.table.sort_values(keys)["value"].to_numpy() for item in (whole, parts))
    np.testing.assert_allclose(first, second, rtol=1e-12)
    sizes = [len(part) * len(starts) for part, starts in chunks(data, 1, Horizon(steps=4), 3000)]
    assert len(sizes) > 10 and max(sizes) == 1


def test_context_is_never_scored(data: Dataset) -> None:
    """A method that returns the context as well is refused, not scored on it."""

    def with_context(query: Query) -> xr.Dataset:
        held = query.context[["u", "v"]].isel(time=[-1] * query.steps)
        return xr.concat([query.context[["u", "v"]], held], "time")

    with pytest.raises(InputError, match="context is not part"):
        evaluate(CallableMethod(with_context), data, TASK)


def test_ragged_cases_are_scored_on_their_valid_frames() -> None:
    x = np.linspace(1, 2, 4)
    short, long = (np.arange(1.0, n + 1)[:, None] * x for n in (3, 8))
    data = from_arrays({"u": [short, long]}, parameters={"p": [1.0, 2.0]})
    found = evaluate(Persistence(), data, TASK)
    assert found.skipped == ((4, 0),)
    expected = sum((t + 1 - t) ** 2 for t in (1, 2)) / sum((t + 1) ** 2 for t in (1, 2))
    assert values(found.table, horizon=1, metric="nmse", case=0)[0] == pytest.approx(expected)
    with pytest.raises(InputError, match="longest has 8"):
        evaluate(Persistence(), data, ForecastTask((Horizon(steps=20),)))


def test_example_is_a_query_of_the_longest_horizon(data: Dataset) -> None:
    example = evaluate(Persistence(), data, TASK).example
    assert example["truth_u"].sizes["time"] == 4 and example.attrs["steps"] == 4
    start = int(example.attrs["start"])
    real = data.array("v", cases=[int(example.attrs["case"])])[:, start + 1 : start + 5, 0]
    np.testing.assert_array_equal(example["truth_v"].values, real)


def test_the_answer_to_a_single_query_is_drawn_without_asking_again(data: Dataset) -> None:
    """Where the answer takes long: a shorter one is repeated to be timed."""
    asked = []

    def hold(query: Query) -> Forecast:
        asked.append(query)
        return Persistence().predict(query)

    one = data.select([3])
    task = ForecastTask((Horizon(steps=8),))
    example = evaluate(CallableMethod(hold), one, task).example
    # Once to be scored and, as it was quick, five times at most to be timed; not once more for the picture.
    quick = len(asked)
    assert quick <= 6
    np.testing.assert_array_equal(example["truth_u"].values, data.array("u", cases=[3])[:, 1:9, 0])
    held = np.repeat(data.array("u", cases=[3])[:, :1, 0], 8, axis=1)
    np.testing.assert_array_equal(example["forecast_u"].values, held)


def test_wrong_answers_are_refused(data: Dataset) -> None:
    with pytest.raises(InputError, match="lacks the field 'v'"):
        evaluate(CallableMethod(lambda query: Forecast(query.context[["u"]])), data, ForecastTask((Horizon(steps=1),)))
    with pytest.raises(InputError, match="expected an array"):
        evaluate(CallableMethod(lambda query: np.zeros(3)), data, TASK)


def test_the_first_call_is_not_timed(data: Dataset) -> None:
    """0.3 s of compilation for each new shape, 1 ms afterwards; the longest horizon alone counts."""
    seen: set[tuple[int, int]] = set()

    def compiled(query: Query) -> xr.Dataset:
        shape = (query.cases, query.steps)
        time.sleep(0.001 if shape in seen else 0.3)
        seen.add(shape)
        return query.context[["u", "v"]].isel(time=[-1] * query.steps)

    task = ForecastTask((Horizon(steps=4, stride=2), Horizon(steps=1)))
    found = evaluate(CallableMethod(compiled), data, task)
    assert found.seconds_per_frame < 0.1 / (len(data) * 3 * 4)


def test_a_long_first_call_is_not_repeated(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def slow(query: Query) -> xr.Dataset:
        calls.append(query.steps)
        return query.context[["u", "v"]].isel(time=[-1] * query.steps)

    evaluate(CallableMethod(slow), data, TASK)
    assert calls == [1, 4, *[4] * 5, 4]  # scored, scored, five times timed, example
    monkeypatch.setattr("sciflow.evaluation.cost._REPEAT_BELOW", 0.0)
    calls.clear()
    assert evaluate(CallableMethod(slow), data, TASK).seconds_per_frame > 0
    assert calls == [1, 4, 4]
