"""Peak memory of what is being run."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self, final

_STATM = Path("/proc/self/statm")
_INTERVAL = 0.02  # seconds; shorter peaks may be missed


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
