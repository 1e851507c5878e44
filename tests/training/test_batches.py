from __future__ import annotations

import threading
import time

import pytest
import torch
from torch import Tensor

from sciflow.data import Dataset, Windows
from sciflow.training.batches import Batches, read_batch
from sciflow.training.sampler import batch_indices

CPU = torch.device("cpu")


def test_batches_come_in_the_order_of_the_sampler_from_any_step(train: Dataset) -> None:
    windows = Windows(train)
    with Batches(windows, seed=4, batch_size=7, steps=10, device=CPU) as batches:
        for step in (5, 6, 2, 9):
            expected = windows.__getitems__(batch_indices(4, step, len(windows), 7))
            batch = batches.take(step)
            assert set(batch) == {*expected, "coordinates"}
            assert all(torch.equal(batch[name], expected[name]) for name in expected)


def test_the_next_batch_is_read_ahead_and_waiting_is_counted(train: Dataset) -> None:
    windows = Windows(train)
    whole, begun = windows.__getitems__, [threading.Event() for _ in range(3)]
    reads = iter(begun)

    def slow(indices: list[int]) -> dict[str, Tensor]:
        next(reads).set()
        time.sleep(0.05)
        return whole(indices)

    windows.__getitems__ = slow  # type: ignore[method-assign]
    with Batches(windows, seed=0, batch_size=2, steps=3, device=CPU) as batches:
        batches.take(0)
        first = batches.waited
        assert first >= 0.045
        assert begun[1].wait(timeout=10)  # read before it is asked for
        assert not begun[2].is_set()
        batches.take(1)
        batches.take(2)
        assert batches.waited > first + 0.04
    assert next(reads, None) is None  # nothing beyond the last step


def test_no_thread_is_left_behind(train: Dataset) -> None:
    before = threading.active_count()
    with pytest.raises(KeyError), Batches(Windows(train), seed=0, batch_size=2, steps=5, device=CPU) as batches:
        batches.take(0)
        raise KeyError
    assert threading.active_count() == before


def test_a_batch_has_the_coordinates_of_the_grid(train: Dataset) -> None:
    batch = read_batch(Windows(train), [0, 1], CPU)
    assert batch["coordinates"].tolist() == [pytest.approx([index / 32 for index in range(32)])]


def test_page_locked_batches_own_their_memory(train: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    # CUDA refuses to page-lock a tensor whose cases share memory, as the coordinates of a grid do.
    locked: list[bool] = []

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        locked.append(tensor.is_contiguous())
        return tensor

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, *_, **__: tensor)
    windows = Windows(train)
    shared = [name for name, tensor in read_batch(windows, [0, 1], CPU).items() if not tensor.is_contiguous()]
    batch = read_batch(windows, [0, 1], torch.device("cuda"))
    assert shared and len(locked) == len(batch) and all(locked)
