"""Memory of the update grows with the number of points, not with its square."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from sciflow.conservation import Constraint, Diagonal, LowRank, condition, smooth
from sciflow.conservation.covariance import Covariance


def peak_numbers(run: Callable[[], Any]) -> float:
    """Most float64 numbers that torch held at once."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        run()
    sizes = [event.nbytes() for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    return float(np.maximum.accumulate(np.cumsum(sizes))[-1]) / 8


@pytest.mark.parametrize(
    ("make", "most"),
    [
        (lambda n: Diagonal(np.ones(n)), 5),
        (lambda n: LowRank(np.ones((3, n)) * np.arange(1, 4)[:, None], np.ones(n)), 12),
    ],
)
def test_numbers_for_each_point(make: Callable[[int], Covariance], most: float) -> None:
    found = {}
    for n in (20_000, 200_000):
        sigma, constraint = make(n), Constraint(np.full((1, n), 1 / n), [1.0])
        found[n] = peak_numbers(lambda s=sigma, c=constraint, n=n: condition(np.zeros(n), s, c)) / n  # type: ignore[misc]
    assert found[200_000] == pytest.approx(found[20_000], rel=0.1)
    assert found[200_000] <= most


def test_a_million_points() -> None:
    n = 1_000_000
    constraint = Constraint(np.full((1, n), 1 / n), [1.0])
    posterior = condition(np.zeros(n), Diagonal(np.ones(n)), constraint)
    np.testing.assert_allclose(posterior.mean, 1.0, rtol=1e-12)
    np.testing.assert_allclose(posterior.draw(1, 0)[0].mean(), 1.0, rtol=1e-12)


def test_smoothing_solves_bands() -> None:
    """400 points in one line: a whole matrix would hold 400 numbers for each of them."""
    n = 400
    mean, sigma = np.sin(np.arange(n) / 50), Diagonal(np.full(n, 0.1))
    constraint = Constraint(np.full((1, n), 1 / n), [0.0])
    assert peak_numbers(lambda: condition(*smooth(mean, sigma), constraint)) < 100 * n
