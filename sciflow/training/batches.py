"""Training batches read one step ahead in a thread, with the time spent waiting for them."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self, final

import numpy as np
import torch

from sciflow.core.errors import InputError
from sciflow.data import Windows
from sciflow.training.sampler import batch_indices
from sciflow.training.step import Batch


def read_batch(windows: Windows, indices: list[int], device: torch.device) -> Batch:
    """The windows ``indices`` on ``device``, with the coordinates of the grid.

    Raises:
        InputError: a value in them is NaN or infinite.
    """
    batch = dict(windows.__getitems__(indices))
    for name, tensor in batch.items():
        if name in ("mask", "known"):  # made from booleans
            continue
        # NumPy checks in this thread alone; torch would start a second team of threads beside the training's.
        finite = np.isfinite(tensor.numpy())
        if not finite.all():
            bad = int(np.argmin(finite.reshape(len(finite), -1).all(axis=1)))
            what = "a field" if name in ("x", "y") else f"'{name}'"
            raise InputError(
                f"The data holds NaN or infinity in {what} of case {int(batch['case'][bad])} near frame "
                f"{int(batch['start'][bad])}; repair or remove this case."
            )
    batch["coordinates"] = windows.coordinates
    if device.type == "cuda":
        # What is one tensor for all cases has no memory of its own for each of them, which cannot be page-locked.
        pinned = {name: tensor.contiguous().pin_memory() for name, tensor in batch.items()}
        return {name: tensor.to(device, non_blocking=True) for name, tensor in pinned.items()}
    return batch


@final
class Batches:
    """The batch of each step, in order; while one is used the next is read.

    Attributes:
        waited: seconds that :meth:`take` has spent waiting for data.
    """

    def __init__(self, windows: Windows, *, seed: int, batch_size: int, steps: int, device: torch.device) -> None:
        self.waited = 0.0
        self._windows, self._device = windows, device
        self._seed, self._batch_size, self._steps = seed, batch_size, steps
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sciflow-batches")
        self._ahead: tuple[int, Future[Batch]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.shutdown(wait=True, cancel_futures=True)

    def take(self, step: int) -> Batch:
        """The batch of ``step``.

        Raises:
            InputError: the data holds NaN or infinity.
        """
        begin = time.perf_counter()
        pending = self._ahead[1] if self._ahead is not None and self._ahead[0] == step else self._read(step)
        batch = pending.result()
        self.waited += time.perf_counter() - begin
        self._ahead = (step + 1, self._read(step + 1)) if step + 1 < self._steps else None
        return batch

    def _read(self, step: int) -> Future[Batch]:
        indices = batch_indices(self._seed, step, len(self._windows), self._batch_size)
        return self._reader.submit(read_batch, self._windows, indices, self._device)
