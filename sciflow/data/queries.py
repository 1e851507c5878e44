"""Questions to a forecasting method, and the right answers, from the cases of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from sciflow.core.errors import InputError
from sciflow.core.method import Query
from sciflow.data.reader import Dataset
from sciflow.data.schema import BOOKKEEPING, length_name


def query(dataset: Dataset, starts: Sequence[int], frames_in: int, steps: int, *, step: int = 1) -> Query:
    """Ask for the frames after ``frames_in`` context frames, from every start in every case.

    With ``frames_in = 0`` the frames from each start on are asked for, and the context holds no frames of the fields:
    only inputs, mask and case parameters.

    Args:
        dataset: the cases.
        starts: frame indices at which the contexts begin, the same in all cases.
        frames_in: context frames, T_in; 0 or more.
        steps: frames asked for, T_out.
        step: distance between frames.

    Returns:
        A query with cases x starts entries, all starts of a case together. Coordinates on ``case``: parameters,
        coefficients, scales, ``source_case`` (index into the file) and ``start``. Where cells hold boundary data, the
        query has their values at the times asked for, and NaN everywhere else.

    Raises:
        InputError: a case has too few valid frames, or a number is not positive.
    """
    offsets = _offsets(dataset, starts, frames_in, steps, step)
    context = _frames(dataset, starts, offsets[:frames_in])
    position, frames = _places(dataset, starts, offsets)
    times = dataset.case_times[position[:, None], frames]
    header = dataset.header
    for name in ("mask", "known"):
        if name in header:
            cells = header[name].variable  # without its coordinates, which count the cases of the data set
            context[name] = cells.isel(case=position) if "case" in cells.dims else cells
    if dataset.inputs:
        inputs = dataset.input_values()[position]
        for channel, name in enumerate(dataset.inputs):
            attrs = dict(dataset.source.specs[name].attrs)
            context[name] = (("case", *dataset.space), inputs[:, channel], attrs)
    signals = {name: dataset.signal_values(name)[position[:, None], frames, 0] for name in dataset.signals}
    known = _known(dataset, starts, offsets[frames_in:]) if dataset.has_known else None
    return Query(context, times[:, :frames_in], times[:, frames_in:], signals, known=known)


def later_frames(dataset: Dataset, frames_in: int, *, step: int = 1) -> Query:
    """Ask for all frames after the first ``frames_in`` ones of every case, or for every ``step``-th of them.

    Raises:
        InputError: the cases have different numbers of valid frames, or no more than ``frames_in``.
    """
    lengths = [int(length) for length in np.unique(dataset.lengths)]
    if len(lengths) > 1:
        listed = ", ".join(map(str, lengths)) if len(lengths) < 7 else f"{lengths[0]} to {lengths[-1]}"
        raise InputError(
            f"The cases have different numbers of valid frames ({listed}), so there is no forecast of all of them to "
            "their ends; select cases of equal length, or ask for a number of steps with sciflow.data.query."
        )
    frames = (lengths[0] - 1) // step + 1
    if frames <= frames_in:
        raise InputError(
            f"The cases have {lengths[0]} valid frames; {frames_in} context frames leave none to forecast."
        )
    return query(dataset, [0], frames_in, frames - frames_in, step=step)


def at_frames(asked: Query, frames: np.ndarray) -> Query:
    """A query for some of the frames of another one, by their numbers [case, n]; what is given stays the same."""
    context = int(asked.context.sizes["time"])
    rows = np.concatenate([np.tile(np.arange(context), (asked.cases, 1)), context + frames], axis=1)
    return replace(
        asked,
        times=np.take_along_axis(asked.times, frames, axis=1),
        signals={name: np.take_along_axis(values, rows, axis=1) for name, values in asked.signals.items()},
        known=None if asked.known is None else frames_of_cases(asked.known, frames),
    )


def frames_of_cases(data: xr.Dataset, frames: np.ndarray) -> xr.Dataset:
    """Frames of each case, by their numbers [case, n], of variables (case, time, \\*space)."""
    of_case = xr.DataArray(np.arange(len(frames)), dims="case")
    chosen = data.isel(case=of_case, time=xr.DataArray(frames, dims=("case", "time")))
    return chosen.map(lambda values: values.transpose(*data[values.name].dims), keep_attrs=True)


def truth(dataset: Dataset, starts: Sequence[int], frames_in: int, steps: int, *, step: int = 1) -> xr.Dataset:
    """The frames that `query` with the same arguments asks for: fields (case, time, \\*space) as stored.

    Raises:
        InputError: as for `query`.
    """
    return _frames(dataset, starts, _offsets(dataset, starts, frames_in, steps, step)[frames_in:])


def _offsets(dataset: Dataset, starts: Sequence[int], frames_in: int, steps: int, step: int) -> np.ndarray:
    """Frame numbers relative to a start, after checking that they exist in every case."""
    for name, value, least in (("frames_in", frames_in, 0), ("steps", steps, 1), ("step", step, 1)):
        if value < least:
            raise InputError(f"The {name} of a query is {value}; expected at least {least}.")
    if len(starts) == 0 or min(starts) < 0:
        raise InputError(f"A query needs start frames of 0 or more, not {list(starts)}.")
    offsets = np.arange(frames_in + steps) * step
    needed = max(starts) + int(offsets[-1]) + 1
    short = np.flatnonzero(dataset.lengths < needed)
    if short.size:
        raise InputError(
            f"The case {dataset.cases[short[0]]} has {dataset.lengths[short[0]]} valid frames; {frames_in} context "
            f"frames and {steps} steps from frame {max(starts)} need {needed}: start earlier, ask for fewer, or select "
            "cases."
        )
    return offsets


def _places(dataset: Dataset, starts: Sequence[int], offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position of the case of each entry [Q], and its frame numbers [Q, T]."""
    position = np.repeat(np.arange(len(dataset)), len(starts))
    return position, np.tile(np.asarray(starts), len(dataset))[:, None] + offsets


