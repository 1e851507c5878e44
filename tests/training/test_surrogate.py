from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from sciflow.core import InputError, Method
from sciflow.data import Dataset, from_arrays, open_dataset, query, truth
from sciflow.training import Record, Surrogate

NETWORK = {"width": 16, "layers": 2, "modes": 4}
FAST = {"steps": 300, "batch_size": 32, "learning_rate": 1e-2, "ema": 0.98, "threads": 1}


def errors(forecast: xr.Dataset, exact: xr.Dataset) -> float:
    return float(((forecast - exact) ** 2).mean()["u"])


@pytest.fixture(scope="module")
def fitted(train: Dataset, valid: Dataset) -> Surrogate:
    return Surrogate("fno", **NETWORK, **FAST).fit(train, valid)


@pytest.mark.parametrize("predict", ["increment", "state"])
def test_advection_is_learnt_well_below_persistence(
    train: Dataset, test: Dataset, fitted: Surrogate, predict: str
) -> None:
    surrogate = fitted if predict == "increment" else Surrogate("fno", **NETWORK, **FAST, predict=predict).fit(train)
    for steps in (1, 5):
        exact = truth(test, [0], 1, steps)
        held = query(test, [0], 1, steps).context.isel(time=[0] * steps)[["u"]]
        forecast = surrogate.predict(query(test, [0], 1, steps))
        assert errors(forecast.mean, exact) < errors(held, exact) / 20


def test_two_context_frames_tell_the_speed(train: Dataset, test: Dataset) -> None:
    """Without the parameter, one frame does not say how fast it moves; two frames do."""
    hidden, asked = (from_arrays(data.xarray.drop_vars("speed")) for data in (train, test))
    found = []
    for frames_in in (1, 2):
        surrogate = Surrogate("fno", **NETWORK, **FAST, frames_in=frames_in).fit(hidden)
        forecast = surrogate.predict(query(asked, [2 - frames_in], frames_in, 4))
        found.append(errors(forecast.mean, truth(asked, [2 - frames_in], frames_in, 4)))
    assert found[1] < found[0] / 3


def test_a_forecast_has_the_grid_and_units_of_the_query(fitted: Surrogate, test: Dataset) -> None:
    mean = fitted.predict(query(test, [0, 2], 1, 3)).mean
    assert isinstance(fitted, Method)
    assert dict(mean.sizes) == {"case": 16, "time": 3, "x": 32}
    assert list(mean.data_vars) == ["u"]
    assert mean["u"].attrs == test.xarray["u"].attrs
    np.testing.assert_array_equal(mean["x"], test.xarray["x"])


def test_a_forecast_has_the_cases_and_times_of_the_query(fitted: Surrogate, test: Dataset) -> None:
    chosen = test.select([5, 2])
    mean = fitted.predict(chosen).mean
    exact = test.xarray.sel(case=mean["case"], time=mean["time"])
    assert mean["case"].values.tolist() == [5, 2] and mean["time"].values.tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(mean["speed"], exact["speed"])
    assert errors(mean, exact) < 0.1 * float((exact["u"] ** 2).mean())
    assert from_arrays(mean).parameters == ["speed"] and from_arrays(mean).periodic == ("x",)


def test_cases_of_different_lengths_are_not_cut(fitted: Surrogate, test: Dataset) -> None:
    ragged = from_arrays(test.xarray.assign_coords(length=("case", [6, 6, 4, 6, 6, 3, 6, 6])))
    with pytest.raises(InputError, match=r"\(3, 4, 6\).*select cases of equal length, or ask"):
        fitted.predict(ragged)
    assert fitted.predict(ragged.select([0, 1])).steps == 5
    assert fitted.predict(query(ragged, [0], 1, 2)).steps == 2


def test_a_data_set_is_forecast_from_its_first_frame(fitted: Surrogate, test: Dataset) -> None:
    xr.testing.assert_identical(fitted.predict(test).mean, fitted.predict(query(test, [0], 1, 5)).mean)


