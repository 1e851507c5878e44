from __future__ import annotations

import pytest
import torch
from torch import nn

from sciflow.training.average import WeightAverage


def stepping(values: list[float], decay: float) -> list[float]:
    """Averages of a single weight that takes these values after steps 1, 2, ... and begins with 0."""
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    average, seen = WeightAverage(network, decay), []
    for step, value in enumerate(values, start=1):
        nn.init.constant_(network.weight, value)
        average.update(network, step)
        seen.append(float(average.network.weight))
    return seen


def test_the_average_follows_its_formula() -> None:
    expected, a = [], 0.0
    values = [1.0, -2.0, 0.5, 3.0, 3.0, 1.0]
    for t, w in enumerate(values, start=1):
        d = min(0.4, (1 + t) / (10 + t))
        a = d * a + (1 - d) * w
        expected.append(a)
    assert stepping(values, 0.4) == pytest.approx(expected)


def test_constant_weights_are_approached_geometrically() -> None:
    decays = [min(0.9, (1 + t) / (10 + t)) for t in range(1, 200)]
    left = torch.tensor(decays, dtype=torch.float64).prod()
    assert stepping([1.0] * 199, 0.9)[-1] == pytest.approx(1 - float(left))


def test_without_decay_the_average_is_the_weights() -> None:
    assert stepping([1.0, -7.0, 2.5], 0.0) == [1.0, -7.0, 2.5]


def test_buffers_are_copied_and_nothing_is_shared() -> None:
    network = nn.BatchNorm1d(2)
    average = WeightAverage(network, 0.9)
    network.running_mean += 3
    average.update(network, 1)
    assert torch.equal(average.network.running_mean, network.running_mean)
    network.running_mean += 1
    assert not torch.equal(average.network.running_mean, network.running_mean)
    assert not any(weight.requires_grad for weight in average.network.parameters())
