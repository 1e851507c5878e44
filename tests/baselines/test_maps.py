"""Methods that need no start frame: the mean, parametric methods, and maps between principal components."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sciflow.baselines import methods
from sciflow.baselines.interpolation import Interpolation
from sciflow.baselines.mean import MeanField
from sciflow.baselines.pca_gp import PcaGaussianProcess
from sciflow.baselines.pca_ridge import PcaRidge
from sciflow.core import InputError
from sciflow.data import Dataset, from_arrays, query


def linear_map(cases: int = 60, noise: float = 0.0) -> Dataset:
    """Steady p = 3 + A a, with a of six random waves: linear in the input field."""
    generator = np.random.default_rng(0)
    y, x = np.meshgrid(np.linspace(0, 1, 9), np.linspace(0, 1, 7), indexing="ij")
    waves = np.stack([np.cos(np.pi * i * x) * np.cos(np.pi * j * y) for i in range(2) for j in range(3)])
    weights = generator.normal(size=(cases, 6))
    response = generator.normal(size=(6, 9, 7))
    p = 3 + np.tensordot(weights, response, 1) + noise * generator.normal(size=(cases, 9, 7))
    return from_arrays({"p": p}, inputs={"a": 5 + np.tensordot(weights, waves, 1)}, steady=True)


def curves(rates: np.ndarray) -> Dataset:
    """u = exp(-k t) (1 + x): a smooth family of one parameter."""
    t, x = np.linspace(0, 2, 9), np.linspace(0, 1, 5)
    u = np.exp(-rates[:, None] * t)[..., None] * (1 + x)
    return from_arrays({"u": u}, times=t, parameters={"k": rates})


def parts(data: Dataset, test: int = 10) -> tuple[Dataset, Dataset, Dataset]:
    cases = list(data.cases)
    return data.select(cases[2 * test :]), data.select(cases[test : 2 * test]), data.select(cases[:test])


def relative(found: np.ndarray, real: np.ndarray) -> float:
    return float(np.sum((found - real) ** 2) / np.sum((real - real.mean()) ** 2))


def test_mean_of_shared_times_and_its_variance() -> None:
    data = from_arrays({"u": np.arange(24.0).reshape(3, 4, 2) ** 1.5}, times=[0.0, 1.0, 2.0, 3.0])
    values = data.array("u").astype(float)[:, :, 0]
    forecast = MeanField().fit(data).predict(query(data, [0], 0, 4))
    np.testing.assert_allclose(forecast.mean["u"].values, np.broadcast_to(values.mean(0), (3, 4, 2)))
    assert forecast.variance is not None
    np.testing.assert_allclose(forecast.variance["u"].values[1], values.var(axis=0, ddof=1) * (1 + 1 / 3), rtol=1e-6)
    between = query(from_arrays({"u": np.zeros((1, 2, 2))}, times=[0.25, 9.0]), [0], 0, 2)
    found = MeanField().fit(data).predict(between).mean["u"].values[0]
    mean = values.mean(axis=0)
    np.testing.assert_allclose(found, [0.75 * mean[0] + 0.25 * mean[1], mean[3]], rtol=1e-6)


def test_mean_where_times_differ_by_case_is_over_all_frames() -> None:
    data = from_arrays({"u": np.arange(12.0).reshape(2, 3, 2)}, times=[[0.0, 1.0, 2.0], [0.0, 2.0, 4.0]])
    found = MeanField().fit(data).predict(query(data, [0], 0, 3)).mean["u"].values
    np.testing.assert_allclose(found, np.broadcast_to([5.0, 6.0], (2, 3, 2)))


def test_mean_is_in_the_scales_of_each_case(scaled_flow: Dataset) -> None:
    """Cases differ by a factor, up to their signals; the mean of one case is that case, times the factor."""
    found = MeanField().fit(scaled_flow.select([0])).predict(query(scaled_flow.select([9]), [0], 0, 16)).mean
    np.testing.assert_allclose(found["u"].values[0] / 50.0, scaled_flow.array("u")[0, :, 0], atol=1e-6)


def test_mean_variance_covers_a_new_case() -> None:
    """Draws of one normal distribution: squared errors divided by the variance average 1 (3 % with 2000 values)."""
    generator = np.random.default_rng(0)
    train = from_arrays({"u": generator.normal(2.0, 3.0, size=(10, 1, 2000))}, steady=False)
    new = from_arrays({"u": generator.normal(2.0, 3.0, size=(1, 1, 2000))})
    forecast = MeanField().fit(train).predict(query(new, [0], 0, 1))
    error = forecast.mean["u"].values - new.array("u")[:, :, 0]
    assert forecast.variance is not None
    assert np.mean(error**2) / np.mean(forecast.variance["u"].values) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("name", ["nearest", "interpolation"])
def test_parametric_methods_answer_without_start_frames(name: str) -> None:
    data = curves(np.linspace(0.5, 1.5, 41))
    train, test = data.select(data.cases[::2]), data.select(data.cases[1::2])
    found = methods.get(name)().fit(train).predict(query(test, [0], 0, 9)).mean["u"].values
    # Half a spacing away at most: |du/dk| <= 2 t e^-kt <= 1.48, and the second derivative is below 2 t^2 e^-kt < 5.
    bound = 1.48 * 0.025 if name == "nearest" else 5 * 0.025**2 / 2
    assert np.abs(found - test.array("u")[:, :, 0]).max() < bound + 1e-6


@pytest.mark.parametrize("name", ["persistence", "pod-ridge", "pod-gp"])
def test_methods_that_start_from_a_frame_say_so(name: str, waves: Dataset) -> None:
    options = {"rank": (2,)} if name.startswith("pod") else {}
    with pytest.raises(InputError, match=f"'{name}' starts from a frame.*'mean'"):
        methods.get(name)(**options).fit(waves).predict(query(waves, [0], 0, 3))


def test_ridge_is_exact_for_a_linear_map() -> None:
    train, valid, test = parts(linear_map())
    method = PcaRidge(rank=(3, 6, 20), input_rank=(3, 6, 20)).fit(train, valid)
    forecast = method.predict(test)  # a steady data set is asked for its one frame
    assert forecast.steps == 1 and method.state["rank"] >= 6 and method.state["used"] >= 6
    np.testing.assert_allclose(forecast.mean["p"].values, test.array("p")[:, :, 0], atol=1e-4)


def test_ridge_is_the_least_squares_solution() -> None:
    """Against NumPy's solver, without penalty and with all components."""
    data = linear_map(30, noise=0.5)
    method = PcaRidge(rank=(29,), input_rank=(6,), ridge=(0.0,)).fit(data, data)
    a, p = data.input_values().reshape(30, -1).astype(float), data.array("p").reshape(30, -1).astype(float)
    left, _, _ = np.linalg.svd(a - a.mean(axis=0), full_matrices=False)
    design = np.concatenate([left[:, :6], np.ones((30, 1))], axis=1)
    expected = design @ np.linalg.lstsq(design, p, rcond=None)[0]
    np.testing.assert_allclose(method.predict(data).mean["p"].values.reshape(30, -1), expected, atol=1e-4)


