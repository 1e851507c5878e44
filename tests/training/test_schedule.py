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


@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("warmup", [0.0, 0.3, 1.0])
def test_any_number_of_steps_and_any_warm_up_give_positive_rates(steps: int, warmup: float) -> None:
    training = Training(steps=steps, warmup=warmup, learning_rate=1.0)
    assert all(0 < learning_rate(step, training) <= 1 for step in range(steps))
