"""Break-even against numbers worked out by hand.

A solve has 10 frames. The solvers take 1, 4 and 16 s for it with NMSE 0.1, 0.01 and 0.001. The network takes 0.5 s; it
costs 60 s of training, 30 s of tuning and 8 of the 10 cases that took 200 s to generate: 250 s.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sciflow.evaluation import Results
from sciflow.evaluation.breakeven import BOUNDS, BreakEven, break_even, generation_seconds, match

Make = Callable[..., Results]
SOLVERS: dict[str, tuple[float, float, float]] = {
    "64": (0.001, 1.6, 4096.0),
    "16": (0.1, 0.1, 256.0),
    "32": (0.01, 0.4, 1024.0),
}
FACTS = {"generation_seconds": 200.0, "cases": {"train": 6, "valid": 2, "test": 2, "all": 10}}
COST = {"seconds_per_frame": 0.05, "training_seconds": 60.0, "tuning_seconds": 30.0, "learns": True}


def found(make: Make, errors: list[list[float]], cost: dict[str, Any] | None = None, **facts: Any) -> BreakEven:
    cases = len(errors[0])
    ladder = {name: [[error] * cases] for name, (error, _, _) in SOLVERS.items()}
    costs = {
        name: {"seconds_per_frame": seconds, "points": points, "learns": False}
        for name, (_, seconds, points) in SOLVERS.items()
    }
    results = make({**ladder, "net": errors, "still": [[1.0] * cases]}, {**costs, "net": {**COST, **(cost or {})}})
    results.facts.update({**FACTS, **facts})
    (one,) = break_even(results)
    return one


def values(item: Any) -> tuple[float, float, float]:
    return (item.value, item.low, item.high)


def test_by_hand(make_results: Make) -> None:
    one = found(make_results, [[0.02] * 4])
    assert (one.method, one.grid, one.grid_error, one.method_error) == ("net", "32", 0.01, pytest.approx(0.02))
    assert (one.solver_seconds, one.method_seconds) == (pytest.approx(4.0), pytest.approx(0.5))
    assert one.upfront_seconds == pytest.approx(60 + 30 + 200 * 8 / 10)
    assert values(one.solves) == pytest.approx((250 / 3.5,) * 3)  # nothing varies
    between = 4 ** math.log10(5)  # log(0.1 / 0.02) / log(0.1 / 0.01) of the way from 1 s to 4 s
    assert values(one.smooth) == pytest.approx((250 / (between - 0.5),) * 3)
    assert (one.bound, one.note, one.grid_share) == ("", "", 1.0)


def test_an_error_equal_to_a_solvers_is_matched_there(make_results: Make) -> None:
    one = found(make_results, [[0.01] * 4])
    assert one.grid == "32" and values(one.smooth) == pytest.approx(values(one.solves))


def test_the_interval_follows_the_matched_grid(make_results: Make) -> None:
    """Of two cases the first alone (a quarter of the samples) asks for 64, the second alone or both for 32."""
    one = found(make_results, [[0.005, 0.035]])
    assert one.grid == "32" and one.grid_share == pytest.approx(0.75, abs=0.03)
    assert values(one.solves) == pytest.approx((250 / 3.5, 250 / 15.5, 250 / 3.5))


def test_the_interval_follows_seeds_and_timings(make_results: Make) -> None:
    one = found(make_results, [[0.02] * 4] * 2, {"training_seconds": (40.0, 80.0)})
    assert values(one.solves) == pytest.approx((250 / 3.5, 230 / 3.5, 270 / 3.5))
    timings = [0.04, 0.05, 0.06]  # the median of three drawn ones is any of them
    one = found(make_results, [[0.02] * 4], {"frame_seconds": timings, "seconds_per_frame": 9.0})
    assert values(one.solves) == pytest.approx((250 / 3.5, 250 / 3.6, 250 / 3.4))
    assert one == found(make_results, [[0.02] * 4], {"frame_seconds": timings, "seconds_per_frame": 9.0})


def test_never(make_results: Make) -> None:
    one = found(make_results, [[0.02] * 4], {"seconds_per_frame": 0.4})
    assert values(one.solves) == (math.inf,) * 3 and math.isfinite(one.upfront_seconds)
    assert found(make_results, [[math.inf] * 4]).solves.value == math.inf
    assert "diverged" in found(make_results, [[math.inf] * 4]).note


def test_beyond_the_ladder(make_results: Make) -> None:
    worse = found(make_results, [[0.5] * 4])
    assert (worse.grid, worse.bound) == ("16", "lower") and "solver still better" in worse.note
    assert worse.solves.value == worse.smooth.value == pytest.approx(250 / 0.5)
    better = found(make_results, [[1e-4] * 4])
    assert (better.grid, better.bound) == ("64", "upper") and "upper bound" in better.note
    assert better.solves.value == better.smooth.value == pytest.approx(250 / 15.5)


def test_doubts_are_said(make_results: Make) -> None:
    """A method that is no better than holding the start frame; a finer solver that is faster than the matched one."""
    assert found(make_results, [[0.9] * 4]).note == BOUNDS["lower"]
    assert "not more accurate than the reference forecast" in found(make_results, [[1.0] * 4]).note
    costs = {"a": {"seconds_per_frame": 0.2, "points": 9.0}, "b": {"seconds_per_frame": 0.1, "points": 16.0}}
    made = make_results({"a": [[0.02]], "b": [[0.01]], "net": [[0.02]]}, {**costs, "net": COST}, **FACTS)
    (one,) = break_even(made)
    assert one.grid == "a" and one.note.startswith("'b' is accurate enough too and faster")


def test_what_is_not_known_is_said(make_results: Make) -> None:
    one = found(make_results, [[0.02] * 4], generation_seconds=None)
    assert one.upfront_seconds == 90 and "generation of the data not counted" in one.note
    one = found(make_results, [[0.02] * 4], {"seconds_per_frame": None})
    assert math.isnan(one.solves.value) and "not timed" in one.note
    one = found(make_results, [[0.02] * 4], environments=[{"cpus": 2}, {"cpus": 8}])
    assert "different machines" in one.note
    assert found(make_results, [[0.02] * 4], environments=[{"cpus": 2, "commit": "a"}, {"cpus": 2}]).note == ""
    assert math.isnan(generation_seconds({})) and generation_seconds(FACTS) == 160.0


def test_devices_that_differ_are_flagged(make_results: Make) -> None:
    costs = {
        "solver": {"seconds_per_frame": 1.0, "points": 9.0, "device": "cpu"},
        "net": {**COST, "device": "cuda:0"},
        "tree": {**COST, "device": "cpu"},
    }
    results = make_results({name: [[0.1, 0.1]] for name in costs}, costs, **FACTS)
    notes = {one.method: one.note for one in break_even(results)}
    assert notes == {"net": "devices differ: cuda:0 and, for the solver, cpu", "tree": ""}


def test_without_solvers_there_is_none(make_results: Make) -> None:
    assert break_even(make_results({"net": [[0.1]]}, {"net": COST}, **FACTS)) == []
    untimed = {"solver": {"points": 9.0}, "net": COST}
    assert break_even(make_results({"solver": [[0.1]], "net": [[0.1]]}, untimed, **FACTS)) == []


def test_shorter_horizon_and_other_splits(make_results: Make) -> None:
    """Only the rows of the main split and the horizon asked for count, and a solve is as long as the horizon."""
    first = make_results({"s": [[0.1]], "net": [[0.1]]}, {"s": {"seconds_per_frame": 1.0, "points": 9.0}, "net": COST})
    table = first.table
    moved = [table, table.assign(horizon=2), table.assign(split="random@64", horizon=99)]
    whole = Results(pd.concat(moved), first.curves, first.costs, {**first.facts, **FACTS})
    assert break_even(whole)[0].solver_seconds == pytest.approx(10.0)
    assert break_even(whole, 2)[0].solver_seconds == pytest.approx(2.0)
    assert break_even(whole, 2)[0].solves.value == pytest.approx(250 / (2 - 0.1))


def test_ladders_that_are_not_ordered_or_not_finite() -> None:
    """The coarsest that is accurate enough counts, even if a finer one is not; no logarithm of 0 or infinity."""
    seconds = np.array([[1.0, 4.0, 16.0]])
    zigzag = match(np.array([[0.1, 0.01, 0.05]]), seconds, np.array([0.02]))
    assert zigzag.index[0] == 1 and zigzag.seconds[0] == 4.0
    exact = match(np.array([[0.1, 0.05, 0.0]]), seconds, np.array([0.02]))
    assert exact.index[0] == 2 and exact.smooth[0] == exact.seconds[0] == 16.0
    broken = match(np.array([[np.inf, 0.01, 0.001]]), seconds, np.array([0.02]))
    assert broken.index[0] == 1 and broken.smooth[0] == 4.0 and not broken.below[0]
