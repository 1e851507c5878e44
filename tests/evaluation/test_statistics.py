from __future__ import annotations

import numpy as np
import pytest

from sciflow.core import InputError
from sciflow.evaluation import bootstrap_mean, bootstrap_ratio
from sciflow.evaluation.statistics import percentile_interval, resampled_medians, weighted_means


def test_interval_encloses_the_mean_and_is_reproducible() -> None:
    values = np.random.default_rng(0).lognormal(size=(3, 10))
    first, again, other = (bootstrap_mean(values, seed=seed) for seed in (0, 0, 1))
    assert first == again and first != other
    assert first.value == pytest.approx(values.mean())
    assert first.low < first.value < first.high


def test_one_value_has_no_width() -> None:
    assert bootstrap_mean(np.array([2.0])) == bootstrap_mean(np.array([[2.0]]))
    found = bootstrap_mean(np.array([2.0]))
    assert found.low == found.value == found.high == 2.0


@pytest.mark.parametrize("cases", [8, 20])
def test_coverage_is_near_the_level(cases: int) -> None:
    """95 % intervals of few normal cases hold the true mean in about 94 % of experiments."""
    generator = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        interval = bootstrap_mean(generator.normal(1.0, 2.0, size=cases), samples=1000)
        held += interval.low <= 1.0 <= interval.high
    assert 0.91 < held / 400 < 0.98


def test_seeds_widen_the_interval() -> None:
    """The same cases with seeds that disagree."""
    cases = np.random.default_rng(2).normal(10.0, 0.1, size=8)
    alike = bootstrap_mean(np.stack([cases] * 3))
    apart = bootstrap_mean(np.stack([cases - 1, cases, cases + 1]))
    assert apart.high - apart.low > 3 * (alike.high - alike.low)


def test_ratio_is_paired() -> None:
    """Numerator proportional to the denominator: the ratio has no width, however much the cases differ."""
    below = np.random.default_rng(3).lognormal(size=(1, 12))
    found = bootstrap_ratio(5.0 * below, below)
    assert (found.low, found.value, found.high) == pytest.approx((5.0, 5.0, 5.0))


def test_infinite_values_stay_infinite() -> None:
    found = bootstrap_mean(np.array([1.0, np.inf, 1.0]))
    assert found.value == np.inf and found.high == np.inf and found.low in (1.0, np.inf)
    ratio = bootstrap_ratio(np.ones(3), np.array([1.0, np.inf, 1.0]))
    assert ratio.value == 0.0 and ratio.low == 0.0 and ratio.high <= 1.0
    exact = bootstrap_ratio(np.ones(3), np.zeros(3))
    assert exact.value == exact.low == exact.high == np.inf


def test_infinite_values_keep_their_sign() -> None:
    found = bootstrap_mean(np.array([[-np.inf, -1.0, -2.0]]))
    assert found.value == found.low == -np.inf and found.high == -1.0
    values = np.array([[-np.inf, 1.0, np.inf]])
    of_cases = np.array([[1, 2, 0], [0, 1, 2], [0, 3, 0], [1, 1, 1]]) / 3
    drawn = weighted_means(values, np.ones((4, 1)), of_cases)
    np.testing.assert_array_equal(drawn, [-np.inf, np.inf, 1.0, np.nan])
    both = bootstrap_mean(values)
    assert np.isnan(both.value) and (both.low, both.high) == (-np.inf, np.inf)


def test_nothing_to_summarise() -> None:
    with pytest.raises(InputError, match="no values"):
        bootstrap_mean(np.zeros((1, 0)))


def test_medians_of_repeated_timings() -> None:
    """Three draws of {1, 2, 9} have the median 2 unless two of them are 1 or two are 9: 13/27, 7/27 and 7/27."""
    drawn = resampled_medians(np.array([9.0, 1.0, 2.0]), 20000, np.random.default_rng(0))
    shares = [np.mean(drawn == value) for value in (1.0, 2.0, 9.0)]
    np.testing.assert_allclose(shares, [7 / 27, 13 / 27, 7 / 27], atol=4 * np.sqrt(0.25 / 20000))
    assert set(resampled_medians(np.array([3.0]), 5, np.random.default_rng(0))) == {3.0}


def test_weighted_means_of_seeds_and_cases() -> None:
    values = np.array([[1.0, 2.0], [3.0, np.inf]])
    of_seeds, of_cases = np.array([[0.5, 0.5], [1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [0.5, 0.5], [0.5, 0.5]])
    assert weighted_means(values, of_seeds, of_cases).tolist() == [2.0, 1.5, np.inf]


def test_percentiles_are_order_statistics() -> None:
    samples = np.array([np.inf] + 999 * [1.0])
    assert percentile_interval(1.0, samples, 1000).high == 1.0
    assert percentile_interval(np.inf, np.array([1.0] + 9 * [np.inf]), 2).low == 1.0