def test_the_penalty_is_chosen_on_validation_cases() -> None:
    train, valid, _ = parts(linear_map(40, noise=3.0))
    chosen = PcaRidge(ridge=(0.0, 1.0, 10.0), rank=(16,), input_rank=(6,)).fit(train, valid)
    for ridge in (0.0, 1.0, 10.0):
        alone = PcaRidge(ridge=(ridge,), rank=(16,), input_rank=(6,)).fit(train, valid)
        assert chosen.state["validation_nmse"] <= alone.state["validation_nmse"] + 1e-12


def test_gaussian_process_follows_a_map_that_is_not_linear() -> None:
    generator = np.random.default_rng(0)
    x = np.linspace(0, 1, 16)
    w = generator.uniform(-1, 1, size=(160, 2))
    a = w[:, :1] * np.sin(np.pi * x) + w[:, 1:] * np.cos(np.pi * x)
    p = np.exp(w[:, :1]) * x + w[:, 1:] ** 2 * x**2
    train, valid, test = parts(from_arrays({"p": p}, inputs={"a": a}, steady=True), 20)
    real = test.array("p")[:, :, 0]
    forecast = PcaGaussianProcess(rank=(4,), input_rank=(2,)).fit(train, valid).predict(test)
    linear = PcaRidge(rank=(4,), input_rank=(2,)).fit(train, valid).predict(test)
    assert relative(forecast.mean["p"].values, real) < 1e-3 < 0.02 < relative(linear.mean["p"].values, real)
    assert forecast.variance is not None and (forecast.variance["p"].values[..., 1:] > 0).all()


