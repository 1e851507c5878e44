"""Shuffled windows of 2 frames of 3 x 64 x 64 from a file: `Windows.loader` against h5py slices, samples per second.

The peer reads the same variables of the same file, in the same shuffled order, in one process: the loop
``batch[i, :, c] = file[name][case, t : t + 2]`` with the variables looked up beforehand, once with h5py's default chunk
cache and once without, and the faster of the two counts. Ours is what training uses: batches of tensors x and y with
parameters, mask, time step and case index beside them, read from the file (the frames do not go through the cache in
memory, which is reported by itself). For comparison the peer's loop also reads two layouts that sciflow does not write:
one contiguous variable per field, and all fields in one contiguous variable [case, time, channel, y, x].

    python benchmarks/peers/windows.py [--cases 40] [--frames 80] [--batch 16] [--repeats 7]
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import h5py
import numpy as np
import torch
import xarray as xr

from sciflow.data import Dataset, Windows, from_arrays, open_dataset, write

FIELDS = ("u", "v", "p")
SIZE = 64


def make_batches(cases: int, frames: int) -> Iterator[xr.Dataset]:
    """Random frames, 4 cases at a time."""
    rng = np.random.default_rng(0)
    for begin in range(0, cases, 4):
        count = min(4, cases - begin)
        arrays = {name: rng.standard_normal((count, frames, SIZE, SIZE), np.float32) for name in FIELDS}
        yield from_arrays(arrays, parameters={"Re": begin + 1.0 + np.arange(count)}).xarray


def ours(dataset: Dataset, batch: int, cache_bytes: int) -> Callable[[int], float]:
    """Seconds of one shuffled pass over all windows."""
    windows = Windows(dataset, 1, 1, cache_bytes=cache_bytes)
    loader = windows.loader(batch, shuffle=True, seed=0)

    def run(epoch: int) -> float:
        loader.sampler.set_epoch(epoch)
        begin = time.perf_counter()
        for item in loader:
            assert item["x"].shape[1:] == item["y"].shape[1:] == (1, len(FIELDS), SIZE, SIZE)
        return time.perf_counter() - begin

    return run


def slices(file: h5py.File, windows: Windows, batch: int, *, stacked: bool = False) -> Callable[[int], float]:
    """Seconds of the same pass by h5py slices."""
    variables = [file["all"]] if stacked else [file[name] for name in FIELDS]
    order = windows.loader(batch, shuffle=True, seed=0).sampler
    starts = windows.dataset.frame_count - 1  # windows of two frames in each case

    def run(epoch: int) -> float:
        order.set_epoch(epoch)
        pairs = [divmod(index, starts) for index in order]
        begin = time.perf_counter()
        for first in range(0, len(pairs), batch):
            chosen = pairs[first : first + batch]
            out = np.empty((len(chosen), 2, len(FIELDS), SIZE, SIZE), np.float32)
            for row, (case, frame) in enumerate(chosen):
                if stacked:
                    out[row] = variables[0][case, frame : frame + 2]
                    continue
                for channel, variable in enumerate(variables):
                    out[row, :, channel] = variable[case, frame : frame + 2]
            torch.from_numpy(out)
        return time.perf_counter() - begin

    return run


def same_values(dataset: Dataset, file: h5py.File) -> None:
    """Both sides must read the same numbers."""
    item = Windows(dataset, 1, 1, cache_bytes=0).__getitems__([5, 300])
    for row in range(2):
        case, frame = int(item["case"][row]), int(item["start"][row])
        expected = np.stack([file[name][case, frame : frame + 2] for name in FIELDS], axis=1)
        assert np.array_equal(np.concatenate([item["x"][row], item["y"][row]]), expected)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("cases", 40), ("frames", 80), ("batch", 16), ("repeats", 7)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "windows.h5", make_batches(options.cases, options.frames))
        dataset = open_dataset(path)
        windows = Windows(dataset, 1, 1)
        with h5py.File(Path(folder) / "layouts.h5", "w") as layouts:
            for name in FIELDS:
                layouts[name] = dataset.array(name)[:, :, 0]
            layouts["all"] = dataset.array()
        with (
            h5py.File(path) as default,
            h5py.File(path, rdcc_nbytes=0) as uncached,
            h5py.File(Path(folder) / "layouts.h5") as layouts,
        ):
            same_values(dataset, default)
            sides = {
                "sciflow, from the file": ours(dataset, options.batch, 0),
                "h5py slices, same file, default chunk cache": slices(default, windows, options.batch),
                "h5py slices, same file, no chunk cache": slices(uncached, windows, options.batch),
                "sciflow, frames kept in memory": ours(dataset, options.batch, 2**30),
                "h5py slices, contiguous variables": slices(layouts, windows, options.batch),
                "h5py slices, one contiguous variable": slices(layouts, windows, options.batch, stacked=True),
            }
            seconds: dict[str, list[float]] = {side: [] for side in sides}
            for repeat in range(options.repeats + 1):  # interleaved, so that a busy machine slows all alike
                for side, run in sides.items():
                    taken = run(repeat)
                    if repeat:  # the first pass fills the file system's cache
                        seconds[side].append(taken)
    rates = {side: len(windows) / median(taken) for side, taken in seconds.items()}
    print(f"{len(windows)} windows of 2 x {len(FIELDS)} x {SIZE} x {SIZE}, batches of {options.batch}, one process")
    for side, rate in rates.items():
        print(f"{side:45s} {rate:10.0f} samples/s")
    own = rates["sciflow, from the file"]
    peer = max(rate for side, rate in rates.items() if "same file" in side)
    result = {
        "name": "windows",
        "ours": round(own, 1),
        "peer": round(peer, 1),
        "ratio": round(own / peer, 3),
        "unit": "samples/s",
        "device": f"cpu ({platform.machine()}, {torch.get_num_threads()} threads)",
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
