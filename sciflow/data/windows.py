"""Windows of consecutive frames as batches of tensors, read quickly in any order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, final

import numpy as np
import torch
from torch import Tensor
from torch.utils import data as torch_data

from sciflow.core.errors import InputError
from sciflow.data.frames import FrameMap
from sciflow.data.grid import unit_coordinates
from sciflow.data.reader import Dataset
from sciflow.data.source import FileSource

CACHE_BYTES = 2**30
_UNEVEN = 1e-3  # relative spread of time steps above which they differ


@final
class Windows(torch_data.Dataset):
    """All windows of ``frames_in + frames_out`` frames inside the valid frames of each case.

    With ``frames_in = 0`` there is nothing to forecast from: y follows from the inputs, the parameters and its time.

    Batches hold physical units, float32 unless said otherwise; B windows, C fields, \\*S the grid, P parameters,
    G signals, I inputs:

    ==============  ==========================  ==================================================================
    ``x``           [B, T_in, C, \\*S]           the frames given
    ``y``           [B, T_out, C, \\*S]          the frames that follow
    ``parameters``  [B, P]                      case parameters
    ``signals``     [B, T_in + T_out, G]        signals at the frames of x, then of y
    ``mask``        [B, 1, \\*S]                 1 = fluid; all 1 if there is no mask; read-only where cases share it
    ``known``       [B, C, \\*S]                1 = boundary data, known at all times; 0 if there are none; read-only
    ``dt``          [B]                         time from the last frame of x to the first of y, seconds; the time of
                                                the first of y if x has no frames
    ``inputs``      [B, I, \\*S]                 fields that do not depend on time
    ``scale``       [B, C]                      characteristic scale of each field in the case, 1 if none
    ``time_scale``  [B]                         characteristic time of the case, 1 if none
    ``case``        [B] int64                   index into the file
    ``start``       [B] int64                   index of the first frame of the window
    ==============  ==========================  ==================================================================

    Args:
        dataset: the cases.
        frames_in: T_in, 0 or more.
        frames_out: T_out.
        stride: distance between the starts of windows of a case.
        step: distance between the frames of a window.
        cache_bytes: if all frames and inputs take at most this much as float32, they are kept in memory when the first
            batch is asked for, in this process alone; 0 reads from the file every time.

    Raises:
        InputError: a number is too small, no case is long enough for a window, or the frames of a y (T_out > 1) are
            not equally spaced in time, so that one dt cannot stand for them.
    """

    def __init__(
        self,
        dataset: Dataset,
        frames_in: int = 1,
        frames_out: int = 1,
        stride: int = 1,
        step: int = 1,
        *,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        for name, value in (("frames_out", frames_out), ("stride", stride), ("step", step), ("frames_in", frames_in)):
            least = 0 if name == "frames_in" else 1
            if value < least:
                raise InputError(f"The {name} of windows is {value}; expected at least {least}.")
        self.dataset, self.frames_in, self.frames_out = dataset, frames_in, frames_out
        self.stride, self.step = stride, step
        span = (frames_in + frames_out - 1) * step
        counts = np.maximum(0, -(-(dataset.lengths - span) // stride))
        if not counts.any():
            raise InputError(
                f"No case has the {span + 1} frames that a window of {frames_in} + {frames_out} frames with step "
                f"{step} takes; the longest has {int(dataset.lengths.max())}."
            )
        self._position = np.repeat(np.arange(len(dataset)), counts)
        self._start = (np.arange(len(self._position)) - np.repeat(np.cumsum(counts) - counts, counts)) * stride
        self._offsets = np.arange(frames_in + frames_out) * step
        self._dt = self._time_steps()
        frames = int(dataset.lengths.sum())
        channels = frames * len(dataset.fields) + len(dataset) * len(dataset.inputs)
        self._cached = 4 * channels * int(np.prod(dataset.shape)) <= cache_bytes
        self._cache: tuple[np.ndarray, np.ndarray] | None = None
        self._input_cache: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self._position)

    @property
    def cached(self) -> bool:
        """Whether this process keeps the frames in memory."""
        return self._cached

    @cached_property
    def coordinates(self) -> Tensor:
        """Coordinates of the cells [D, \\*S] in tensor order (z, y, x), 0 to 1 over the domain."""
        return torch.from_numpy(unit_coordinates(self.dataset.header).astype(np.float32))

    def __getitem__(self, index: int | Sequence[int]) -> dict[str, Tensor]:
        """One window without the batch dimension, or several as a batch."""
        if isinstance(index, int | np.integer):
            return {name: value[0] for name, value in self.__getitems__([int(index)]).items()}
        return self.__getitems__(index)

    def __getitems__(self, indices: Sequence[int] | np.ndarray) -> dict[str, Tensor]:
        """A batch of windows; one read for all of them.

        Raises:
            InputError: the file is damaged or has gone.
            IndexError: there is no such window.
        """
        chosen = np.asarray(indices, np.int64)
        position, start = self._position[chosen], self._start[chosen]
        frames = start[:, None] + self._offsets
        x, y = self._frames(position, frames)
        by_case = {name: torch.from_numpy(values[position]) for name, values in self._by_case.items()}
        return {
            "x": x,
            "y": y,
            "mask": _of_cases(self._mask, position),
            "known": _of_cases(self._known, position).expand(-1, len(self.dataset.fields), *self.dataset.shape),
            "signals": torch.from_numpy(self._signals[position[:, None], frames]),
            "dt": torch.from_numpy(self._dt[chosen]),
            "inputs": self._inputs(position),
            **by_case,
            "start": torch.from_numpy(start),
        }

    def loader(
        self, batch_size: int, *, shuffle: bool, seed: int, workers: int = 0, drop_last: bool = False
    ) -> torch_data.DataLoader:
        """Batches of windows, each read at once.

        Args:
            batch_size: windows per batch.
            shuffle: another order in every pass, a function of ``seed`` and the number of passes so far
                (``loader.sampler.set_epoch(n)`` sets that number).
            seed: for the order.
            workers: processes that read ahead; they are spawned and read from the file. 0 is right for data that fits
                into memory.
            drop_last: leave out a last batch that is not full.
        """
        generator = torch.Generator()
        generator.manual_seed(seed)  # the loader draws seeds for its workers; it shall not take them from torch's own
        return torch_data.DataLoader(
            self,
            batch_size=batch_size,
            sampler=Order(len(self), shuffle=shuffle, seed=seed),
            collate_fn=_as_it_is,
            num_workers=workers,
            drop_last=drop_last,
            multiprocessing_context="spawn" if workers else None,
            persistent_workers=workers > 0,
            generator=generator,
        )

    def _time_steps(self) -> np.ndarray:
        """dt of each window, float32, after checking that it is that of all frames of its y."""
        frames = self._start[:, None] + self._offsets[max(0, self.frames_in - 1) :]
        times = self.dataset.case_times[self._position[:, None], frames]
        gaps = np.diff(times, axis=1) if frames.shape[1] > 1 else np.ones((len(frames), 1))
        uneven = np.flatnonzero(np.ptp(gaps, axis=1) > _UNEVEN * gaps.max(axis=1))
        if uneven.size:
            first, times = int(uneven[0]), gaps[uneven[0]]
            raise InputError(
                f"Windows with frames_out = {self.frames_out} need frames that are equally spaced in time, but in case "
                f"{self.dataset.cases[self._position[first]]} from frame {self._start[first]} the time between them is "
                f"{times.min():.6g} to {times.max():.6g} s; use frames_out = 1 or interpolate the data in time."
            )
        return (gaps if self.frames_in else times)[:, 0].astype(np.float32)

    @cached_property
    def _by_case(self) -> dict[str, np.ndarray]:
        dataset = self.dataset
        values = {
            "parameters": dataset.parameter_values(),
            "scale": dataset.field_scales(),
            "time_scale": dataset.time_scales(),
        }
        return {name: value.astype(np.float32) for name, value in values.items()} | {"case": dataset.cases}

    @cached_property
    def _signals(self) -> np.ndarray:
        return self.dataset.signal_values().astype(np.float32)

    @cached_property
    def _mask(self) -> Tensor:
        """[1 or cases, 1, \\*S]."""
        mask = self.dataset.mask_values()
        mask = np.ones((1, *self.dataset.shape)) if mask is None else mask
        return torch.from_numpy(mask[:, None].astype(np.float32))

    @cached_property
    def _known(self) -> Tensor:
        """[1 or cases, 1 or C, \\*S]."""
        cells = self.dataset.known_values()
        if cells is None:
            return torch.zeros(1, 1, *self.dataset.shape)
        named = np.isin(self.dataset.fields, self.dataset.known_fields).reshape(-1, *[1] * len(self.dataset.shape))
        return torch.from_numpy((cells[:, None] & named).astype(np.float32))

    def _inputs(self, position: np.ndarray) -> Tensor:
        """[B, I, \\*S] of the windows at ``position``."""
        if self._cached:
            if self._input_cache is None:
                self._input_cache = self.dataset.input_values()
            return torch.from_numpy(self._input_cache[position])
        return torch.from_numpy(self.dataset.select(self.dataset.cases[position]).input_values())

    def _frames(self, position: np.ndarray, frames: np.ndarray) -> tuple[Tensor, Tensor]:
        """The frames given and those that follow, of windows at ``position`` with frame numbers [B, T].

        NumPy copies in this thread alone; torch would wake a team of threads beside that of the training step.
        """
        count, first = len(position), self.frames_in
        # All frames of x, then all of y: one copy into one block of memory.
        places = np.concatenate([np.repeat(position, first), np.repeat(position, self.frames_out)])
        wanted = np.concatenate([frames[:, :first].ravel(), frames[:, first:].ravel()])
        if self._cached:
            if self._cache is None:
                self._cache = self._load()
            values, begins = self._cache
            both = values[begins[places] + wanted]
        elif self._map is not None:
            both = self._map.read(self.dataset.cases[places], wanted)
        else:
            x, y = self._sliced(position, frames)
            return torch.from_numpy(x), torch.from_numpy(y)
        x, y = both[: count * first], both[count * first :]
        shape = both.shape[1:]
        return (
            torch.from_numpy(x.reshape(count, first, *shape)),
            torch.from_numpy(y.reshape(count, self.frames_out, *shape)),
        )

    @property
    def _map(self) -> FrameMap | None:
        source = self.dataset.source
        return source.frame_map(self.dataset.fields) if isinstance(source, FileSource) else None

    def _load(self) -> tuple[np.ndarray, np.ndarray]:
        """All valid frames one after the other, [frames, C, \\*S], and where each case begins."""
        dataset = self.dataset
        first = np.cumsum(dataset.lengths) - dataset.lengths
        values = np.empty((int(dataset.lengths.sum()), len(dataset.fields), *dataset.shape), np.float32)
        for position, begin, block in dataset.blocks():
            row = int(first[position]) + begin
            values[row : row + len(block)] = block
        return values, first

    def _sliced(self, position: np.ndarray, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One slice for each window and field, in the order of the file."""
        dataset = self.dataset
        shape = (len(dataset.fields), *dataset.shape)
        x = np.empty((len(position), self.frames_in, *shape), np.float32)
        y = np.empty((len(position), self.frames_out, *shape), np.float32)
        for row in np.lexsort((frames[:, 0], position)):
            span = slice(int(frames[row, 0]), int(frames[row, -1]) + 1, self.step)
            for channel, name in enumerate(dataset.fields):
                read = dataset.source.read(name, int(dataset.cases[position[row]]), span)
                x[row, :, channel], y[row, :, channel] = read[: self.frames_in], read[self.frames_in :]
        return x, y

    def __getstate__(self) -> dict[str, Any]:
        # A worker reads from the file: sending or rebuilding the cache would multiply the memory.
        in_file = isinstance(self.dataset.source, FileSource)
        return self.__dict__ | {"_cache": None, "_input_cache": None, "_cached": self._cached and not in_file}


@final
class Order(torch_data.Sampler[int]):
    """Indices in order, or in a permutation that is a function of seed and epoch; each pass counts the epoch up."""

    def __init__(self, size: int, *, shuffle: bool, seed: int) -> None:
        self.size, self.shuffle, self.seed, self.epoch = size, shuffle, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next pass."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        order = np.arange(self.size)
        if self.shuffle:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(self.size)
        self.epoch += 1
        return iter(order.tolist())


def _of_cases(values: Tensor, position: np.ndarray) -> Tensor:
    """The entries [B, ...] of the cases at ``position``, from one entry that all share or one for each case."""
    return values.expand(len(position), *values.shape[1:]) if len(values) == 1 else values[position]


def _as_it_is(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    return batch
