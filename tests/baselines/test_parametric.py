"""Persistence, nearest case and interpolation against what they must give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sciflow.baselines import methods
from sciflow.baselines.interpolation import Interpolation
from sciflow.baselines.nearest import Nearest
from sciflow.baselines.parameters import ParameterSpace
from sciflow.baselines.persistence import Persistence
from sciflow.core import InputError, Query, UnknownNameError
from sciflow.data import Dataset, from_arrays, query, truth


def family(values: np.ndarray, scale: str = "linear", **others: np.ndarray) -> Dataset:
    """u(t, x) = p t (1 + x): linear in the parameter p and in t."""
    t, x = np.arange(5.0), np.linspace(0, 1, 6)
    u = values[:, None, None] * t[:, None] * (1 + x)
    data = from_arrays({"u": u}, times=t, parameters={"p": values, **others}).xarray
    data["p"].attrs["scale"] = scale
    return from_arrays(data)


def test_persistence_holds_the_last_context_frame(driven_flow: Dataset) -> None:
    asked = query(driven_flow, [0, 4], 2, 3)
    forecast = Persistence().predict(asked)
    for name in ("u", "v"):
        last = asked.context[name].values[:, -1:]
        np.testing.assert_array_equal(forecast.mean[name].values, np.repeat(last, 3, axis=1))
    assert forecast.mean["u"].attrs["role"] == "field"


def test_persistence_of_a_data_set_starts_from_its_first_frame(driven_flow: Dataset) -> None:
    forecast = Persistence().predict(driven_flow)
    assert forecast.steps == len(driven_flow.times) - 1
    assert not forecast.mean["u"].values.any()


def test_forecasts_have_the_cases_and_times_of_the_query(driven_flow: Dataset) -> None:
    mean = Persistence().predict(driven_flow.select([7, 3])).mean
    assert mean["case"].values.tolist() == [7, 3]
    np.testing.assert_array_equal(mean["time"], driven_flow.times[1:])
    np.testing.assert_array_equal(mean["size"], driven_flow.parameter_values()[[7, 3], 0])
    assert mean.attrs["grid"] == "cells"


def test_cases_of_different_lengths_are_not_cut() -> None:
    ragged = from_arrays({"u": [np.zeros((5, 6)), np.zeros((3, 6))]})
    with pytest.raises(InputError, match=r"\(3, 5\).*select cases of equal length"):
        Persistence().predict(ragged)


def test_only_solid_cells_may_hold_nan(driven_flow: Dataset) -> None:
    asked = query(driven_flow, [1], 1, 2)
    context = asked.context
    held = Query(context.assign(u=context["u"].where(context["mask"])), asked.context_times, asked.times, asked.signals)
    assert (Persistence().predict(held).mean["u"].values[..., 2, 2] == 0).all()
    context["u"][0, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="context frames hold NaN or infinity"):
        Persistence().predict(asked)


@pytest.mark.parametrize("cls", [Nearest, Interpolation])
def test_training_cases_are_reproduced(cls: type, waves: Dataset) -> None:
    method = cls().fit(waves)
    forecast = method.predict(query(waves, [2], 1, 4))
    np.testing.assert_allclose(forecast.mean["u"].values, truth(waves, [2], 1, 4)["u"].values, atol=1e-6)


def test_nearest_is_nearest_in_the_logarithm() -> None:
    """3 is nearer to 1 on a linear scale, nearer to 9 on none; at 3.5 the logarithm decides for 9."""
    train, asked = np.array([1.0, 9.0]), np.array([3.5])
    for scale, expected in (("linear", 1.0), ("log", 9.0)):
        forecast = Nearest().fit(family(train, scale)).predict(query(family(asked, scale), [0], 1, 2))
        np.testing.assert_allclose(forecast.mean["u"].values[0, 0], expected * np.linspace(1, 2, 6))


def test_ties_are_averaged() -> None:
    forecast = Nearest().fit(family(np.array([1.0, 3.0]))).predict(query(family(np.array([2.0])), [0], 1, 1))
    np.testing.assert_allclose(forecast.mean["u"].values[0, 0], 2.0 * np.linspace(1, 2, 6))


def test_linear_interpolation_is_exact_for_a_linear_family_and_held_outside() -> None:
    method = Interpolation().fit(family(np.array([1.0, 2.0, 4.0])))
    forecast = method.predict(query(family(np.array([3.0, 0.5, 8.0])), [1], 1, 1)).mean["u"].values
    np.testing.assert_allclose(forecast[:, 0], 2 * np.array([3.0, 1.0, 4.0])[:, None] * np.linspace(1, 2, 6), rtol=1e-6)


def test_triangulation_is_exact_for_a_linear_family() -> None:
    generator = np.random.default_rng(0)
    p, q = generator.uniform(1, 2, 20), generator.uniform(1, 2, 20)
    train = family(p, q=q)  # u does not depend on q
    inside = family(np.array([1.5, 1.4]), q=np.array([1.5, 1.6]))
    forecast = Interpolation().fit(train).predict(query(inside, [0], 1, 1)).mean["u"].values
    np.testing.assert_allclose(forecast[:, 0], np.array([1.5, 1.4])[:, None] * np.linspace(1, 2, 6), rtol=1e-5)


def test_many_parameters_use_inverse_distance() -> None:
    generator = np.random.default_rng(0)
    values = {name: generator.uniform(size=8) for name in "abcde"}
    train = family(values["a"], **{name: values[name] for name in "bcde"})
    method = Interpolation().fit(train)
    weights = method.weights(method.arrays["points"][:1] + 1e-3)
    assert weights.sum() == pytest.approx(1.0) and weights[0, 0] > 0.9 and (weights > 0).all()


def test_constant_parameters_are_dropped(waves: Dataset) -> None:
    assert ParameterSpace.fit(waves).names == ("nu",)


def test_without_varying_parameters_the_mean_case_is_the_answer() -> None:
    train = family(np.array([2.0, 2.0]))
    for cls in (Nearest, Interpolation):
        forecast = cls().fit(train).predict(query(train, [0], 1, 1))
        np.testing.assert_allclose(forecast.mean["u"].values, truth(train, [0], 1, 1)["u"].values)


def test_other_times_are_interpolated_linearly() -> None:
    train = family(np.array([1.0, 2.0]))
    asked = from_arrays({"u": np.zeros((1, 3, 6))}, times=[0.0, 0.5, 2.25], parameters={"p": 2.0})
    forecast = Nearest().fit(train).predict(query(asked, [0], 1, 2)).mean["u"].values[0]
    np.testing.assert_allclose(forecast, 2 * np.array([0.5, 2.25])[:, None] * np.linspace(1, 2, 6), rtol=1e-6)


def test_frames_are_compared_in_the_scales_of_each_case(scaled_flow: Dataset) -> None:
    """Cases differ by a factor alone: any training case gives any other one, up to its signal."""
    first = scaled_flow.select([0])
    forecast = Nearest().fit(first).predict(query(scaled_flow, [0], 1, 5))
    ratio = forecast.mean["u"].values[-1] / 50.0
    np.testing.assert_allclose(ratio, truth(first, [0], 1, 5)["u"].values[0], atol=1e-6)


def test_short_training_cases_are_held_at_their_last_frame() -> None:
    x = np.linspace(1, 2, 4)
    train = from_arrays({"u": [np.arange(3.0)[:, None] * x, np.arange(6.0)[:, None] * x]}, parameters={"p": [1.0, 2.0]})
    asked = from_arrays({"u": np.zeros((1, 6, 4))}, parameters={"p": 1.0})
    forecast = Nearest().fit(train).predict(query(asked, [0], 1, 5)).mean["u"].values[0, :, 0]
    np.testing.assert_allclose(forecast, [1, 2, 2, 2, 2])


@pytest.mark.parametrize("name", ["nearest", "interpolation", "persistence"])
def test_saved_methods_give_the_same_forecast(name: str, waves: Dataset, tmp_path: Path) -> None:
    method = methods.get(name)().fit(waves)
    method.save(tmp_path / "method")
    again = methods.get(name).load(tmp_path / "method")
    asked = query(waves, [1], 1, 3)
    np.testing.assert_array_equal(method.predict(asked).mean["u"].values, again.predict(asked).mean["u"].values)
    assert {path.suffix for path in (tmp_path / "method").iterdir()} == {".json", ".safetensors"}


def test_bad_input(waves: Dataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not fitted"):
        Nearest().predict(waves)
    fitted = Nearest().fit(family(np.array([1.0, 2.0])))
    with pytest.raises(InputError, match="grid"):
        fitted.predict(from_arrays({"u": np.zeros((1, 3, 7))}, parameters={"p": 1.0}))
    with pytest.raises(InputError, match="parameter 'p'"):
        fitted.predict(from_arrays({"u": np.zeros((1, 3, 6))}))
    with pytest.raises(InputError, match="no saved method"):
        Nearest.load(tmp_path)
    Persistence().save(tmp_path / "p")
    with pytest.raises(InputError, match="persistence"):
        Nearest.load(tmp_path / "p")
    with pytest.raises(UnknownNameError, match="nearest"):
        methods.get("neares")
