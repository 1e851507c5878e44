"""The harness tested by forecasts whose scores are known; and that test, by metrics that are wrong."""

from __future__ import annotations

import math

import pytest

from sciflow.evaluation.flows import Flow
from sciflow.evaluation.measures import metrics
from sciflow.evaluation.measures.pointwise import MeanSquaredError
from sciflow.evaluation.selftest import Check, _of_flows, selftest


@pytest.fixture(scope="module")
def checks() -> list[Check]:
    return selftest()


def test_every_metric_and_every_task_is_covered(checks: list[Check]) -> None:
    assert {check.task for check in checks} == {"forecast", "parametric", "map", "condition"}
    assert {check.metric for check in checks} == set(metrics.names())
    assert [check for check in checks if not check.passed] == []


def test_numbers_of_a_few(checks: list[Check]) -> None:
    found = {(check.task, check.data, check.metric): check for check in checks}
    nmse = found["forecast", "decaying waves", "nmse"]
    assert nmse.perfect < 1e-12 < 0.01 < nmse.shifted
    assert nmse.reference == pytest.approx(found["forecast", "decaying waves", "persistence_nmse"].reference)
    assert math.isinf(found["map", "square of a field", "gain"].perfect)
    assert found["forecast", "drifting vortices", "correlation_time"].perfect == pytest.approx(1.5)


def test_flows_that_are_not_moved_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Flow, "moved", lambda self, values, axes, numbers: values)
    assert not _of_flows().passed


def test_a_metric_that_scores_the_wrong_frames_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MeanSquaredError, "terms", lambda self, frames: _counting_the_context(frames))
    wrong = [check for check in selftest() if not check.passed]
    assert wrong and {check.metric for check in wrong} == {"mse"}


def _counting_the_context(frames: object) -> object:
    """Squared error against the frames before: what shifting by one frame does."""
    import numpy as np

    truth = np.roll(frames.truth, 1, axis=-1)  # type: ignore[attr-defined]
    error = frames.integrate((frames.prediction - truth) ** 2)  # type: ignore[attr-defined]
    return np.stack([error, np.ones_like(error)], axis=-1)
