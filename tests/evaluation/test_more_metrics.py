"""Closed-form answers of the metrics by wave number, of gradients, of flows, in time, and of other benchmarks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from sciflow.core import InputError
from sciflow.evaluation.measures import Frames, metrics
from sciflow.evaluation.measures.base import CaseScores
from sciflow.evaluation.measures.compatible import ApeBenchError

N = 32
X = np.arange(N) / N


def frames(prediction: np.ndarray, truth: np.ndarray, **given: object) -> Frames:
    """One query [T, *S] of one field on the periodic unit interval or square, unless said otherwise."""
    dims = truth.ndim - 1
    axes = ("y", "x")[-dims:]
    settings: dict[str, object] = {
        "start": truth[None, :1] * 0 if "context_times" not in given else np.zeros((1, 1, *truth.shape[1:])),
        "weights": np.full(truth.shape[1:], 1.0 / truth[0].size),
        "fields": ("u",),
        "axes": axes,
        "points": {axis: X for axis in axes},
        "periodic": axes,
    } | given
    return Frames(prediction[None, :, None], truth[None, :, None], **settings)  # type: ignore[arg-type]


def value(name: str, found: Frames) -> float:
    metric = metrics.get(name)()
    terms = metric.pool(metric.terms(found), axis=(0, 1))
    return float(metric.value(terms)[0])


def wave(number: int) -> np.ndarray:
    return np.cos(2 * np.pi * number * X)


def test_bands_see_the_waves_that_they_hold() -> None:
    truth = wave(1)[None]
    error = 3 * wave(2) + 4 * wave(7) + 5 * wave(13)
    found = frames(truth + error, truth)
    got = [value(f"fourier_{band}_rmse", found) for band in ("low", "mid", "high")]
    np.testing.assert_allclose(got, np.array([3, 4, 5]) / np.sqrt(2), rtol=1e-12)
    assert sum(part**2 for part in got) == pytest.approx(value("mse", found), rel=1e-12)


def test_bands_add_up_to_the_mse_between_walls_and_in_two_dimensions() -> None:
    rng = np.random.default_rng(0)
    truth, prediction = rng.standard_normal((2, 3, N, N))
    for periodic in ((), ("x",), ("y", "x")):
        found = frames(prediction, truth, periodic=periodic)
        got = [value(f"fourier_{band}_rmse", found) for band in ("low", "mid", "high")]
        assert sum(part**2 for part in got) == pytest.approx(value("mse", found), rel=1e-12)
    # A half wave between walls is one cosine of order 1: below wave number 4.
    cells = (np.arange(N) + 0.5) / N
    half = np.cos(np.pi * cells)[None]
    found = frames(half, 0 * half, periodic=(), points={"x": cells})
    assert value("fourier_low_rmse", found) == pytest.approx(1 / np.sqrt(2), rel=1e-12)
    assert value("fourier_mid_rmse", found) == pytest.approx(0, abs=1e-12)


def test_spectral_error_ignores_phases_and_sees_energy() -> None:
    truth = (wave(3) + wave(5))[None]
    shifted = np.roll(truth, 5, axis=-1)
    assert value("spectral_error", frames(shifted, truth)) == pytest.approx(0, abs=1e-12)
    doubled = (2 * wave(3) + wave(5))[None]  # one of two equal energies becomes four times as large
    assert value("spectral_error", frames(doubled, truth)) == pytest.approx(1.5, rel=1e-12)
    with pytest.raises(InputError, match="evenly spaced"):
        value("spectral_error", frames(truth, truth, points={"x": X**2}))


def test_gradient_errors_of_waves() -> None:
    truth, error = wave(1)[None], 0.1 * wave(4)[None]
    found = frames(truth + error, truth)
    assert value("gradient_nrmse", found) == pytest.approx(0.4, rel=1e-12)
    # Lengths are in units of the longest wave: e^2 + l^2 e'^2 has the factor 1 + k^2.
    assert value("h1_nrmse", found) == pytest.approx(0.1 * np.sqrt(17 / 2), rel=1e-12)
    line = np.linspace(0, 1, N)
    found = frames(1.5 * line[None], line[None], periodic=(), points={"x": line})
    assert value("gradient_nrmse", found) == pytest.approx(0.5, rel=1e-12)


def test_boundary_error_is_that_of_the_outermost_points() -> None:
    truth = np.zeros((1, N, N))
    inside = truth.copy()
    inside[:, 1:-1, 1:-1] = 7.0
    assert value("boundary_rmse", frames(inside, truth, periodic=())) == 0.0
    sides = truth.copy()
    sides[:, 0], sides[:, -1] = 3.0, 4.0
    channel = frames(sides, truth, periodic=("x",))
    assert value("boundary_rmse", channel) == pytest.approx(np.sqrt((9 + 16) / 2), rel=1e-12)
    with pytest.raises(InputError, match="not periodic"):
        value("boundary_rmse", frames(truth, truth))


def test_energy_and_enstrophy_of_a_taylor_green_vortex() -> None:
    y, x = np.meshgrid(2 * np.pi * X, 2 * np.pi * X, indexing="ij")
    u, v = np.cos(x) * np.sin(y), -np.sin(x) * np.cos(y)
    vorticity = -2 * 2 * np.pi * np.cos(x) * np.cos(y)
    truth = np.stack([u, v])[None, None]
    settings = {
        "start": truth[:, 0] * 0, "weights": np.full((N, N), 1 / N**2), "axes": ("y", "x"),
        "points": {"y": X, "x": X}, "periodic": ("y", "x"),
    }  # fmt: skip
    plane = Frames(1.1 * truth, truth, fields=("u", "v"), units={"u": "m/s", "v": "m/s"}, **settings)  # type: ignore[arg-type]
    settings["start"] = settings["start"][:, :1]
    whirl = Frames(
        1.1 * vorticity[None, None, None], vorticity[None, None, None], fields=("w",), units={"w": "1/s"}, **settings
    )  # type: ignore[arg-type]
    for found in (plane, whirl):
        for name in ("energy_error", "enstrophy_error"):
            assert value(name, found) == pytest.approx(1.1**2 - 1, rel=1e-10)
    energy, enstrophy = metrics.get("energy_error")(), metrics.get("enstrophy_error")()
    both = [np.sqrt(energy.terms(item)[..., 1]).item() for item in (plane, whirl)]
    np.testing.assert_allclose(both, 0.25, rtol=1e-12)  # mean of (u^2 + v^2) / 2
    both = [np.sqrt(enstrophy.terms(item)[..., 1]).item() for item in (plane, whirl)]
    np.testing.assert_allclose(both, 2 * np.pi**2, rtol=1e-12)  # mean of 8 pi^2 cos^2 cos^2 = 2 pi^2
    with pytest.raises(InputError, match="velocity"):
        value("energy_error", frames(truth[0, :, 0], truth[0, :, 0]))


def test_correlation_time_ends_where_the_forecast_leaves_the_truth() -> None:
    times = np.array([[0.5, 1.0, 1.5, 2.0]])
    truth = np.stack([wave(1)] * 4)
    prediction = truth.copy()
    prediction[2:] = np.sin(2 * np.pi * X)  # uncorrelated from the third frame on
    prediction[3] = truth[3]  # coming back does not count
    given = {"times": times, "context_times": np.array([[0.0]])}
    assert value("correlation_time", frames(prediction, truth, **given)) == pytest.approx(1.0)
    assert value("correlation_time", frames(5 * truth + 1, truth, **given)) == pytest.approx(2.0)
    assert value("correlation_time", frames(np.nan * truth, truth, **given)) == 0.0
    with pytest.raises(InputError, match="start frames"):
        value("correlation_time", frames(truth, truth, times=times, context_times=np.zeros((1, 0))))


def test_scores_of_other_benchmarks_average_ratios_of_frames() -> None:
    truth = np.stack([wave(1), 10 * wave(1)]) + 1.0
    prediction = truth + np.stack([0.2 * wave(2), 0.2 * wave(2)])
    found = frames(prediction, truth)
    relative = 0.2 / np.sqrt(2) / np.sqrt(np.array([0.5, 50]) + 1)
    assert value("pdebench_nrmse", found) == pytest.approx(relative.mean(), rel=1e-12)
    assert value("apebench_gmean_nrmse", found) == pytest.approx(np.sqrt(relative.prod()), rel=1e-12)
    scaled = np.sqrt(0.02 / (np.array([0.5, 50]) + 1e-7))
    assert value("well_vrmse", found) == pytest.approx(scaled.mean(), rel=1e-12)
    assert value("nrmse", found) != pytest.approx(relative.mean(), rel=1e-2)  # that one pools frames first


def test_geometric_mean_is_taken_after_the_mean_over_cases() -> None:
    curves = np.array([[0.1, 0.4], [0.3, 0.8]])
    own = np.sqrt(curves.prod(axis=1))
    metric = ApeBenchError()
    found = metric.over_cases(own, CaseScores(curves={"pdebench_nrmse": curves}))
    assert found == pytest.approx(np.sqrt(0.2 * 0.6))
    assert metric.over_cases(own, CaseScores()) == pytest.approx((0.2 + np.sqrt(0.24)) / 2)  # all that is known then


def test_ranked_probability_of_a_gaussian() -> None:
    truth = np.zeros((1, N))
    sharp = frames(truth + 0.3, truth)
    assert value("crps", sharp) == pytest.approx(0.3)
    shape = (1, 1, 1, N)
    wide = frames(truth + 0.3, truth, variance=np.full(shape, 0.25))
    draws = 0.3 + 0.5 * norm.ppf((np.arange(20000) + 0.5) / 20000)  # crps = E|Y - y| - E|Y - Y'| / 2
    spread = 0.5 / np.sqrt(np.pi)
    assert value("crps", wide) == pytest.approx(np.abs(draws).mean() - spread, rel=1e-4)


def test_coverage_of_a_calibrated_forecast() -> None:
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((40, N, N))
    calm = frames(0 * truth, truth, variance=np.ones((1, 40, 1, N, N)))
    assert value("coverage", calm) == pytest.approx(0.95, abs=0.004)  # 41,000 draws: 0.001 is one standard deviation
    assert np.isnan(value("coverage", frames(0 * truth, truth)))
