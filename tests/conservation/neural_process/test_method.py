"""Neural processes as methods: training, forecasts, storage, and what they refuse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from sciflow.baselines import methods
from sciflow.conservation.neural_process import AttentiveNeuralProcess, ConditionalNeuralProcess, pretrained
from sciflow.core import Forecast, InputError, Query
from sciflow.data import Dataset, from_arrays, query
from sciflow.evaluation.methods import build
from sciflow.evaluation.tasks import FieldTask

TINY = {"width": 8, "heads": 2, "points": (3, 4), "batch_size": 4, "steps": 4, "draws": 5}


def waves(cases: int = 12, seed: int = 0, **options: Any) -> Dataset:
    """Standing waves u of a random height and v = 1000 + 50 u on 5 frames and a 4 x 6 grid."""
    height = np.random.default_rng(seed).uniform(0.5, 2, size=(cases, 1, 1, 1))
    time, y, x = np.linspace(0, 1, 5), np.linspace(0, 1, 4), np.linspace(0, 1, 6)
    u = height * np.cos(2 * time[:, None, None]) * (y[:, None] + np.sin(3 * x))
    return from_arrays({"u": u, "v": 1000 + 50 * u}, times=time, coordinates={"y": y, "x": x}, **options)


def fronts(exponents: np.ndarray) -> Dataset:
    """The wave (m (t - x)_+)^(1/m) of the porous-medium equation on 51 x 51 nodes."""
    axis, m = np.linspace(0, 1, 51), np.asarray(exponents)[:, None, None]
    values = np.maximum(m * (axis[:, None] - axis), 0.0) ** (1 / m)
    return from_arrays({"u": values.astype(np.float32)}, times=axis, parameters={"m": exponents})


def ask(data: Dataset, points: int = 9) -> Query:
    return FieldTask("condition", points=points).ask(data, [0], data.frame_count)


def parts(forecast: Forecast) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    assert forecast.variance is not None and forecast.members is not None and forecast.member_variance is not None
    return forecast.variance, forecast.members, forecast.member_variance


@pytest.fixture(scope="module")
def fitted() -> AttentiveNeuralProcess:
    return AttentiveNeuralProcess(**TINY).fit(waves(), waves(3, seed=1))


def test_a_forecast_is_the_mixture_of_its_members(fitted: AttentiveNeuralProcess) -> None:
    data = waves(3, seed=2)
    forecast = fitted.predict(ask(data))
    variance, members, spread = parts(forecast)
    assert members["u"].dims == ("member", "case", "time", "y", "x") and members.sizes["member"] == 5
    for name in ("u", "v"):
        mean = members[name].mean("member")
        np.testing.assert_allclose(forecast.mean[name], mean, rtol=1e-12)
        whole = spread[name].mean("member") + members[name].var("member", ddof=1)
        np.testing.assert_allclose(variance[name], whole, rtol=1e-12)
        assert forecast.mean[name].dtype == variance[name].dtype == np.float64
    # v = 1000 + 50 u has the same numbers inside, so its forecast is of that size
    assert abs(float(forecast.mean["v"].mean()) - 1000) < 200 and float(spread["v"].min()) > 0


def test_draws_depend_on_the_seed_and_the_case_alone(fitted: AttentiveNeuralProcess) -> None:
    asked = ask(waves(3, seed=2))
    for dropout in (False, True):
        method = fitted.with_options(dropout=dropout)
        first, again = (parts(method.predict(asked))[1]["u"].values for _ in range(2))
        np.testing.assert_array_equal(first, again)
        assert not np.allclose(first, parts(method.with_options(seed=1).predict(asked))[1]["u"].values)
        assert asked.observations is not None
        last = Query(
            asked.context.isel(case=[2]), asked.context_times[2:], asked.times[2:],
            observations=asked.observations.isel(case=[2]),
        )  # fmt: skip
        np.testing.assert_allclose(parts(method.predict(last))[1]["u"].values, first[:, 2:], rtol=1e-5, atol=1e-6)
        assert np.ptp(first, axis=0).min() > 0
    calm, noisy = (fitted.with_options(dropout=dropout).predict(asked).mean["u"].values for dropout in (False, True))
    assert not np.allclose(calm, noisy)
    assert fitted.with_options(draws=2).predict(asked).members is not None and fitted.config()["draws"] == 5


def test_chunks_do_not_change_a_forecast(fitted: AttentiveNeuralProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ask(waves(1, seed=2))
    whole = parts(fitted.predict(asked))
    monkeypatch.setattr("sciflow.conservation.neural_process.forecasting._CHUNK_BYTES", 5 * 16 * 24 * 7)
    for a, b in zip(whole, parts(fitted.predict(asked)), strict=True):
        np.testing.assert_allclose(a["v"], b["v"], rtol=1e-5)


def test_other_grids_times_and_numbers_of_observations(fitted: AttentiveNeuralProcess) -> None:
    data = waves(2, seed=3)
    asked = query(data, [1], 0, 2)
    fine = xr.Dataset(
        {name: (("case", "time", "y", "x"), np.zeros((2, 0, 3, 9))) for name in ("u", "v")},
        {"y": [0.0, 0.3, 1.0], "x": np.linspace(0, 1, 9)},
    )
    seen = ask(data, 24).observations
    forecast = fitted.predict(Query(fine, asked.context_times, asked.times, observations=seen))
    assert dict(forecast.mean.sizes) == {"case": 2, "time": 2, "y": 3, "x": 9}
    np.testing.assert_array_equal(forecast.mean["time"], data.times[1:3])


def test_solid_cells_hold_nothing() -> None:
    mask = np.ones((4, 6), bool)
    mask[1, 2] = False
    data = waves(6, mask=mask)
    forecast = AttentiveNeuralProcess(**TINY).fit(data).predict(ask(data))
    variance, members, _ = parts(forecast)
    for part in (forecast.mean, variance, members):
        assert (part["v"].values[..., 1, 2] == 0).all() and (part["v"].values[..., 1, 3] != 0).all()


def test_saving_and_loading_changes_nothing(fitted: AttentiveNeuralProcess, tmp_path: Path) -> None:
    asked = ask(waves(2, seed=4))
    conditional = ConditionalNeuralProcess(width=8, points=(3, 4), batch_size=4, steps=3).fit(waves())
    for method in (fitted, conditional):
        method.save(tmp_path / method.name)
        again = type(method).load(tmp_path / method.name)
        assert again.config() == method.config() and again.cost() == method.cost()
        np.testing.assert_array_equal(again.predict(asked).mean["u"], method.predict(asked).mean["u"])
    assert conditional.predict(asked).members is None and conditional.predict(asked).variance is not None
    with pytest.raises(InputError, match="'cnp', not 'anp'"):
        AttentiveNeuralProcess.load(tmp_path / "cnp")


def test_the_same_seed_gives_the_same_weights() -> None:
    runs = [AttentiveNeuralProcess(**TINY, seed=seed).fit(waves(), waves(3, seed=1)) for seed in (3, 3, 4)]
    for name, values in runs[0].arrays.items():
        np.testing.assert_array_equal(values, runs[1].arrays[name])
    assert not np.array_equal(runs[0].arrays["network.key.weight"], runs[2].arrays["network.key.weight"])
    assert runs[0].state["training"]["steps"] == 4 and runs[0].cost()["parameters"] > 1000


def test_a_conditional_process_learns_fronts_in_seconds() -> None:
    """150 steps: much closer than the mean of the training cases, with a likelihood to match."""
    generator = np.random.default_rng(0)
    train, test = fronts(generator.uniform(1, 6, 60)), fronts(generator.uniform(1, 6, 8))
    method = ConditionalNeuralProcess(width=32, steps=150, learning_rate=5e-3).fit(train, test)
    forecast = method.predict(ask(test, 100))
    assert forecast.variance is not None
    real, mean, variance = test.array("u")[:, :, 0], forecast.mean["u"].values, forecast.variance["u"].values
    error = np.mean((mean - real) ** 2)
    assert error < 0.6 * np.mean((train.array("u")[:, :, 0].mean(axis=0) - real) ** 2)
    assert np.mean(-0.5 * np.log(2 * np.pi * variance) - 0.5 * (mean - real) ** 2 / variance) > 1.0


def test_physics_enters_the_training() -> None:
    """The equations of the data set's problem are found by its name, and change the weights."""
    x, t = np.arange(8) / 8, np.linspace(0, 1, 5)
    speed = np.array([0.5, 1.0, 2.0])
    u = np.sin(2 * np.pi * (x - speed[:, None, None] * t[:, None]))
    data = from_arrays({"u": u}, times=t, coordinates={"x": x}, parameters={"c": speed}, problem="advection")
    plain, bound = (AttentiveNeuralProcess(**TINY, physics=weight).fit(data) for weight in (0.0, 1.0))
    assert not np.array_equal(plain.arrays["network.key.weight"], bound.arrays["network.key.weight"])


