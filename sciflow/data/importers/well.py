"""Files in The Well's format (https://polymathic-ai.org/the_well/data_format/) as a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import h5py
import numpy as np
import xarray as xr

from sciflow.core.errors import InputError
from sciflow.data.exporters.well import PARTS
from sciflow.data.exporters.well_rules import names_in, violations
from sciflow.data.handle import open_hdf5
from sciflow.data.importers.description import describe, describe_if_whole
from sciflow.data.importers.well_file import Trajectory, axis_names
from sciflow.data.reader import Dataset, open_dataset
from sciflow.data.schema import SCHEMA, SPACE
from sciflow.data.writer import write


def import_well(
    source: Path,
    path: Path,
    *,
    problem: str | None = None,
    strict: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Files of The Well as a data set, case by case.

    Fields are transposed to (z, y, x); a vector ``velocity`` becomes u, v, w, another vector or tensor ``A`` becomes
    A_x, A_y or A_xx, A_xy and so on. Fields that are constant in time become inputs, constant scalars case parameters,
    scalars that vary in time signals. Axes of other names (theta, phi) become x, y, z in their order and keep their
    name as ``long_name``. The folders train, valid and test become the split "default". Files that `sciflow` exported
    give back the same fields, in the same order of cases.

    Args:
        source: a file, a folder of files, or a folder with ``data/train`` and so on (or ``train`` and so on).
        path: the HDF5 file to write.
        problem: name of a problem that the data belong to; by default what an exported file notes.
        strict: refuse files that break a rule of the format; otherwise only what is needed is asked for.
        progress: called with (cases done, cases in all).

    Raises:
        InputError: there is no file, a file cannot be read, or files do not belong together.
    """
    files = _files(source)
    if strict:
        for file, _ in files:
            for sentence in violations(file)[:1]:
                raise InputError(f"The file {file} breaks The Well's format: {sentence}")
    entries = [entry for file, part in files for entry in _entries(file, part)]
    if all(entry.number is not None for entry in entries):
        numbers = sorted({entry.number for entry in entries if entry.number is not None})
        if len(numbers) == len(entries):
            entries.sort(key=lambda entry: entry.number or 0)
    plan = _Plan.of(entries)
    splits: dict[str, dict[str, list[int]]] = {}
    for part in PARTS:
        members = [index for index, entry in enumerate(entries) if entry.part == part]
        if members:
            splits.setdefault("default", {})[part] = members
    attrs = {"title": plan.title, "source": "The Well"}
    batches = _batches(entries, plan, problem, progress)
    return open_dataset(write(path, batches, splits=splits, attrs=attrs))


@final
@dataclass(frozen=True)
class _Entry:
    """One trajectory of one file."""

    file: Path
    part: str
    row: int
    number: int | None
    times: np.ndarray
    axes: dict[str, np.ndarray] = field(default_factory=dict)  # by our names


def _files(source: Path) -> list[tuple[Path, str]]:
    """Files with the part of the split that their folder is for, "" if for none."""
    if source.is_file():
        return [(source, "")]
    root = source / "data" if (source / "data").is_dir() else source
    found = [(file, part) for part in PARTS for file in _hdf5_in(root / part)] or [
        (file, "") for file in _hdf5_in(root)
    ]
    if not found:
        raise InputError(f"No .hdf5 files are found in {source}; expected data/train, data/valid, data/test, or files.")
    return found


def _hdf5_in(folder: Path) -> list[Path]:
    return sorted([*folder.glob("*.hdf5"), *folder.glob("*.h5")])


def _entries(path: Path, part: str) -> Iterator[_Entry]:
    with open_hdf5(path) as file:
        try:
            count = int(file.attrs["n_trajectories"])
            numbers = file.attrs.get("sciflow_cases")
            time = file["dimensions/time"]
            axes = {own: file["dimensions"][given] for own, given in axis_names(file).items()}
            for row in range(count):
                own = {axis: _rows(values, row) for axis, values in axes.items()}
                number = None if numbers is None else int(numbers[row])
                yield _Entry(path, part, row, number, _rows(time, row), own)
        except (KeyError, IndexError) as error:
            reason = next(iter(violations(path)), str(error))
            raise InputError(f"The file {path} is not in The Well's format: {reason}") from error


def _rows(dataset: h5py.Dataset, row: int) -> np.ndarray:
    values = dataset[row] if dataset.attrs.get("sample_varying") else dataset[()]
    return np.asarray(values, np.float64)