def _known(dataset: Dataset, starts: Sequence[int], offsets: np.ndarray) -> xr.Dataset:
    """Fields at ``starts`` + ``offsets`` where they are known boundary data, NaN everywhere else."""
    frames, cells = _frames(dataset, starts, offsets), dataset.known_values()
    assert cells is not None
    each = cells if len(cells) == 1 else np.repeat(cells, len(starts), axis=0)
    kept = {}
    for name in dataset.fields:
        known = each[:, None] if name in dataset.known_fields else np.zeros_like(each[:, None])
        kept[name] = (frames[name].dims, np.where(known, frames[name].values, np.nan), frames[name].attrs)
    return xr.Dataset(kept, {name: dataset.header[name] for name in dataset.space})


def _frames(dataset: Dataset, starts: Sequence[int], offsets: np.ndarray) -> xr.Dataset:
    """Fields at ``starts`` + ``offsets`` of every case, with everything about the cases but time."""
    position, frames = _places(dataset, starts, offsets)
    begin, end = (int(frames.min()), int(frames.max()) + 1) if offsets.size else (0, 0)
    relative = np.asarray(starts)[:, None] + offsets - begin
    blocks = [dataset.frames(int(case), begin, end)[relative] for case in dataset.cases]
    values = np.concatenate(blocks)  # [Q, T, C, *S]
    header = dataset.header
    dims = ("case", "time", *dataset.space)
    fields = {
        name: (dims, values[:, :, channel], dict(dataset.source.specs[name].attrs))
        for channel, name in enumerate(dataset.fields)
    }
    own: dict[str, Any] = {name: header[name] for name in dataset.space}
    skipped = (*(name for name in BOOKKEEPING if name not in dataset.parameters), length_name(header))
    for name, coordinate in header.coords.items():
        places = [("case", axis) for axis in dataset.space]  # positions that differ by case
        if (coordinate.dims == ("case",) and name not in skipped) or coordinate.dims in places:
            own[str(name)] = (coordinate.dims, coordinate.values[position], dict(coordinate.attrs))
    own["source_case"] = ("case", dataset.cases[position])
    own["start"] = ("case", np.tile(np.asarray(starts), len(dataset)))
    return xr.Dataset(fields, own, dataset.attrs)