@pytest.mark.parametrize("given", [True, False])
def test_gaussian_process_variance_is_calibrated_under_noise(given: bool) -> None:
    """Noise of 0.5 in every value: most of it is missed by the basis, and squared errors match the variance."""
    train, valid, test = parts(linear_map(150, noise=0.5), 30)
    method = PcaGaussianProcess(rank=(6,), input_rank=(6,)).fit(train, valid if given else None)
    forecast = method.predict(test)
    error = forecast.mean["p"].values - test.array("p")[:, :, 0]
    assert forecast.variance is not None
    assert np.mean(error**2 / forecast.variance["p"].values) == pytest.approx(1.0, abs=0.25)


def test_gaussian_process_answers_parametric_queries() -> None:
    data = curves(np.linspace(0.5, 1.5, 25))
    train, test = data.select(data.cases[::2]), data.select(data.cases[1::2])
    asked, real = query(test, [0], 0, 9), test.array("u")[:, :, 0]
    found = PcaGaussianProcess(rank=(4,)).fit(train).predict(asked).mean["u"].values
    drawn = Interpolation().fit(train).predict(asked).mean["u"].values
    assert relative(found, real) < 0.05 * relative(drawn, real)
    later = from_arrays({"u": np.zeros((1, 2, 5))}, times=[0.125, 5.0], parameters={"k": 0.5})
    frames = PcaGaussianProcess(rank=(4,)).fit(train).predict(query(later, [0], 0, 2)).mean["u"].values[0]
    known = np.exp(-0.5 * np.array([0.0, 0.25, 2.0]))[:, None] * np.linspace(1, 2, 5)
    np.testing.assert_allclose(frames, [known[:2].mean(axis=0), known[2]], atol=2e-3)


@pytest.mark.parametrize("method", [MeanField(), PcaRidge(rank=(4,)), PcaGaussianProcess(rank=(4,), seed=2)])
def test_saved_methods_give_the_same_answer(method: MeanField, tmp_path: Path) -> None:
    data = linear_map(20)
    method.fit(data).save(tmp_path / "method")
    again = type(method).load(tmp_path / "method")
    np.testing.assert_array_equal(again.predict(data).mean["p"].values, method.predict(data).mean["p"].values)
    assert again.config() == method.config() and again.cost() == method.cost()
    assert {path.suffix for path in (tmp_path / "method").iterdir()} == {".json", ".safetensors"}


def test_bad_input(waves: Dataset) -> None:
    for options in ({"rank": ()}, {"rank": (0,)}, {"input_rank": (0,)}, {"ridge": (-1.0,)}):
        with pytest.raises(InputError, match=next(iter(options))):
            PcaRidge(**options)
    with pytest.raises(InputError, match="points"):
        PcaGaussianProcess(points=1)
    with pytest.raises(InputError, match="differ in input fields or parameters"):
        PcaRidge().fit(from_arrays({"u": np.random.default_rng(0).normal(size=(4, 2, 5))}))
    with pytest.raises(InputError, match="same times"):
        PcaRidge().fit(from_arrays({"u": np.zeros((2, 2, 5))}, times=[[0, 1], [0, 2]], parameters={"k": [1.0, 2.0]}))
    data = linear_map(8)
    fitted = PcaRidge(rank=(2,)).fit(data)
    asked = query(data, [0], 0, 1)
    with pytest.raises(InputError, match="input field 'a'"):
        fitted.predict(type(asked)(asked.context.drop_vars("a"), asked.context_times, asked.times))
    other = from_arrays({"p": np.zeros((1, 4, 7))}, inputs={"a": np.zeros((1, 4, 7))}, steady=True)
    for method in (fitted, MeanField().fit(data)):
        with pytest.raises(InputError, match="grid"):
            method.predict(other)