def test_a_finer_grid_can_be_asked_for(fitted: Surrogate) -> None:
    fine = from_arrays(
        {"u": np.sin(2 * np.pi * np.arange(64) / 64)[None, None].repeat(2, 1)},
        parameters={"speed": 0.04},
        periodic=("x",),
    )
    coarse = from_arrays(fine.xarray.isel(x=slice(None, None, 2)))
    wide, narrow = (fitted.predict(query(data, [0], 1, 1)).mean["u"].values for data in (fine, coarse))
    np.testing.assert_allclose(wide[..., ::2], narrow, atol=1e-3)


def test_saved_models_predict_the_same_in_any_script(fitted: Surrogate, test: Dataset, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    loaded = Surrogate.load(tmp_path / "model")
    expected = fitted.predict(test).mean
    xr.testing.assert_identical(loaded.predict(test).mean, expected)
    assert loaded.cost() == fitted.cost()
    assert (loaded.training, loaded.options) == (fitted.training, fitted.options)
    test.xarray.to_netcdf(tmp_path / "test.h5", engine="h5netcdf")
    script = (
        "import sys, torch, sciflow as sf\n"
        "torch.set_num_threads(1)\n"
        "from sciflow.training import Surrogate\n"
        "forecast = Surrogate.load(sys.argv[1] + '/model').predict(sf.open_dataset(sys.argv[1] + '/test.h5'))\n"
        "assert 'lightning_fabric' not in sys.modules\n"
        "forecast.mean.to_netcdf(sys.argv[1] + '/forecast.nc', engine='h5netcdf')\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, cwd=Path(__file__).parents[2])
    np.testing.assert_allclose(xr.load_dataset(tmp_path / "forecast.nc")["u"], expected["u"], atol=1e-6)


def test_a_model_of_another_version_is_one_clear_error(fitted: Surrogate, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    path = tmp_path / "model.json"
    stored = json.loads(path.read_text())
    for change, message in [
        ({"options": {**NETWORK, "width": 5}}, "does not fit the network 'fno'"),
        ({"options": {**NETWORK, "depth": 5}}, "no option 'depth'"),
        ({"network": "missing"}, "no network named 'missing'"),
        ({"normaliser": {}}, "does not fit the network"),
        ({"layout": {"fields": "u"}}, "model.json: "),
        ({"training": {**stored["training"], "steps": None}}, "steps: "),
    ]:
        path.write_text(json.dumps(stored | change))
        with pytest.raises(InputError, match=message):
            Surrogate.load(tmp_path)


def test_the_device_can_be_changed_when_loading(fitted: Surrogate, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    assert Surrogate.load(tmp_path, device="cpu").training.device == "cpu"


def test_cost_counts_what_was_spent(fitted: Surrogate) -> None:
    cost = fitted.cost()
    assert cost["parameters"] == sum(weight.numel() for weight in fitted.network.parameters())
    assert cost["steps"] == 300
    assert cost["flops"] > 2 * 32 * 16 * 16 * 2  # the point-wise maps alone
    assert 0 < cost["training_seconds"] < 60
    assert 0 <= cost["data_wait_fraction"] < 0.5
    assert cost["peak_memory"] > 2**20
    assert all(isinstance(value, float) for value in cost.values())


def test_other_options_with_the_same_weights(fitted: Surrogate, test: Dataset, tmp_path: Path) -> None:
    """Fourier transforms by "fft" instead of "matmul": the same function of the same weights, at other costs."""
    asked = query(test, [0], 1, 3)
    before, state = fitted.predict(asked).mean["u"].values, torch.get_rng_state()
    fast, slow = (fitted.with_options(transform=how) for how in ("fft", "matmul"))
    assert torch.equal(torch.get_rng_state(), state)
    for other in (fast, slow):
        np.testing.assert_allclose(other.predict(asked).mean["u"].values, before, atol=1e-5)
    assert fast.options["transform"] == "fft" and "transform" not in fitted.options
    assert fast.cost()["flops"] < slow.cost()["flops"]  # fast transforms are not counted
    plain = fitted.with_options()
    assert plain.cost() == fitted.cost() and plain.training == fitted.training
    fast.save(tmp_path / "fast")
    loaded = Surrogate.load(tmp_path / "fast")
    assert loaded.options == fast.options and loaded.cost() == fast.cost()
    np.testing.assert_array_equal(loaded.predict(asked).mean["u"].values, fast.predict(asked).mean["u"].values)
    with torch.no_grad():  # nothing is shared
        next(fast.network.parameters()).add_(1)
    np.testing.assert_array_equal(fitted.predict(asked).mean["u"].values, before)


def test_options_that_do_not_fit_are_refused(fitted: Surrogate, test: Dataset) -> None:
    for options, message in (
        ({"modes": 3}, r"weights of the surrogate 'fno' do not fit a network with modes=3; fit a new one"),
        ({"width": 16, "coordinates": False}, "do not fit a network with width=16, coordinates=False"),
        ({"steps": 3}, "'steps' of the surrogate 'fno' belongs to its training"),
        ({"transfrom": "fft"}, "no option 'transfrom'. Did you mean 'transform'"),
        ({"transform": "slow"}, "transform"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            fitted.with_options(**options)
        assert "\n" not in str(caught.value)
    unfitted = Surrogate("fno", **NETWORK).with_options(width=8)
    assert unfitted.options["width"] == 8
    with pytest.raises(InputError, match="not fitted"):
        unfitted.predict(test)


def test_a_learnt_basis_comes_along(train: Dataset, test: Dataset) -> None:
    basis = Surrogate("pod-deeponet", steps=3, threads=1, batch_size=4).fit(train)
    same = basis.with_options(**basis.options)
    asked = query(test, [0], 1, 2)
    np.testing.assert_array_equal(same.predict(asked).mean["u"].values, basis.predict(asked).mean["u"].values)


def test_what_is_not_fitted_says_so(tmp_path: Path, test: Dataset) -> None:
    surrogate = Surrogate("fno")
    assert surrogate.cost() == {}
    assert repr(surrogate) == "<Surrogate fno: not fitted>"
    for call in (lambda: surrogate.predict(test), lambda: surrogate.save(tmp_path), lambda: surrogate.network):
        with pytest.raises(InputError, match="'fno' is not fitted"):
            call()


def test_a_failed_fit_leaves_the_surrogate_as_it_was(train: Dataset, test: Dataset) -> None:
    surrogate = Surrogate("fno", **NETWORK, steps=3, threads=1).fit(train)
    before = surrogate.predict(test).mean

    def fail(record: Record, /) -> None:
        raise KeyError(record.step)

    with pytest.raises(KeyError):
        surrogate.fit(test, on_step=fail)
    xr.testing.assert_identical(surrogate.predict(test).mean, before)


def test_the_callers_random_numbers_are_left_alone(train: Dataset) -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    Surrogate("fno", **NETWORK, steps=2).fit(train)
    assert torch.equal(torch.rand(4), expected)


def test_validation_cases_of_another_kind_are_refused(train: Dataset) -> None:
    other = from_arrays({"w": np.zeros((2, 3, 32))}, parameters={"speed": 1.0}, periodic=("x",))
    with pytest.raises(InputError, match=r"validation cases have fields \('w',\), the training cases \('u',\)"):
        Surrogate("fno", **NETWORK).fit(train, other)


def test_a_stretched_grid_is_refused_by_a_network_that_cannot_use_it(train: Dataset) -> None:
    stretched = train.xarray.assign_coords(x=train.xarray["x"] ** 2)
    with pytest.raises(InputError, match="'fno' needs equally spaced points, but those along 'x' are not"):
        Surrogate("fno", **NETWORK).fit(from_arrays(stretched))


def test_nan_in_the_training_data_is_one_clear_error(train: Dataset, tmp_path: Path) -> None:
    data = train.xarray.copy(deep=True)
    data["u"][3, 2, 5] = np.nan
    data.to_netcdf(tmp_path / "nan.h5", engine="h5netcdf")
    with pytest.raises(InputError, match="NaN or infinity in case 3, frame 2"):
        Surrogate("fno", **NETWORK).fit(open_dataset(tmp_path / "nan.h5"))


def test_a_rollout_that_blows_up_is_returned_with_a_warning(fitted: Surrogate, test: Dataset, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    broken = Surrogate.load(tmp_path)
    broken._fitted()[0].normaliser.std_increment *= 1e30
    with pytest.warns(RuntimeWarning, match=r"'fno' becomes NaN or infinite at frame [23] of 5 \(8 of 8 cases\)"):
        forecast = broken.predict(test)
    assert np.isfinite(forecast.mean["u"].isel(time=0)).all()
    assert not np.isfinite(forecast.mean["u"].isel(time=-1)).any()
