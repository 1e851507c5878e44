"""Gappy POD and kriging: fields from scattered observations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from sciflow.baselines.gappy_pod import GappyPod
from sciflow.baselines.kriging import Kriging, grid_points, matern
from sciflow.baselines.mean import MeanField
from sciflow.baselines.observations import GridAxes
from sciflow.core import InputError, Method, Query
from sciflow.data import Dataset, from_arrays, query
from sciflow.evaluation.tasks import FieldTask


def prior_draws(cases: int = 400, residual: float = 0.0, seed: int = 0) -> Dataset:
    """Two fields, three times: five space-time patterns with normal coefficients, and a residual at each value."""
    patterns = np.random.default_rng(7).normal(size=(5, 3, 2, 6, 8))
    generator = np.random.default_rng(seed)
    values = 1.0 + np.tensordot(generator.normal(size=(cases, 5)) * [3, 2, 1, 1, 0.5], patterns, 1)
    values += residual * generator.normal(size=values.shape)
    return from_arrays({"u": values[:, :, 0], "v": 10 * values[:, :, 1]}, times=[0.0, 1.0, 3.0], grid="cells")


def smooth_draws(cases: int = 60, seed: int = 0) -> Dataset:
    """A Gaussian process with a Matérn 5/2 kernel of length 0.3 on the unit interval, 40 nodes, σ = 2."""
    x = np.linspace(0, 1, 40)
    covariance = 4 * matern(x[:, None] / 0.3, x[:, None] / 0.3)
    lower = np.linalg.cholesky(covariance + 1e-9 * np.eye(40))
    u = np.random.default_rng(seed).normal(size=(cases, 40)) @ lower.T
    return from_arrays({"u": u}, coordinates={"x": x}, steady=True)


def ask(data: Dataset, points: int, noise: float = 0.0, seed: int = 0) -> Query:
    return FieldTask("condition", points=points, noise=noise, seed=seed).ask(data, [0], data.frame_count)


def scores(method: Method, data: Dataset, asked: Query) -> tuple[float, float]:
    """Mean square error in units of the variance of the data, and of the predicted variance."""
    forecast = method.predict(asked)
    assert forecast.variance is not None
    real = {name: data.array(name)[:, :, 0] for name in data.fields}
    errors = {name: (forecast.mean[name].values - real[name]) ** 2 for name in real}
    first = np.mean([errors[name].mean() / real[name].var() for name in real])
    return float(first), float(np.mean([np.mean(errors[name] / forecast.variance[name].values) for name in real]))


def test_gappy_pod_is_exact_when_observations_suffice() -> None:
    """Truth in the span of five modes, twelve exact observations of two fields: nothing is left."""
    train, test = prior_draws(100), prior_draws(5, seed=1)
    forecast = GappyPod(rank=5, noise=0.0).fit(train).predict(ask(test, 12))
    for name in ("u", "v"):
        real = test.array(name)[:, :, 0]
        np.testing.assert_allclose(forecast.mean[name].values, real, atol=2e-4 * np.abs(real).max())


def test_gappy_pod_variance_is_calibrated_and_shrinks() -> None:
    """Draws from the prior with a residual and noise: squared errors over variances average 1."""
    train, test = prior_draws(400, residual=0.3), prior_draws(400, residual=0.3, seed=1)
    method = GappyPod(rank=5, noise=0.2).fit(train)
    errors, last = [], np.inf
    for points in (1, 4, 16, 64):
        asked = ask(test, points, noise=0.2)
        error, ratio = scores(method, test, asked)
        assert ratio == pytest.approx(1.0, abs=0.15)
        variance = method.predict(asked).variance
        assert variance is not None
        spread = float(variance["u"].mean())
        assert spread < last
        errors.append(error)
        last = spread
    assert errors == sorted(errors, reverse=True)


def test_gappy_pod_is_the_conditional_normal_distribution() -> None:
    """Against the textbook formula with full covariance matrices, for one case with four observations."""
    train, test = prior_draws(50, residual=0.5), prior_draws(1, residual=0.5, seed=1)
    method = GappyPod(rank=5, noise=0.1, factor=5).fit(train)
    asked = ask(test, 4, noise=0.1)
    seen = asked.observations
    assert seen is not None
    modes, std = method.arrays["modes"].astype(float), np.repeat(method.arrays["field_std"], 48)
    signal = (modes.T * method.arrays["variances"]) @ modes
    axes = GridAxes.of(train, train.times)
    points = np.stack([seen[name].values[0] for name in ("t", "y", "x")], axis=1)
    nearest = np.array([np.abs(grid_points(axes) - point).sum(axis=1).argmin() for point in points])
    frame, cell = np.divmod(nearest, 48)
    places = np.concatenate([frame * 96 + cell, frame * 96 + 48 + cell])  # u, then v
    noise = np.repeat((0.1 * method.arrays["within"]) ** 2, 4) + method.arrays["missed"][places]
    values = np.concatenate([seen["u"].values[0], seen["v"].values[0]]) / np.repeat(method.arrays["field_std"], 4)
    gain = np.linalg.solve(signal[np.ix_(places, places)] + np.diag(noise), signal[places]).T
    mean = method.arrays["mean"] + gain @ (values - method.arrays["mean"][places])
    covariance = signal - gain @ signal[places]
    forecast = method.predict(asked)
    assert forecast.variance is not None and forecast.factor is not None
    shape = (3, 2, 6, 8)
    found = np.stack([forecast.mean[name].values[0] for name in ("u", "v")], axis=1) / std.reshape(2, 6, 8)
    np.testing.assert_allclose(found, mean.reshape(shape), rtol=1e-4, atol=1e-5)
    spread = np.stack([forecast.variance[name].values[0] for name in ("u", "v")], axis=1) / std.reshape(2, 6, 8) ** 2
    np.testing.assert_allclose(
        spread, (np.diag(covariance) + method.arrays["missed"]).reshape(shape), rtol=1e-3, atol=1e-5
    )
    rows = np.stack([forecast.factor[name].values[:, 0] for name in ("u", "v")], axis=2) / std.reshape(2, 6, 8)
    rows = rows.reshape(5, -1)
    np.testing.assert_allclose(rows.T @ rows, covariance, atol=1e-4 * covariance.max())


def test_the_noise_is_found_where_it_is_not_given() -> None:
    """Six noisy values for five coefficients: to trust them is several times worse than to know the noise."""
    train, test = prior_draws(300, residual=0.1), prior_draws(100, residual=0.1, seed=1)
    asked = ask(test, 3, noise=0.3)
    known, _ = scores(GappyPod(rank=5, noise=0.3).fit(train), test, asked)
    found, _ = scores(GappyPod(rank=5).fit(train), test, asked)
    wrong, _ = scores(GappyPod(rank=5, noise=0.0).fit(train), test, asked)
    assert found < 1.2 * known and wrong > 3 * known


def test_observations_between_points_and_times_are_used() -> None:
    """u linear in t and x, observed between grid points: interpolation of the modes is exact."""
    generator = np.random.default_rng(0)
    t, x = np.array([0.0, 1.0, 2.0]), np.linspace(0, 1, 6)
    w = generator.normal(size=(30, 2))
    train = from_arrays({"u": w[:, :1, None] * (1 + t[:, None]) * x + w[:, 1:, None] * (2 - x)}, times=t)
    asked = query(train.select([3]), [0], 0, 3)
    places = {"t": [0.3, 1.7, 1.1], "x": [0.11, 0.93, 0.5]}
    u = w[3, 0] * (1 + np.array(places["t"])) * places["x"] + w[3, 1] * (2 - np.array(places["x"]))
    seen = xr.Dataset({name: (("case", "point"), [values]) for name, values in {**places, "u": u}.items()})
    asked = Query(asked.context, asked.context_times, asked.times, observations=seen)
    found = GappyPod(rank=2, noise=0.0).fit(train).predict(asked).mean["u"].values[0]
    np.testing.assert_allclose(found, train.array("u")[3, :, 0], atol=1e-4)


def test_interpolation_wraps_around_periodic_axes() -> None:
    data = from_arrays({"u": np.zeros((2, 1, 4))}, coordinates={"x": [0.0, 1.0, 2.0, 3.0]}, periodic=("x",))
    axes = GridAxes.of(data, np.zeros(1))
    index, weight = axes.corners(np.array([[0.0, 3.75], [0.0, 4.5], [0.0, -1.0]]))
    dense = np.zeros((3, 4))
    for row in range(3):
        np.add.at(dense[row], index[row], weight[row])
    np.testing.assert_allclose(dense, [[0.75, 0, 0, 0.25], [0.5, 0.5, 0, 0], [0, 0, 0, 1]])


def test_kriging_finds_the_constants_and_is_calibrated() -> None:
    """Draws from the very kernel: length within a fifth, variance within a third, squared errors as predicted."""
    method = Kriging(points=40, noise=0.0).fit(smooth_draws())
    assert method.arrays["lengths"][0, 0] == pytest.approx(0.3, rel=0.2)
    size = method.arrays["sizes"][0] * method.arrays["field_std"][0] ** 2
    assert size == pytest.approx(4.0, rel=0.33)
    test = smooth_draws(200, seed=1)
    few, ratio = scores(method, test, ask(test, 4))
    assert ratio == pytest.approx(1.0, abs=0.25)
    more, _ = scores(method, test, ask(test, 10))
    assert more < 0.2 * few


def test_kriging_interpolates_exact_observations() -> None:
    method = Kriging(points=40, noise=0.0).fit(smooth_draws())
    test = smooth_draws(3, seed=1)
    asked = ask(test, 8)
    forecast = method.predict(asked)
    assert asked.observations is not None and forecast.variance is not None
    for case in range(3):
        at = np.searchsorted(test.header["x"].values, asked.observations["x"].values[case] - 1e-9)
        found = forecast.mean["u"].values[case, 0, at]
        np.testing.assert_allclose(found, asked.observations["u"].values[case], atol=2e-3)
        variance = forecast.variance["u"].values[case, 0]
        assert variance[at].max() < 1e-3 < variance.max()


def test_kriging_matches_scikit_learn() -> None:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    method = Kriging(points=40, noise=0.1).fit(smooth_draws())
    rng = np.random.default_rng(0)
    features, residual, places = rng.uniform(size=(12, 1)), rng.normal(size=12), rng.uniform(size=(30, 1))
    mean, variance = method._posterior(0, features, residual, places)
    size, nugget = method.arrays["sizes"][0], method.arrays["nuggets"][0]
    own = size * nugget + (0.1 * method.arrays["within"][0]) ** 2
    kernel = ConstantKernel(size) * Matern(method.arrays["lengths"][0], nu=2.5) + WhiteKernel(own)
    peer = GaussianProcessRegressor(kernel, alpha=0.0, optimizer=None).fit(features, residual)
    expected, deviation = peer.predict(places, return_std=True)
    np.testing.assert_allclose(mean, expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(variance, deviation**2 - own + size * nugget, rtol=1e-6, atol=1e-9)


def test_kriging_in_space_and_time_with_a_periodic_axis(waves: Dataset) -> None:
    """u at all times from 40 of 288 values: far better than the mean, and without a seam at x = 0."""
    train, test = waves.select(waves.cases[::2]), waves.select(waves.cases[1::2])
    method = Kriging().fit(train)
    assert method.arrays["lengths"].shape == (1, 2)
    asked, real = ask(test, 40), test.array("u")[:, :, 0]
    errors = [np.mean((own.predict(asked).mean["u"].values - real) ** 2) for own in (method, MeanField().fit(train))]
    assert errors[0] < 0.1 * errors[1]
    axes = GridAxes.of(waves, waves.times)
    ends = axes.unit(np.array([[0.5, 0.0], [0.5, 2 * np.pi]]))
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-12)


def test_solid_cells_take_no_part(driven_flow: Dataset) -> None:
    train, test = driven_flow.select(range(8)), driven_flow.select([8, 9])
    for method in (GappyPod(rank=3), Kriging(points=60)):
        mean = method.fit(train).predict(ask(test, 30)).mean
        for name in ("u", "v"):
            assert np.isfinite(mean[name].values).all() and not mean[name].values[..., 2, 2].any()


@pytest.mark.parametrize("method", [GappyPod(rank=4, factor=2), Kriging(points=30, seed=1)])
def test_saved_methods_give_the_same_answer(method: GappyPod | Kriging, tmp_path: Path) -> None:
    data = prior_draws(12, residual=0.1)
    method.fit(data).save(tmp_path / "method")
    again = type(method).load(tmp_path / "method")
    asked = ask(data, 6)
    first, second = method.predict(asked), again.predict(asked)
    np.testing.assert_array_equal(first.mean["u"].values, second.mean["u"].values)
    np.testing.assert_array_equal(first.variance["v"].values, second.variance["v"].values)
    assert again.config() == method.config()


def test_bad_input() -> None:
    for options in ({"rank": 0}, {"factor": -1}, {"noise": -0.1}):
        with pytest.raises(InputError, match=next(iter(options))):
            GappyPod(**options)
    with pytest.raises(InputError, match="points"):
        Kriging(points=2)
    data = prior_draws(8)
    for method in (GappyPod(rank=2).fit(data), Kriging(points=20).fit(data)):
        with pytest.raises(InputError, match="needs observations"):
            method.predict(query(data, [0], 0, 3))
        asked = ask(data, 5)
        assert asked.observations is not None
        timeless = Query(
            asked.context, asked.context_times, asked.times, observations=asked.observations.drop_vars("t")
        )
        with pytest.raises(InputError, match="coordinate 't'"):
            method.predict(timeless)
    uneven = from_arrays({"u": np.zeros((3, 2, 5))}, times=[[0, 1], [0, 2], [0, 3]])
    for kind in (GappyPod, Kriging):
        with pytest.raises(InputError, match="same times"):
            kind().fit(uneven)
        with pytest.raises(InputError, match="at least"):
            kind().fit(data.select([0]))
