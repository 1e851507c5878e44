"""The stopwatch against a clock that is set by hand, and memory against an array of known size."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sciflow.evaluation.cost import PeakMemory, Stopwatch


class Slow:
    """Takes the given seconds, one after the other; the last ones for ever."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *seconds: float) -> None:
        self.now, self.seconds, self.calls = 0.0, list(seconds), 0
        monkeypatch.setattr("sciflow.evaluation.cost.time", SimpleNamespace(perf_counter=lambda: self.now))

    def predict(self, query: Any) -> str:
        self.now += self.seconds[min(self.calls, len(self.seconds) - 1)]
        self.calls += 1
        return f"answer {self.calls}"


def query(cases: int = 2, steps: int = 5) -> Any:
    return SimpleNamespace(cases=cases, steps=steps)


def test_single_timings_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first call of 9 s, five repetitions, then queries of the same and of another size: 10 frames in a call."""
    watch, method = Stopwatch(), Slow(monkeypatch, 9.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 7.0)
    assert watch.predict(method, query()) == "answer 1"  # type: ignore[arg-type, comparison-overlap]
    watch.predict(method, query())  # type: ignore[arg-type]
    watch.predict(method, query(cases=3))  # type: ignore[arg-type]  # compiles anew: not counted
    assert watch.timings == pytest.approx((0.01, 0.02, 0.03, 0.04, 0.05, 0.06))
    assert watch.seconds_per_frame == pytest.approx(0.035) and method.calls == 8


def test_repetitions_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, method = Stopwatch(), Slow(monkeypatch, 20.0, 3.0)
    watch.predict(method, query())  # type: ignore[arg-type]
    assert watch.timings == pytest.approx((0.3, 0.3)) and method.calls == 3  # 3 + 3 > 5 s


def test_a_long_first_call_is_all_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, method = Stopwatch(), Slow(monkeypatch, 40.0)
    watch.predict(method, query())  # type: ignore[arg-type]
    assert watch.timings == pytest.approx((4.0,)) and method.calls == 1


def test_peak_memory_sees_an_array() -> None:
    with PeakMemory() as before:
        time.sleep(0.05)
    with PeakMemory() as during:
        held = np.ones(16 * 2**20)  # 128 MiB
        time.sleep(0.1)
    if before.bytes is None or during.bytes is None:
        pytest.skip("this system does not tell the memory of a process")
    assert during.bytes - before.bytes > 0.8 * held.nbytes
