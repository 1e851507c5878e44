from __future__ import annotations

import math
from itertools import pairwise

import pytest

from sciflow.training import Training
from sciflow.training.schedule import learning_rate


def test_the_rate_rises_linearly_and_falls_as_half_a_cosine() -> None:
    training = Training(steps=100, learning_rate=2.0, warmup=0.1)
    rates = [learning_rate(step, training) for step in range(100)]
    assert rates[:10] == pytest.approx([0.2 * (step + 1) for step in range(10)])
    assert rates[10] == pytest.approx(2.0)
    assert rates[55] == pytest.approx(1.0)  # half-way between step 10 and step 100
    assert rates[40] == pytest.approx(1 + math.cos(math.pi / 3))
    assert rates[99] == pytest.approx(1 - math.cos(math.pi / 90))
    assert all(later < earlier for earlier, later in pairwise(rates[10:]))


def test_a_constant_schedule_stays_at_its_peak() -> None:
    training = Training(steps=10, learning_rate=0.5, warmup=0, schedule="constant")
    assert {learning_rate(step, training) for step in range(10)} == {0.5}


def test_the_rate_falls_in_steps() -> None:
    """As published with CFDBench: a factor of 0.9 after each 20 of 100 epochs."""
    published = Training(steps=100, learning_rate=1e-3, warmup=0, schedule="step")
    rates = [learning_rate(step, published) for step in range(100)]
    assert rates == pytest.approx([1e-3 * 0.9 ** (step // 20) for step in range(100)])
    other = Training(steps=10, learning_rate=8.0, warmup=0.2, schedule="step", decay=0.5, decay_every=3)
    assert [learning_rate(step, other) for step in range(10)] == [4, 8, 8, 4, 4, 4, 2, 2, 2, 1]
    assert learning_rate(2, Training(steps=3, learning_rate=1.0, warmup=0, schedule="step")) == pytest.approx(0.81)


@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("warmup", [0.0, 0.3, 1.0])
def test_any_number_of_steps_and_any_warm_up_give_positive_rates(steps: int, warmup: float) -> None:
    training = Training(steps=steps, warmup=warmup, learning_rate=1.0)
    assert all(0 < learning_rate(step, training) <= 1 for step in range(steps))
