"""Error against cost: the front, the intervals, and what the table and the picture show."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from sciflow.evaluation import Results
from sciflow.evaluation.accuracy_cost import (
    accuracy_cost,
    accuracy_cost_figure,
    accuracy_cost_markdown,
    drawable,
    pareto,
)

Make = Callable[..., Results]
COSTS: dict[str, dict[str, Any]] = {
    "solver, 16": {"seconds_per_frame": 0.1, "points": 16.0},
    "solver, 32": {"seconds_per_frame": 0.4, "points": 32.0},
    "net": {"frame_seconds": [0.01, 0.02, 0.03], "training_seconds": 50.0, "tuning_seconds": 7.0, "learns": True},
    "still": {"seconds_per_frame": 0.001, "learns": False},
    "slow": {"seconds_per_frame": 0.5, "training_seconds": 1.0, "learns": True},
    "untimed": {},
}
ERRORS = {
    "solver, 16": [[0.2, 0.2]],
    "solver, 32": [[0.01, 0.01]],
    "net": [[0.04, 0.06]],
    "still": [[1.0, 1.0]],
    "slow": [[0.3, math.inf]],
    "untimed": [[0.001, 0.001]],
}
FACTS = {"generation_seconds": 100.0, "cases": {"train": 3, "valid": 1, "all": 8}, "task": {"kind": "forecast"}}


def test_front_by_hand() -> None:
    assert pareto([(1, 4), (2, 2), (4, 1), (3, 3), (2, 2), (2, 5)]) == [True, True, True, False, True, False]
    assert pareto([(math.inf, 0.1), (1, 1), (math.nan, 0)]) == [False, True, False]


def test_points(make_results: Make) -> None:
    points = {point.method: point for point in accuracy_cost(make_results(ERRORS, COSTS, **FACTS))}
    assert list(points) == ["still", "net", "solver, 16", "solver, 32", "slow"]  # the fastest first
    net = points["net"]
    assert (net.kind, points["solver, 16"].kind, points["still"].kind) == ("learned", "solver", "other")
    assert net.error.value == pytest.approx(0.05)
    assert (net.error.low, net.error.high) == pytest.approx((0.04, 0.06))
    assert (net.seconds.value, net.seconds.low, net.seconds.high) == pytest.approx((0.2, 0.1, 0.3))
    assert net.upfront_seconds == pytest.approx(50 + 7 + 100 * 4 / 8)
    assert points["still"].upfront_seconds == points["solver, 16"].upfront_seconds == 0.0
    assert [name for name, point in points.items() if point.front] == ["still", "net", "solver, 32"]
    assert net.break_even is not None and net.break_even.grid == "solver, 32"
    assert net.break_even.solves.value == pytest.approx(107 / (4.0 - 0.2))


def test_table(make_results: Make) -> None:
    text = accuracy_cost_markdown(accuracy_cost(make_results(ERRORS, COSTS, **FACTS)))
    table, notes = text.split("\n\n")
    heads, _, *rows = table.splitlines()
    assert heads == (
        "| method | NMSE [95% CI] | s/solve [95% CI] | up-front s | front "
        "| break-even, solves [95% CI] | interpolated [95% CI] |"
    )
    (net,) = (row for row in rows if "net" in row)
    assert net.startswith("| net | 0.05 [0.04, 0.06] | 0.2 [0.1, 0.3] | 107 | yes | 29 [")
    (slow,) = (row for row in rows if "slow" in row)
    assert "diverged" in slow and "| never [never, never] |" in slow
    for words in ("Up-front s: ", "core-seconds", "one device", "Front: ", "Interpolated: "):
        assert words in notes
    assert "break-even" not in accuracy_cost_markdown(accuracy_cost(make_results({"a": [[1.0]]}, {})))


def test_picture(make_results: Make) -> None:
    results = make_results(ERRORS, COSTS, **FACTS)
    points = drawable(accuracy_cost(results))
    assert "slow" not in {point.method for point in points}  # its error is infinite
    panel = accuracy_cost_figure(results, points).axes[0]
    ladder = panel.lines[0]
    assert list(ladder.get_xdata()) == pytest.approx([1.0, 4.0])
    assert list(ladder.get_ydata()) == pytest.approx([0.2, 0.01])
    assert panel.get_title() == "one solve: 10 steps"
