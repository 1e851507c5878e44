"""The published array files of filtered turbulent channel flow as data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sciflow.core.errors import InputError
from sciflow.data.reader import Dataset, open_dataset
from sciflow.data.writer import write
from sciflow.problems import registry
from sciflow.solvers import build
from sciflow.solvers.assemble import assemble

GRIDS = {180: (32, 33, 16), 395: (64, 49, 32), 590: (64, 65, 32)}  # x, y, z
_SPLIT = {"train": list(range(16)), "valid": list(range(16, 20)), "test": [20]}  # of the 21 groups


def import_channel(
    source: Path,
    path: Path,
    *,
    re_tau: int | None = None,
    interval: float = 1.0,
    cases: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """An array [group, time, x, y, z, (u, v, w, p)] of filtered channel flow, one case for each group.

    The files ``Retau180_dim21x400x32x33x16x4_dT200.npy`` and their like for 395 and 590 hold 21 groups of 400
    snapshots on periodic x and z (4 pi and 4 pi / 3) and the nodes of `sciflow.solvers.channel.grid.wall_nodes` along
    y. They become cases of the problem ``channel``, subset ``re180`` and so on; of 21 groups the split ``published``
    trains on the first 16, chooses on the next 4 and tests on the last. Groups are read one after the other.

    Args:
        source: the file.
        path: the HDF5 file to write.
        re_tau: 180, 395 or 590; by default the one whose published grid the array has.
        interval: seconds between snapshots (half-heights over 1.5 bulk velocities); 200 steps of 0.005 as published.
        cases: only so many of the first groups.
        progress: called with (groups done, groups in all).

    Raises:
        InputError: the file is no such array, the Reynolds number is unknown or its grid another, or a value is NaN.

    Source: Yang, Wang and Wang, arXiv:2412.18840.
    """
    array = _opened(source)
    grid = array.shape[2:5]
    if re_tau is None:
        re_tau = next((number for number, known in GRIDS.items() if known == grid), None)
        if re_tau is None:
            raise InputError(f"{source} has the grid {_by(grid)} of no published data; {_known()}.")
    elif re_tau not in GRIDS:
        raise InputError(f"There are no published data at Re_tau {re_tau}; {_known()}.")
    elif GRIDS[re_tau] != grid:
        raise InputError(f"{source} has the grid {_by(grid)}, not that of Re_tau {re_tau}; {_known()}.")
    if not interval > 0:
        raise InputError(f"interval is {interval}; give a positive time between snapshots in seconds.")
    if cases is not None and cases < 1:
        raise InputError(f"cases is {cases}; give at least one, or leave it out for all.")
    count = len(array) if cases is None else min(cases, len(array))
    about = {"title": f"{source.stem}, filtered channel flow", "source": "arXiv:2412.18840"}
    splits = {"published": _SPLIT} if count == 21 else None
    return open_dataset(write(path, _groups(array[:count], re_tau, interval, progress), attrs=about, splits=splits))


def _groups(
    array: np.ndarray, re_tau: int, interval: float, progress: Callable[[int, int], None] | None
) -> Iterator[Any]:
    """The cases."""
    problem = registry.get("channel")
    (case,) = problem.sample(1, 0, f"re{re_tau}")
    grid = build(problem, GRIDS[re_tau]).grid([case])
    times = interval * np.arange(array.shape[1])
    for number, group in enumerate(array, start=1):
        values = np.asarray(group).transpose(4, 0, 3, 2, 1)[:, None]
        yield assemble(problem, [case], times, grid, dict(zip("uvwp", values, strict=True)))
        if progress is not None:
            progress(number, len(array))


def _opened(source: Path) -> np.ndarray:
    """The array, not yet read."""
    try:
        array = np.load(source, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{source} cannot be read as a NumPy array (.npy), or is cut off: {error}") from error
    if not isinstance(array, np.ndarray) or array.ndim != 6 or array.shape[-1] != 4 or array.dtype.kind != "f":
        shape = list(getattr(array, "shape", []))
        raise InputError(f"{source} holds an array of shape {shape}; expected [group, time, x, y, z, 4] of floats.")
    return array


def _by(grid: tuple[int, ...]) -> str:
    return " x ".join(map(str, grid))


def _known() -> str:
    return "known are " + ", ".join(f"{number} ({_by(grid)})" for number, grid in GRIDS.items())
