"""Queries and their true answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sciflow.core import InputError
from sciflow.data import from_arrays, query, truth
from sciflow.data.queries import later_frames
from sciflow.data.query_arrays import context_array, forecast_fields


@settings(max_examples=30, deadline=None)
@given(
    starts=st.lists(st.integers(0, 3), min_size=1, max_size=3),
    frames_in=st.integers(1, 2),
    steps=st.integers(1, 3),
    step=st.integers(1, 2),
)
def test_frames_are_those_asked_for(starts, frames_in, steps, step):
    lengths = (12, 11, 13)
    arrays = {"u": [1000.0 * case + np.arange(n)[:, None] + np.zeros(3) for case, n in enumerate(lengths)]}
    data = from_arrays(arrays, times=np.arange(13) * 0.5, signals={"g": np.arange(39.0).reshape(3, 13)}).select([2, 0])
    asked = query(data, starts, frames_in, steps, step=step)
    answer = truth(data, starts, frames_in, steps, step=step)
    assert asked.cases == 2 * len(starts) and asked.steps == steps
    assert asked.context["source_case"].values.tolist() == [2] * len(starts) + [0] * len(starts)
    assert asked.context["start"].values.tolist() == 2 * starts
    frames = np.array(2 * starts)[:, None] + step * np.arange(frames_in + steps)
    values = 1000 * asked.context["source_case"].values[:, None] + frames
    assert np.array_equal(asked.context["u"].values[..., 0], values[:, :frames_in])
    assert np.array_equal(answer["u"].values[..., 0], values[:, frames_in:])
    assert np.array_equal(asked.context_times, 0.5 * frames[:, :frames_in])
    assert np.array_equal(asked.times, 0.5 * frames[:, frames_in:])
    assert np.array_equal(asked.signals["g"], 13 * asked.context["source_case"].values[:, None] + frames)


def test_everything_about_the_cases_comes_along(make):
    mask = np.ones((3, 4, 5), bool)
    mask[2, 0] = False
    raw = make(mask=mask, parameters={"Re": [1.0, 2.0, 3.0], "length": 4.0}).xarray.assign_coords(
        phase=("case", [0.1, 0.2, 0.3], {"role": "coefficient"}),
        speed=("case", [1.0, 2.0, 4.0]),
        seed=("case", [1, 2, 3]),
    )
    raw["u"].attrs["scale_coord"] = "speed"
    asked = query(from_arrays(raw), [0, 2], 1, 2)
    context = asked.context
    assert set(context.coords) == {"Re", "length", "phase", "speed", "source_case", "start", "y", "x"}
    assert context["Re"].values.tolist() == [1, 1, 2, 2, 3, 3] and context["Re"].attrs["role"] == "parameter"
    assert context["mask"].dims == ("case", "y", "x") and not context["mask"].values[4, 0].any()
    assert context["u"].dims == ("case", "time", "y", "x") and context["u"].attrs["scale_coord"] == "speed"
    assert list(truth(from_arrays(raw), [0], 1, 2).data_vars) == ["u", "v"]


def test_precision_is_that_of_the_data():
    u = np.random.default_rng(0).standard_normal((1, 4, 5))
    assert np.array_equal(truth(from_arrays({"u": u}), [0], 1, 3)["u"].values, u[:, 1:])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0], 1, 4), "case 1 has 4 valid frames"),
        (([2], 1, 2), "from frame 2 need 5"),
        (([], 1, 1), "start frames"),
        (([-1], 1, 1), "start frames"),
        (([0], -1, 1), "frames_in"),
        (([0], 1, 0), "steps"),
    ],
)
def test_questions_that_have_no_answer(make, arguments, message):
    for function in (query, truth):
        with pytest.raises(InputError, match=message):
            function(make((6, 4, 6)), *arguments)


def test_all_later_frames_need_equal_lengths(make):
    assert later_frames(make((6, 6)), 2).steps == 4
    with pytest.raises(InputError, match="valid frames \\(4, 6\\)"):
        later_frames(make((6, 4, 6)), 1)
    with pytest.raises(InputError, match="6 context frames leave none"):
        later_frames(make((6, 6)), 6)


def answer(asked):
    """Zeros with everything about the query."""
    shape = (asked.cases, asked.steps, len(asked.context.data_vars), *asked.context["u"].shape[2:])
    return forecast_fields(np.zeros(shape), asked, ["u"])


def test_answers_know_their_cases_times_and_parameters(make):
    raw = make(periodic=("x",), units={"u": "m/s"}).xarray.assign_coords(speed=("case", [1.0, 2.0, 4.0]))
    raw["u"].attrs["scale_coord"] = "speed"
    raw.attrs["problem"] = "flow"
    data = from_arrays(raw).select([2, 0])
    mean = answer(query(data, [1], 1, 3))
    assert set(mean.coords) == {"case", "time", "Re", "speed", "y", "x"}
    assert mean["case"].values.tolist() == [2, 0] and mean["Re"].values.tolist() == [30, 10]
    assert mean["time"].dims == ("time",) and mean["time"].values.tolist() == [2, 3, 4]
    assert mean["u"].attrs["units"] == "m/s" and mean["time"].attrs["units"] == "s"
    assert mean.attrs == {"problem": "flow", "grid": "nodes", "periodic": "x"}
    assert from_arrays(mean).parameters == ["Re"]
    later = answer(query(data, [0, 1], 1, 3))
    assert later["time_of_case"].values.tolist() == 2 * [[1, 2, 3], [2, 3, 4]] and "time" not in later.coords
    assert later["case"].values.tolist() == [2, 2, 0, 0]
    asked = query(data, [0], 1, 3)
    bare = answer(replace(asked, context=asked.context.drop_vars(["source_case", "Re"]).drop_attrs()))
    assert bare["case"].values.tolist() == [0, 1] and bare.attrs == {}


def test_solid_cells_of_a_context_are_zero_and_others_finite(make):
    mask = np.ones((3, 4, 5), bool)
    mask[1, 0] = False
    for chosen in (mask, mask[1]):
        context = query(make(mask=chosen), [0], 2, 1).context
        context["v"] = context["v"].where(context["mask"])  # NaN in solid cells
        found = context_array(context, ["v", "u"], ("y", "x"))
        assert found.shape == (3, 2, 2, 4, 5) and (found[1, :, :, 0] == 0).all()
        assert (found[0, :, 0, 1] == context["v"].values[0, :, 1]).all()
        for bad in (np.nan, np.inf):
            context["u"][0, 1, 2, 2] = bad
            with pytest.raises(InputError, match="context frames hold NaN or infinity"):
                context_array(context, ["u"], ("y", "x"))