@final
@dataclass(frozen=True)
class _Plan:
    """What the cases share, from all files.

    Attributes:
        times: of the longest case where all agree with it, else None.
        axes: shared positions; reference positions from 0 to 1 where `by_case`.
        by_case: whether positions differ between cases.
    """

    title: str
    problem: str
    grid: str
    frames: int
    times: np.ndarray | None
    axes: dict[str, np.ndarray]
    by_case: bool
    periodic: tuple[str, ...]
    names: dict[str, str]

    @classmethod
    def of(cls, entries: list[_Entry]) -> _Plan:
        longest = max(entries, key=lambda entry: len(entry.times)).times
        shared = all(np.array_equal(entry.times, longest[: len(entry.times)]) for entry in entries)
        first = entries[0]
        for entry in entries[1:]:
            shapes = [{axis: len(values) for axis, values in one.axes.items()} for one in (first, entry)]
            if shapes[0] != shapes[1]:
                raise InputError(
                    f"{entry.file} has the grid {shapes[1]}, {first.file} has {shapes[0]}; import them apart."
                )
        by_case = any(
            not np.array_equal(entry.axes[axis], first.axes[axis]) for entry in entries for axis in first.axes
        )
        with open_hdf5(first.file) as file:
            names = axis_names(file)
            periodic = _periodic(file, names)
            grid = str(file.attrs.get("sciflow_grid", "nodes"))
            axes = {a: _reference(v, grid, a in periodic) if by_case else v for a, v in first.axes.items()}
            title, problem = str(file.attrs.get("dataset_name", "")), str(file.attrs.get("sciflow_problem", ""))
        return cls(title, problem, grid, len(longest), longest if shared else None, axes, by_case, periodic, names)


def _periodic(file: h5py.File, names: dict[str, str]) -> tuple[str, ...]:
    dims = {
        dim
        for group in file.get("boundary_conditions", {}).values()
        if str(group.attrs.get("bc_type")).lower() == "periodic"
        for dim in names_in(group, "associated_dims")
    }
    return tuple(own for own, given in names.items() if given in dims)


def _reference(values: np.ndarray, grid: str, periodic: bool) -> np.ndarray:
    size = len(values)
    return (np.arange(size) + 0.5) / size if grid == "cells" else np.linspace(0, 1, size, endpoint=not periodic)


def _batches(
    entries: list[_Entry], plan: _Plan, problem: str | None, progress: Callable[[int, int], None] | None
) -> Iterator[xr.Dataset]:
    for index, entry in enumerate(entries):
        # The first batch lays the file out, so it is filled up to the longest case.
        frames = plan.frames if index == 0 else len(entry.times)
        with open_hdf5(entry.file) as file:
            data = _case(file, entry, plan, frames)
        data = describe(data, problem) if problem is not None else describe_if_whole(data, plan.problem)
        yield data
        if progress is not None:
            progress(index + 1, len(entries))


def _case(file: h5py.File, entry: _Entry, plan: _Plan, frames: int) -> xr.Dataset:
    """One trajectory as a data set of one case, NaN after its last frame."""
    reader = Trajectory(file, entry.row, axis_names(file), frames)
    variables, coordinates = reader.fields(), reader.scalars()
    length = len(entry.times)
    if plan.times is None:
        steps = np.full((1, frames), np.nan)
        steps[0, :length] = entry.times
        coordinates["time_of_case"] = (("case", "time"), steps, {"units": "s", "long_name": "time"})
    else:
        coordinates["time"] = ("time", plan.times[:frames], {"units": "s", "long_name": "time"})
    for axis in SPACE:
        if axis not in plan.axes:
            continue
        units = str(file["dimensions"][plan.names[axis]].attrs.get("units", ""))
        attrs: dict[str, Any] = {"units": "" if plan.by_case else units, "long_name": plan.names[axis]}
        coordinates[axis] = (axis, plan.axes[axis], attrs | ({"low": 0.0, "high": 1.0} if plan.by_case else {}))
        if plan.by_case:
            about = {"units": units, "long_name": plan.names[axis]}
            coordinates[f"{axis}_of_case"] = (("case", axis), entry.axes[axis][None], about)
    data = xr.Dataset(variables, coordinates)
    name = "valid_frames" if data.get("length", xr.DataArray()).attrs.get("role") == "parameter" else "length"
    attrs = {"schema": SCHEMA, "grid": plan.grid, "periodic": ",".join(plan.periodic), "title": plan.title}
    signals = {key: reader.signal(key) for key in reader.signals}
    data = data.assign(signals).assign_coords({name: ("case", np.array([length], dtype=np.int64))})
    absent = str(file.attrs.get("sciflow_absent", ""))
    return data.assign_attrs(attrs | ({"absent": absent} if absent else {}))
