"""Smoothing by second differences: banded solves against whole matrices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciflow.conservation import Constraint, Diagonal, LowRank, condition, smooth
from sciflow.core.errors import InputError


def whole(mean: np.ndarray, variance: np.ndarray, a: float) -> tuple[np.ndarray, np.ndarray]:
    """The same with whole matrices: noise of the second differences of errors with correlation a^|i-j|."""
    n = len(mean)
    rows = np.eye(n)[:-2] - 2 * np.eye(n)[1:-1] + np.eye(n)[2:]
    places, deviation = np.arange(n), np.sqrt(variance)
    # |i - j| is at most 2 within a row; the noise is taken to be independent from row to row.
    correlated = deviation[:, None] * a ** np.abs(places[:, None] - places).astype(float) * deviation
    noise = np.diag(np.diag(rows @ correlated @ rows.T))
    sigma = np.diag(variance)
    gain = sigma @ rows.T @ np.linalg.inv(noise + rows @ sigma @ rows.T)
    return mean - gain @ rows @ mean, sigma - gain @ rows @ sigma


@given(n=st.integers(3, 40), seed=st.integers(0, 2**16), a=st.sampled_from([0.0, 0.5, 0.9]))
def test_banded_solves_equal_whole_matrices(n: int, seed: int, a: float) -> None:
    rng = np.random.default_rng(seed)
    mean, variance = rng.normal(size=(2, n)), rng.uniform(0.01, 1.0, (2, n))
    smoothed, covariance = smooth(mean, Diagonal(variance), a)
    row = rng.normal(size=(1, n))
    for case in range(2):
        expected, sigma = whole(mean[case], variance[case], a)
        np.testing.assert_allclose(smoothed[case], expected, atol=1e-10)
        np.testing.assert_allclose(covariance.dense()[case], sigma, atol=1e-10)
        np.testing.assert_allclose(covariance.diagonal()[case], np.diag(sigma), atol=1e-10)
        np.testing.assert_allclose(covariance.times(row)[case], row @ sigma, atol=1e-10)


def test_law_holds_after_smoothing_and_samples_follow() -> None:
    rng = np.random.default_rng(2)
    n, count = 15, 20_000
    constraint = Constraint(np.full((1, n), 0.1), [2.0])
    posterior = condition(*smooth(rng.normal(size=n), Diagonal(rng.uniform(0.1, 1, n))), constraint)
    assert abs(constraint.residual(posterior.mean)).item() < 1e-14
    drawn = posterior.draw(count, 0)
    assert np.abs(constraint.residual(drawn)).max() < 1e-13
    bound = 5 * np.sqrt(2 * np.outer(posterior.variance, posterior.variance) / count)
    assert (np.abs(np.cov(drawn.T) - posterior.covariance.dense()) <= bound).all()


def test_sure_points_stay_and_straight_lines_are_not_changed() -> None:
    line = np.linspace(1.0, 3.0, 20)
    smoothed, _ = smooth(line, Diagonal(np.ones(20)))
    np.testing.assert_allclose(smoothed, line, atol=1e-14)
    variance = np.ones(20)
    variance[:8] = 0.0
    bent, covariance = smooth(line**2, Diagonal(variance))
    np.testing.assert_array_equal(bent[:8], line[:8] ** 2)
    assert (covariance.diagonal()[:8] == 0).all() and (covariance.diagonal()[8:] > 0).all()


def test_bad_input() -> None:
    with pytest.raises(InputError, match="takes a Diagonal"):
        smooth(np.zeros(5), LowRank(np.ones((1, 5))))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="correlation < 1"):
        smooth(np.zeros(5), Diagonal(np.ones(5)), 1.0)
    with pytest.raises(InputError, match="at least 3 points"):
        smooth(np.zeros(2), Diagonal(np.ones(2)))
    with pytest.raises(InputError, match="NaN or infinity"):
        smooth(np.array([0.0, np.nan, 1.0]), Diagonal(np.ones(3)))