def test_the_registry_builds_them_from_plain_options() -> None:
    method = build("anp", {**TINY, "points": [3, 4]}, seed=7)
    assert isinstance(method, AttentiveNeuralProcess) and method.config()["seed"] == 7
    assert methods.get("cnp") is ConditionalNeuralProcess
    with pytest.raises(InputError, match="sampling"):
        build("anp", {"sampling": "random"})


def test_the_budget_may_be_seconds() -> None:
    method = AttentiveNeuralProcess(**{**TINY, "steps": None}, seconds=0.2).fit(waves())
    assert 0.2 <= method.cost()["training_seconds"] < 5 and method.cost()["steps"] >= 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 3, "seconds": 1.0}, "Both steps and seconds"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"physics": -1.0}, "weight physics"),
        ({"draws": 0}, "draws must be"),
        ({"draws": True}, "draws must be a whole number of at least 1, not True"),
        ({"batch_size": 1.5}, "batch_size must be a whole number of at least 1, not 1.5"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, not 0"),
        ({"steps": 2.5}, "steps must be a whole number of at least 1, not 2.5"),
        ({"seed": 0.5}, "seed must be a whole number of at least 0, not 0.5"),
        ({"points": (1.5, 2)}, r"points must be two whole numbers of at least 1 .*, not \(1.5, 2\)"),
        ({"points": 10}, "points must be two whole numbers .*, not 10"),
        ({"decoder_layers": 0}, "decoder_layers must be a whole number of at least 1, not 0"),
        ({"self_layers": 1.5}, "self_layers must be a whole number of at least 1, not 1.5"),
        ({"width": "64"}, "width must be a whole number of at least 1, not '64'"),
        ({"dropout_rate": None}, "dropout_rate must be a number of at least 0, not None"),
        ({"learning_rate": "fast"}, "learning_rate must be positive, not 'fast'"),
        ({"seconds": float("nan")}, "seconds must be positive, not nan"),
    ],
)
def test_values_out_of_range_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        AttentiveNeuralProcess(**options)


