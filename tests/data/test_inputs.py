"""Input fields and steady problems: stored, checked, asked for, read in windows, normalised."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import torch

from sciflow.core import InputError
from sciflow.data import Normaliser, Windows, check_file, from_arrays, open_dataset, query, truth
from sciflow.data.queries import later_frames
from sciflow.data.query_arrays import context_array, input_array

RNG = np.random.default_rng(0)
U, A = RNG.normal(size=(5, 3, 4)), RNG.uniform(3, 12, (5, 3, 4))
SHARED = RNG.normal(size=(3, 4))


@pytest.fixture
def steady():
    """Five cases u(y, x) with an input field of each case and one that all share."""
    return from_arrays({"u": U}, inputs={"a": A, "f": SHARED}, steady=True, units={"a": "m2"})


def test_steady_fields_and_inputs_become_a_data_set(steady):
    data = steady.xarray
    assert steady.inputs == ["a", "f"] and steady.fields == ["u"] and steady.times.tolist() == [0.0]
    assert data["u"].dims == ("case", "time", "y", "x") and data["a"].dims == ("case", "y", "x")
    assert data["f"].dims == ("y", "x") and data["a"].attrs == {"role": "input", "units": "m2"}
    values = steady.select([4, 1]).input_values()
    assert values.dtype == np.float32 and values.shape == (2, 2, 3, 4)
    assert np.array_equal(values[:, 0], A[[4, 1]].astype(np.float32))
    assert np.array_equal(values[:, 1], np.stack([SHARED, SHARED]).astype(np.float32))
    assert from_arrays({"u": U[:, None]}, inputs={"a": A, "f": SHARED}, units={"a": "m2"}).digest == steady.digest
    assert from_arrays({"u": U}, steady=True, times=[3.0]).times.tolist() == [3.0]
    assert from_arrays({"u": U[:, None]}).input_values().shape == (5, 0, 3, 4)


def test_xarray_with_roles_or_dimensions_that_tell(steady):
    assert from_arrays(steady.xarray).digest == steady.digest
    bare = steady.xarray.isel(time=0, drop=True)
    bare["u"].attrs = {}
    assert from_arrays(bare, steady=True, grid="nodes").digest == steady.digest
    marked = steady.xarray.copy()
    marked["a"].attrs = {"units": "m2"}  # no time: an input
    assert from_arrays(marked).inputs == ["a", "f"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inputs": {"a": A[:4]}}, r"input 'a' has the shape \(4, 3, 4\); expected \(3, 4\), or with 5 cases"),
        ({"inputs": {"u": A}}, "'u' is given twice, once as an input"),
        ({"inputs": {"a": np.where(A > 11, np.nan, A)}}, "input 'a' holds NaN or infinity in case"),
        ({"inputs": {"a": A.astype(str)}}, "input 'a' holds <U.*expected real numbers"),
        (
            {"inputs": {"a": A}, "steady": False},
            r"shape \(5, 3, 4\); expected \(4,\).* without a time axis need steady",
        ),
    ],
)
def test_inputs_that_do_not_fit(arguments, message):
    with pytest.raises(InputError, match=message):
        from_arrays({"u": U}, **({"steady": True} | arguments))


def test_files_hold_inputs_and_their_check_covers_them(steady, tmp_path):
    data = open_dataset(from_arrays(steady.xarray, path=tmp_path / "data.h5").path)
    assert check_file(data.path) == [] and data.digest != from_arrays({"u": U}, steady=True).digest
    np.testing.assert_array_equal(data.select([2]).input_values(), steady.select([2]).input_values())
    data.close()
    with h5py.File(data.path, "r+") as file:
        file["a"][3, 0, 0] = np.nan
    found = check_file(data.path)
    assert ["input 'a' holds NaN or infinity in case 3" in found[0], "values of case 3 have" in found[1]] == [True] * 2
    with pytest.raises(InputError, match="an input field of case 3"):
        Normaliser.fit(open_dataset(data.path), frames_in=0)


def test_the_digest_names_the_inputs(steady):
    digests = {steady.digest}
    for name in ("a", "f"):
        changed = steady.xarray.copy(deep=True)
        changed[name].values[..., 1, 1] += 1
        digests.add(from_arrays(changed).digest)
    assert len(digests) == 3


def test_inputs_of_the_wrong_kind_break_the_schema(steady):
    data = steady.xarray.copy()
    data["a"] = data["a"].astype(np.int64).assign_attrs(role="input")
    with pytest.raises(InputError, match="input 'a' holds int64; expected floating-point"):
        from_arrays(data)
    data = steady.xarray.drop_vars("a").assign(a=("case", np.ones(5), {"role": "input"}))
    with pytest.raises(InputError, match=r"input 'a' has the dimensions \('case',\)"):
        from_arrays(data)


def test_a_query_without_context_frames(steady):
    mask = np.ones((3, 4), bool)
    mask[0, 0] = False
    chosen = from_arrays(
        {"u": U}, inputs={"a": A, "f": SHARED}, parameters={"Re": np.arange(5.0)}, steady=True, mask=mask
    )
    asked = query(chosen.select([3, 1]), [0], 0, 1)
    context = asked.context
    assert dict(context.sizes) == {"case": 2, "time": 0, "y": 3, "x": 4} and context["u"].attrs["role"] == "field"
    assert asked.context_times.shape == (2, 0) and asked.times.tolist() == [[0.0], [0.0]] and asked.steps == 1
    np.testing.assert_array_equal(context["a"], A[[3, 1]].astype(np.float32))
    np.testing.assert_array_equal(context["f"], np.stack([SHARED, SHARED]).astype(np.float32))
    assert context["a"].attrs["role"] == "input" and context["mask"].dims == ("y", "x")
    assert context["Re"].values.tolist() == [3, 1] and context["source_case"].values.tolist() == [3, 1]
    exact = truth(chosen.select([3, 1]), [0], 0, 1)
    assert list(exact.data_vars) == ["u"]
    np.testing.assert_array_equal(exact["u"].values[:, 0], np.where(mask, U[[3, 1]], 0))
    assert later_frames(chosen, 0).steps == 1
    values = input_array(context, ["f", "a"], ("y", "x"))
    np.testing.assert_array_equal(values[:, 1], A[[3, 1]].astype(np.float32))
    assert context_array(context, ["u"], ("y", "x")).shape == (2, 0, 1, 3, 4)


def test_times_signals_and_starts_of_a_query_without_context_frames():
    times, signal = np.array([0.0, 0.5, 2.0, 3.0]), np.arange(8.0).reshape(2, 4)
    data = from_arrays({"u": RNG.normal(size=(2, 4, 6))}, times=times, signals={"g": signal})
    asked = query(data, [1, 0], 0, 3)
    assert asked.times.tolist() == [[0.5, 2, 3], [0, 0.5, 2]] * 2
    assert asked.signals["g"].tolist() == [[1, 2, 3], [0, 1, 2], [5, 6, 7], [4, 5, 6]]
    assert asked.context["start"].values.tolist() == [1, 0, 1, 0]
    np.testing.assert_array_equal(truth(data, [1], 0, 3)["u"], data.xarray["u"][:, 1:])


def test_forecasts_are_told_the_inputs_too():
    data = from_arrays({"u": RNG.normal(size=(2, 4, 6))}, inputs={"c": np.arange(6.0)})
    context = query(data, [0, 1], 1, 2).context
    assert context["c"].dims == ("case", "x") and context["c"].values.tolist() == 4 * [list(range(6))]
    with pytest.raises(InputError, match="lacks the input field 'b'"):
        input_array(context, ["b"], ("x",))
    with pytest.raises(InputError, match=r"'c' of the query has the dimensions \('case',\)"):
        input_array(context.assign(c=("case", np.ones(4))), ["c"], ("x",))
    with pytest.raises(InputError, match="input fields hold NaN"):
        input_array(context.assign(c=context["c"] * np.nan), ["c"], ("x",))


@pytest.mark.parametrize("storage", ["memory", "cached file", "file"])
def test_windows_of_a_steady_problem(steady, tmp_path, storage):
    data = steady if storage == "memory" else from_arrays(steady.xarray, path=tmp_path / "data.h5")
    windows = Windows(data.select([4, 2, 0]), 0, 1, cache_bytes=0 if storage == "file" else 2**20)
    assert len(windows) == 3
    batch = windows.__getitems__([2, 0, 0])
    assert batch["x"].shape == (3, 0, 1, 3, 4) and batch["y"].shape == (3, 1, 1, 3, 4)
    assert batch["case"].tolist() == [0, 4, 4] and batch["dt"].tolist() == [0, 0, 0]
    np.testing.assert_array_equal(batch["y"][:, 0, 0], U[[0, 4, 4]].astype(np.float32))
    np.testing.assert_array_equal(batch["inputs"][:, 0], A[[0, 4, 4]].astype(np.float32))
    np.testing.assert_array_equal(batch["inputs"][:, 1], np.stack([SHARED] * 3).astype(np.float32))
    assert batch["inputs"].dtype == torch.float32 and windows[1]["inputs"].shape == (2, 3, 4)


def test_windows_without_context_frames_know_the_time():
    times = np.array([[0.0, 1.0, 3.0, 6.0], [0.0, 0.5, 1.0, 1.5]])
    data = from_arrays({"u": RNG.normal(size=(2, 4, 6))}, times=times, signals={"g": np.arange(8.0).reshape(2, 4)})
    batch = Windows(data, 0, 1).__getitems__(range(8))
    assert batch["dt"].tolist() == times.ravel().tolist() and batch["inputs"].shape == (8, 0, 6)
    assert batch["signals"][:, :, 0].tolist() == [[g] for g in range(8)]
    even = Windows(data.select([1]), 0, 3).__getitems__([0, 1])
    assert even["dt"].tolist() == [0, 0.5] and even["y"].shape == (2, 3, 1, 6) and even["signals"].shape == (2, 3, 1)
    with pytest.raises(InputError, match="equally spaced"):
        Windows(data, 0, 3)


def test_inputs_count_in_the_cache(steady):
    size = 4 * 5 * 3 * 12
    assert Windows(steady, 0, 1, cache_bytes=size).cached
    assert not Windows(steady, 0, 1, cache_bytes=size - 1).cached


def test_normalised_inputs_are_standard_over_the_training_cases():
    mask = np.ones((3, 4), bool)
    mask[1, 2] = False
    data = from_arrays({"u": U}, inputs={"a": A, "f": SHARED, "one": np.ones((3, 4))}, steady=True, mask=mask)
    train = data.select([0, 1, 3])
    fitted = Normaliser.fit(train, frames_in=0)
    z = fitted.inputs(torch.from_numpy(train.input_values())).numpy()[..., mask]
    np.testing.assert_allclose(z.mean((0, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(z.std((0, 2)), [1, 1, 0], atol=1e-5)  # what is constant tells nothing
    expected = (A[4] - A[[0, 1, 3]][:, mask].mean()) / A[[0, 1, 3]][:, mask].std()
    np.testing.assert_allclose(fitted.inputs(torch.from_numpy(data.select([4]).input_values()))[0, 0], expected, 1e-4)
    again = Normaliser.from_config(fitted.config())
    again.load_state_dict(fitted.state_dict())
    assert torch.equal(again.input_factor, fitted.input_factor) and fitted.std_increment.tolist() == [1.0]


def test_times_are_normalised_by_their_mean_without_context_frames():
    times = np.array([0.0, 1.0, 5.0])
    data = from_arrays({"u": RNG.normal(size=(2, 3, 6))}, times=times)
    assert Normaliser.fit(data, frames_in=0).time_mean == 2.0
    assert Normaliser.fit(data).time_mean == 2.5
    assert Normaliser.fit(from_arrays({"u": U}, steady=True), frames_in=0).time_mean == 1.0
    with pytest.raises(InputError, match="at least 2 frames"):
        Normaliser.fit(from_arrays({"u": U}, steady=True))


def test_models_saved_without_inputs_can_still_be_read():
    fitted = Normaliser.fit(from_arrays({"u": RNG.normal(size=(2, 3, 6))}))
    config = {name: value for name, value in fitted.config().items() if name != "inputs"}
    assert not [name for name in fitted.state_dict() if name.startswith("input")]
    Normaliser.from_config(config).load_state_dict(fitted.state_dict())


def test_a_problem_names_its_inputs(monkeypatch):
    import sympy

    from sciflow.problems import Box, Dirichlet, Field, Problem, coordinates, registry

    x, y = coordinates("x y")
    u, a = Field("u")(x, y), Field("a", unit="m**2", long_name="permeability")(x, y)
    darcy = Problem(
        name="some_darcy", fields=[u], inputs={a: 1 + x}, domain=Box(x=(0, 1), y=(0, 1)),
        steady={u: sympy.Eq(-(a * u.diff(x)).diff(x) - (a * u.diff(y)).diff(y), 1)},
        boundary={u: {side: Dirichlet(0) for side in ("x-", "x+", "y-", "y+")}},
    )  # fmt: skip
    get = registry.get
    monkeypatch.setattr(registry, "get", lambda name: darcy if name == "some_darcy" else get(name))
    monkeypatch.setattr("sciflow.problems.get", registry.get)
    data = from_arrays({"u": U}, inputs={"a": A}, steady=True, problem="some_darcy")
    assert data.units("a") == "m**2" and data.xarray["a"].attrs["long_name"] == "permeability"
    for arrays, inputs, missing in (({"u": U}, {}, "input 'a'"), ({"v": U}, {"a": A}, "field 'u'")):
        with pytest.raises(InputError, match=f"The {missing} of the problem 'some_darcy' is missing"):
            from_arrays(arrays, inputs=inputs, steady=True, problem="some_darcy")
