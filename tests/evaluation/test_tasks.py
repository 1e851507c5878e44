"""Tasks without start frames: what is asked, what is observed, and what errors are held against."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from sciflow.core import Forecast, InputError, Query
from sciflow.data import Dataset, from_arrays
from sciflow.evaluation import CallableMethod, FieldTask, evaluate
from sciflow.evaluation.tasks import on_grid, training_mean

CASES, STEPS, N = 5, 4, 12


@pytest.fixture
def data() -> Dataset:
    """u = p (1 + t) sin(2 pi x) and an input field a = p cos(2 pi x), periodic; the last two points are solid."""
    x, times, p = np.arange(N) / N, np.arange(STEPS) / 2, np.arange(1.0, CASES + 1)
    u = p[:, None, None] * (1 + times)[:, None] * np.sin(2 * np.pi * x)
    mask = np.arange(N) < N - 2
    return from_arrays(
        {"u": u}, times=times, coordinates={"x": x}, parameters={"p": p}, periodic=("x",), mask=mask,
        inputs={"a": p[:, None] * np.cos(2 * np.pi * x)},
    )  # fmt: skip


def test_all_frames_are_asked_for_and_none_is_given(data: Dataset) -> None:
    for kind in ("parametric", "map", "condition"):
        task = FieldTask(kind, points=6)  # type: ignore[arg-type]
        (horizon,) = task.horizons_on(data)
        asked = task.ask(data, [0], horizon.steps)
        assert (asked.cases, asked.steps) == (CASES, STEPS)
        assert asked.context.sizes["time"] == 0 and asked.context_times.shape == (CASES, 0)
        assert asked.context["a"].shape == (CASES, N)
        assert (asked.observations is not None) == (kind == "condition")


def test_observations_are_the_field_at_fluid_points(data: Dataset) -> None:
    task = FieldTask("condition", points=20, seed=3)
    observed = task.ask(data, [0], STEPS).observations
    assert observed is not None and observed.sizes == {"case": CASES, "point": 20}
    p = np.arange(1.0, CASES + 1)[:, None]
    exact = p * (1 + observed["t"]) * np.sin(2 * np.pi * observed["x"])
    np.testing.assert_allclose(observed["u"], exact, atol=1e-6)
    assert float(observed["x"].max()) < (N - 2) / N
    for case in range(CASES):
        places = set(zip(observed["t"].values[case], observed["x"].values[case], strict=True))
        assert len(places) == 20  # without replacement
    alone = task.ask(data.select([3]), [0], STEPS).observations
    assert alone is not None
    np.testing.assert_array_equal(alone["u"][0], observed["u"][3])  # a case does not depend on the others
    with pytest.raises(InputError, match="at most so many"):
        FieldTask("condition", points=41).ask(data, [0], STEPS)


def test_noise_is_relative_to_the_spread_of_the_case(data: Dataset) -> None:
    quiet, loud = (FieldTask("condition", points=40, noise=noise).ask(data, [0], STEPS) for noise in (0.0, 0.1))
    assert quiet.observations is not None and loud.observations is not None
    gap = (loud.observations["u"] - quiet.observations["u"]).values
    spread = [data.array(cases=[case])[0, :, 0, : N - 2].std() for case in range(CASES)]
    np.testing.assert_allclose(gap.std(axis=1) / spread, 0.1, rtol=0.4)  # 40 draws each: 11 % is one deviation
    np.testing.assert_allclose((gap / np.array(spread)[:, None]).std(), 0.1, rtol=0.15)


def test_errors_are_held_against_the_training_mean(data: Dataset) -> None:
    train, test = data.select([0, 1, 2]), data.select([3, 4])
    task = FieldTask("parametric")
    mean = training_mean(train, task, STEPS)
    assert mean is not None and mean.shape == (STEPS, 1, N)
    np.testing.assert_allclose(mean, train.array().mean(axis=0), rtol=1e-6)

    def guess(query: Query) -> Forecast:
        return Forecast(xr.Dataset({"u": (("case", "time", "x"), np.zeros((query.cases, query.steps, N)))}))

    found = evaluate(CallableMethod(guess), test, task, ["nmse", "gain"], reference=mean).table
    rows = found[found["field"] == "all"].set_index(["metric", "case"])["value"]
    assert rows["nmse", 3] == pytest.approx(1.0)
    assert rows["persistence_nmse", 3] == pytest.approx((2 / 4) ** 2)  # mean p = 2, p = 4
    assert rows["persistence_nmse", 4] == pytest.approx((3 / 5) ** 2)
    assert rows["gain", 4] == pytest.approx(0.36)


def test_the_training_mean_is_known_on_other_grids(data: Dataset) -> None:
    x = np.arange(2 * N) / (2 * N)
    fine = from_arrays({"u": np.zeros((1, STEPS, 2 * N))}, coordinates={"x": x}, periodic=("x",))
    there = on_grid(np.sin(2 * np.pi * np.arange(N) / N)[None, None], data, fine)
    np.testing.assert_allclose(there[0, 0], np.sin(2 * np.pi * x), atol=1e-12)


def test_a_task_that_the_data_cannot_serve_is_refused() -> None:
    bare = from_arrays({"u": np.random.default_rng(0).random((2, 3, 8))})
    with pytest.raises(InputError, match="input field"):
        FieldTask("map").horizons_on(bare)
    with pytest.raises(InputError, match="case parameters"):
        FieldTask("parametric").horizons_on(bare)


def test_the_training_mean_is_taken_in_the_scales_of_the_cases(data: Dataset) -> None:
    """u = p (1 + t) sin(2 pi x) with the scale p: in its scale every case is the mean, which then has no error."""
    from sciflow.baselines.mean import MeanField

    raw = data.xarray.assign_coords(scale_u=data.xarray["p"].variable)
    raw["u"].attrs["scale_coord"] = "scale_u"
    scaled = from_arrays(raw)
    task = FieldTask("parametric")
    reference = training_mean(scaled.select([0, 3]), task, STEPS)
    found = evaluate(MeanField().fit(scaled.select([0, 3])), scaled, task, ["nmse"], reference=reference)
    rows = found.table.query("field == 'all'").set_index(["metric", "case"])["value"]
    assert rows["persistence_nmse"].max() < 1e-12 and rows["nmse"].max() < 1e-12


def test_some_times_are_asked_for(data: Dataset) -> None:
    whole, some = FieldTask("condition", points=6), FieldTask("condition", points=6, at=(0.1, 1.1))
    (horizon,) = some.horizons_on(data)
    assert horizon.steps == 2
    asked, every = some.ask(data, [0], 2), whole.ask(data, [0], STEPS)
    np.testing.assert_allclose(asked.times, [[0.0, 1.0]] * CASES)
    xr.testing.assert_equal(asked.observations, every.observations)  # of all times, whatever is asked for
    real, all_frames = some.truth(data, [0], 2)["u"], whole.truth(data, [0], STEPS)["u"]
    assert real.dims == all_frames.dims
    np.testing.assert_array_equal(real.values, all_frames.values[:, [0, 2]])
    mean, full = training_mean(data, some, 2), training_mean(data, whole, STEPS)
    assert mean is not None and full is not None
    np.testing.assert_allclose(mean, full[[0, 2]])

    def answer(query: Query) -> Forecast:
        return Forecast(some.truth(data.select([int(c) for c in query.context["source_case"]]), [0], 2))

    found = evaluate(CallableMethod(answer), data, some, ["nmse"], reference=mean)
    assert found.table["value"][found.table["metric"] == "nmse"].max() == 0.0
    assert set(found.curves["step"]) == {1, 2}


def test_times_that_differ_by_case_are_found_in_each() -> None:
    times = np.array([[0.0, 1.0, 2.0], [0.0, 2.0, 4.0]])
    data = from_arrays({"u": times[..., None] * np.ones(3)}, times=times)
    real = FieldTask("condition", points=2, at=(2.0,)).truth(data, [0], 1)
    np.testing.assert_array_equal(real["u"].values, np.full((2, 1, 3), 2.0))


@pytest.mark.parametrize("time", [-0.3, 1.8, 50.0])
def test_times_that_no_frame_is_near_are_refused(data: Dataset, time: float) -> None:
    """Frames at 0, 0.5, 1 and 1.5 s: a quarter of a second is the most that a time may lie outside."""
    task = FieldTask("condition", points=6, at=(time,))
    for ask in (task.ask, task.truth):
        with pytest.raises(InputError, match="frames from 0 to 1.5 s; ask for times in between"):
            ask(data, [0], 1)
    with pytest.raises(InputError, match="frames from 0 to 1.5 s"):
        training_mean(data, task, 1)
    near = FieldTask("condition", points=6, at=(-0.25, 1.75)).ask(data, [0], 2)
    np.testing.assert_array_equal(near.times, [[0.0, 1.5]] * CASES)


@pytest.mark.parametrize("times", [(1.0, 0.5), (0.5, 0.5), (np.nan,), (0.0, np.inf)])
def test_times_must_be_finite_and_increasing(times: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="finite and increasing"):
        FieldTask("condition", at=times)


def test_observations_on_a_lattice(data: Dataset) -> None:
    observed = FieldTask("condition", points=9, layout="lattice").ask(data, [0], STEPS).observations
    assert observed is not None
    for case in range(CASES):
        times, places = (observed[name].values[case].reshape(3, 3) for name in ("t", "x"))
        assert len(set(times[:, 0])) == 3 and (times == times[:, :1]).all() and (np.diff(times[:, 0]) > 0).all()
        assert len(set(places[0])) == 3 and (places == places[0]).all() and places.max() < (N - 2) / N
    assert len({tuple(row) for row in observed["x"].values}) > 1  # each case draws its own
    exact = np.arange(1.0, CASES + 1)[:, None] * (1 + observed["t"]) * np.sin(2 * np.pi * observed["x"])
    np.testing.assert_allclose(observed["u"], exact, atol=1e-6)
    with pytest.raises(InputError, match="square"):
        FieldTask("condition", points=8, layout="lattice")
    with pytest.raises(InputError, match="5 frames and 5 cells; case 0 has 4 and 10"):
        FieldTask("condition", points=25, layout="lattice").ask(data, [0], STEPS)
