"""Peak memory and speed of what is being run."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, final

import numpy as np

if TYPE_CHECKING:
    from sciflow.core import Forecast, Method, Query

_STATM = Path("/proc/self/statm")
_INTERVAL = 0.02  # seconds; shorter peaks may be missed
_REPEAT_BELOW = 30.0  # seconds that the first call may take to be repeated
_REPEATS, _REPEAT_SECONDS = 5, 5.0  # repetitions of the first call, and when no further one is begun


@final
class Stopwatch:
    """Seconds per frame of a method, without what only the first call of its kind does (compilation, cold caches).

    The first query is answered again if that took less than 30 s: at least once and up to five times, within 5 s. Only
    the repetitions are timed. Later queries count if as many cases were asked for before, because another shape may
    compile anew.
    """

    def __init__(self) -> None:
        self.only: Forecast | None = None  # the answer, while there was one query
        self._shapes: set[int] = set()
        self._cold: list[float] = []
        self._warm: list[float] = []

    def predict(self, method: Method, query: Query) -> Forecast:
        """The method's first answer to a query."""
        forecast, seconds = self._timed(method, query)
        self.only = None if self._cold else forecast
        if query.cases in self._shapes:
            self._warm.append(seconds / (query.cases * query.steps))
            return forecast
        self._shapes.add(query.cases)
        self._cold.append(seconds / (query.cases * query.steps))
        if len(self._cold) == 1 and seconds < _REPEAT_BELOW:
            self._repeat(method, query)
        return forecast

    @property
    def timings(self) -> tuple[float, ...]:
        """Single timings, wall time / (queries x frames); of first calls only where there was no other."""
        return tuple(self._warm or self._cold)

    @property
    def seconds_per_frame(self) -> float:
        """Median of `timings`: the throughput of a batch, not the latency of one case."""
        return float(np.median(self.timings))

    def _repeat(self, method: Method, query: Query) -> None:
        spent = 0.0
        for _ in range(_REPEATS):
            seconds = self._timed(method, query)[1]
            self._warm.append(seconds / (query.cases * query.steps))
            spent += seconds
            if spent >= _REPEAT_SECONDS:
                return

    @staticmethod
    def _timed(method: Method, query: Query) -> tuple[Forecast, float]:
        begin = time.perf_counter()
        forecast = method.predict(query)
        return forecast, time.perf_counter() - begin


@final
class PeakMemory:
    """Largest memory of this process, or of its GPU, while a block runs.

    Main memory is sampled every 20 ms (Linux; elsewhere `bytes` is None on a CPU) and counts the whole process with its
    libraries. If the block allocates on a CUDA device, the most that tensors took there is reported instead.
    """

    def __init__(self) -> None:
        self.bytes: float | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        if (cuda := _cuda()) is not None:
            cuda.reset_peak_memory_stats()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if (cuda := _cuda()) is not None and cuda.max_memory_allocated() > 0:
            self.bytes = float(cuda.max_memory_allocated())

    def _watch(self) -> None:
        if not _STATM.exists():
            return
        page = os.sysconf("SC_PAGE_SIZE")
        while True:
            resident = float(int(_STATM.read_text().split()[1]) * page)
            self.bytes = max(self.bytes or 0.0, resident)
            if self._stop.wait(_INTERVAL):
                return


def _cuda():  # type: ignore[no-untyped-def]  # torch.cuda, a module
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() else None