def test_queries_that_do_not_fit_are_refused(fitted: AttentiveNeuralProcess) -> None:
    asked = ask(waves(2))
    with pytest.raises(InputError, match="not fitted"):
        AttentiveNeuralProcess().predict(asked)
    with pytest.raises(InputError, match="needs observations"):
        fitted.predict(replace(asked, observations=None))
    assert asked.observations is not None
    with pytest.raises(InputError, match="hold no point"):
        fitted.predict(replace(asked, observations=asked.observations.isel(point=slice(0))))
    with pytest.raises(InputError, match="lacks the field 'v'"):
        fitted.predict(
            replace(asked, context=asked.context.drop_vars("v"), observations=asked.observations.drop_vars("v"))
        )
    line = from_arrays({"u": np.zeros((2, 5, 6)), "v": np.zeros((2, 5, 6))}, times=np.linspace(0, 1, 5))
    with pytest.raises(InputError, match="was fitted on the axes"):
        fitted.predict(ask(line))
    with pytest.raises(InputError, match="no option of prediction 'width'"):
        fitted.with_options(width=3)
    with pytest.raises(InputError, match="dropout must be True or False"):
        fitted.with_options(dropout=0.1)
    with pytest.raises(InputError, match="names its problem"):
        AttentiveNeuralProcess(**TINY, physics=1.0).fit(waves())
    with pytest.raises(InputError, match="became NaN or infinite"):
        AttentiveNeuralProcess(**{**TINY, "steps": 50}, learning_rate=1e25).fit(waves())


def test_pretrained_weights_are_found_by_name(
    fitted: AttentiveNeuralProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sciflow.conservation.neural_process.shipped.WEIGHTS", tmp_path)
    with pytest.raises(InputError, match="No pretrained weights are named 'anp-waves'"):
        pretrained("anp-waves")
    fitted.save(tmp_path / "anp-waves")
    found = pretrained("anp-waves")
    assert isinstance(found, AttentiveNeuralProcess)
    asked = ask(waves(1))
    np.testing.assert_array_equal(found.predict(asked).mean["u"], fitted.predict(asked).mean["u"])
    with pytest.raises(InputError, match="Did you mean 'anp-waves'"):
        pretrained("anp-wave")
