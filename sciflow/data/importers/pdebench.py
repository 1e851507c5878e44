"""Files of PDEBench (arXiv 2210.07182) as data sets.

Three layouts, told apart by what a file holds: (a) ``tensor``, or one array for each variable, [case, time, x, y, z]
with ``x-coordinate`` and so on; (b) one group for each case, ``NNNN/data`` [time, x, y, channel] and ``NNNN/grid``;
(c) incompressible flow, ``velocity`` [case, time, x, y, 2], ``particles`` and ``force``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import h5py
import numpy as np
import xarray as xr

from sciflow.core.errors import InputError, near
from sciflow.data.handle import open_hdf5
from sciflow.data.importers.description import describe
from sciflow.data.reader import Dataset, open_dataset
from sciflow.data.schema import SCHEMA, SPACE
from sciflow.data.writer import write

_AXES = SPACE[::-1]
_NAMES = ("u", "v", "w")
_PARAMETER = {"role": "parameter", "units": "", "scale": "linear"}


def import_pdebench(
    source: Path,
    path: Path,
    *,
    problem: str | None = None,
    fields: str | Sequence[str] = (),
    parameters: Mapping[str, float] | None = None,
    periodic: str | Sequence[str] = (),
    grid: str = "cells",
    cases: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """A file of PDEBench as a data set, case by case.

    Arrays are transposed from (x, y, z) to (z, y, x). Numbers among the attributes of the file (``beta``, ``Nu``)
    become parameters that all cases share; arrays without a time axis (``nu`` of the Darcy files, the force of (c))
    become inputs. Times may have one entry more than there are frames, as in most of the files; the last one is then
    left out. The files give no units, and do not say which axes are periodic.

    Args:
        source: the file.
        path: the HDF5 file to write.
        problem: a registered problem; gives names where the file has none, units and periodic axes.
        fields: names of the fields, where the file has none (``tensor``, channels of ``data``); by default those of the
            problem, else u, v, w or u0, u1, ...
        parameters: values that all cases share, by name; many of the files give them in their name only.
        periodic: names of the periodic axes.
        grid: "cells" or "nodes"; the published files hold cell centres.
        cases: only so many of the first cases.
        progress: called with (cases done, cases in all).

    Raises:
        InputError: the file is in none of the layouts, or shapes disagree.
    """
    if cases is not None and cases < 1:
        raise InputError(f"cases is {cases}; give at least one, or leave it out for all.")
    fields, periodic = ((given,) if isinstance(given, str) else tuple(given) for given in (fields, periodic))
    shared = {name: ("case", np.array([float(value)]), _PARAMETER) for name, value in (parameters or {}).items()}
    with open_hdf5(source) as file:
        layout = _layout(file, source, fields or _declared(problem))
        wrong = [axis for axis in periodic if axis not in layout.axes]
        if wrong:
            raise InputError(f"There is no axis '{wrong[0]}' to be periodic.{near(wrong[0], layout.axes)}")
        count = layout.count if cases is None else min(cases, layout.count)
        attrs = {"schema": SCHEMA, "grid": grid, "periodic": ",".join(periodic)}
        read = (layout.case(number).assign_coords(shared).assign_attrs(attrs) for number in range(count))
        about = {"title": f"{source.stem} (PDEBench)", "source": "PDEBench, arXiv 2210.07182"}
        return open_dataset(write(path, _counted(read, problem, count, progress), attrs=about))


def _counted(
    cases: Iterator[xr.Dataset], problem: str | None, count: int, progress: Callable[[int, int], None] | None
) -> Iterator[xr.Dataset]:
    """The cases with what the problem knows about them."""
    for number, data in enumerate(cases):
        yield describe(_renamed_inputs(data, problem), problem or "")
        if progress is not None:
            progress(number + 1, count)


def _declared(problem: str | None) -> tuple[str, ...]:
    if problem is None:
        return ()
    from sciflow import problems

    return tuple(info.name for info in problems.get(problem).fields)


def _renamed_inputs(data: xr.Dataset, problem: str | None) -> xr.Dataset:
    """The one input of a problem takes the name that the problem gives it."""
    if problem is None:
        return data
    from sciflow import problems

    declared = [info.name for info in problems.get(problem).inputs]
    own = [str(name) for name, variable in data.data_vars.items() if variable.attrs["role"] == "input"]
    return data.rename({own[0]: declared[0]}) if len(own) == len(declared) == 1 and own != declared else data


class _Layout(ABC):
    """A way in which PDEBench arranges cases in a file.

    Attributes:
        count: number of cases.
        axes: positions along each axis, x first.
    """

    count: int
    axes: dict[str, np.ndarray]

    @abstractmethod
    def case(self, number: int) -> xr.Dataset:
        """One case, (case, time, (z,) (y,) x)."""

    def assemble(self, arrays: dict[str, np.ndarray], inputs: dict[str, np.ndarray], times: np.ndarray) -> xr.Dataset:
        """A data set from arrays [time, x, y, z] and [x, y, z] of one case."""
        space = tuple(reversed(self.axes))
        variables: dict[str, Any] = {}
        for name, values in arrays.items():
            turned = np.asarray(values).transpose(0, *range(values.ndim - 1, 0, -1))
            variables[name] = (("case", "time", *space), turned[None], {"role": "field", "units": ""})
        for name, values in inputs.items():
            variables[name] = (("case", *space), np.asarray(values).T[None], {"role": "input", "units": ""})
        coordinates = {axis: (axis, values, {"units": ""}) for axis, values in reversed(self.axes.items())}
        return xr.Dataset(variables, {**coordinates, "time": ("time", times, {"units": "", "long_name": "time"})})


@final
class _Arrays(_Layout):
    """(a): whole arrays by variable."""

    def __init__(self, file: h5py.File, source: Path, names: tuple[str, ...]) -> None:
        self.file = file
        coordinates = [axis for axis in _AXES if f"{axis}-coordinate" in file]
        arrays = {
            str(name): item
            for name, item in file.items()
            if isinstance(item, h5py.Dataset) and item.ndim >= 2 and not str(name).endswith("-coordinate")
        }
        dims = len(coordinates) or max(item.ndim for item in arrays.values()) - 2
        fields = {name: item for name, item in arrays.items() if item.ndim == dims + 2}
        if not fields:
            raise InputError(f"The file {source} has no array [case, time, {', '.join(coordinates)}].")
        first = next(iter(fields.values()))
        self.count, frames = first.shape[:2]
        for name, item in fields.items():
            if item.shape != first.shape:
                raise InputError(f"In {source}, '{name}' has the shape {item.shape}; others have {first.shape}.")
        self.axes = {}
        for axis, size in zip(_AXES, first.shape[2:], strict=False):
            given = file.get(f"{axis}-coordinate")
            self.axes[axis] = _positions(source, axis, given, size)
        self.times = _times(source, file.get("t-coordinate"), frames)
        self.fields = dict(zip(_names(list(fields), names), fields.values(), strict=True))
        shape = (self.count, *first.shape[2:])
        self.inputs = {name: item for name, item in arrays.items() if name not in fields and item.shape == shape}
        self.parameters = {
            "_".join(str(name).split()): float(np.ravel(value)[0])
            for name, value in file.attrs.items()
            if np.size(value) == 1 and np.asarray(value).dtype.kind in "fiu"
        }

    def case(self, number: int) -> xr.Dataset:
        fields = {name: item[number] for name, item in self.fields.items()}
        data = self.assemble(fields, {name: item[number] for name, item in self.inputs.items()}, self.times)
        return data.assign_coords({name: ("case", np.array([v]), _PARAMETER) for name, v in self.parameters.items()})


@final
class _Groups(_Layout):
    """(b): one group for each case."""

    def __init__(self, file: h5py.File, source: Path, names: tuple[str, ...]) -> None:
        self.file, self.source = file, source
        self.groups = sorted((name for name in file if _is_case(file, name)), key=int)
        self.count = len(self.groups)
        first = file[self.groups[0]]
        self.shape = first["data"].shape
        self.axes, self.times = self._coordinates(first)
        channels = self.shape[-1]
        given = [""] * channels if channels > 1 else ["tensor"]
        self.names = _names(given, names)
        self.config = str(first.attrs.get("config", file.attrs.get("config", "")))

    def _coordinates(self, group: h5py.Group) -> tuple[dict[str, np.ndarray], np.ndarray]:
        grid, sizes = group.get("grid", {}), group["data"].shape
        if not 3 <= len(sizes) <= 5:
            raise InputError(f"In {self.source}, '{group.name}/data' has the shape {sizes}; expected [t, x, ..., c].")
        axes = {a: _positions(self.source, a, grid.get(a), n) for a, n in zip(_AXES, sizes[1:-1], strict=False)}
        return axes, _times(self.source, grid.get("t"), sizes[0])

    def case(self, number: int) -> xr.Dataset:
        group = self.file[self.groups[number]]
        if group["data"].shape != self.shape:
            raise InputError(
                f"In {self.source}, '{group.name}/data' has the shape {group['data'].shape}; the first case has "
                f"{self.shape}."
            )
        axes, times = self._coordinates(group)
        same = all(np.array_equal(values, self.axes[axis]) for axis, values in axes.items())
        if not same or not np.array_equal(times, self.times):
            raise InputError(f"In {self.source}, the case {self.groups[number]} has another grid or other times.")
        values = group["data"][()]
        data = self.assemble({name: values[..., i] for i, name in enumerate(self.names)}, {}, times)
        return data.assign_attrs(config=self.config) if self.config else data


@final
class _Incompressible(_Layout):
    """(c): velocity, particles and force of incompressible flow in the unit square."""

    def __init__(self, file: h5py.File, source: Path, names: tuple[str, ...]) -> None:
        self.file, self.source = file, source
        velocity = file["velocity"]
        if velocity.ndim != 5 or velocity.shape[-1] != 2:
            raise InputError(f"In {source}, 'velocity' has the shape {velocity.shape}; expected [case, t, x, y, 2].")
        self.count, frames, *sizes = velocity.shape[:4]
        self.axes = {axis: (np.arange(n) + 0.5) / n for axis, n in zip(_AXES, sizes, strict=False)}
        for name, shape in (("particles", (*velocity.shape[:4], 1)), ("force", (self.count, *sizes, 2))):
            if name in file and file[name].shape != shape:
                raise InputError(f"In {source}, '{name}' has the shape {file[name].shape}; expected {shape}.")
        given = file.get("t")
        rows = [
            _times(source, None if given is None else given[c if given.ndim == 2 else ()], frames)
            for c in range(self.count)
        ]
        self.times = np.stack(rows)
        self.shared = bool((self.times == self.times[0]).all())
        own = ["u", "v", *(["particles"] if "particles" in file else [])]
        self.names = list(names) if len(names) == len(own) else own

    def case(self, number: int) -> xr.Dataset:
        velocity = self.file["velocity"][number]
        arrays = [velocity[..., 0], velocity[..., 1]]
        if "particles" in self.file:
            arrays.append(self.file["particles"][number][..., 0])
        inputs = {}
        if "force" in self.file:
            force = self.file["force"][number]
            inputs = {"force_x": force[..., 0], "force_y": force[..., 1]}
        data = self.assemble(dict(zip(self.names, arrays, strict=True)), inputs, self.times[number])
        if self.shared:
            return data
        times = (("case", "time"), self.times[[number]], {"units": "", "long_name": "time"})
        return data.drop_vars("time").assign_coords(time_of_case=times)


def _layout(file: h5py.File, source: Path, names: tuple[str, ...]) -> _Layout:
    if "velocity" in file and ("particles" in file or "force" in file):
        return _Incompressible(file, source, names)
    if any(_is_case(file, name) for name in file):
        return _Groups(file, source, names)
    if "tensor" in file or any(f"{axis}-coordinate" in file for axis in _AXES):
        return _Arrays(file, source, names)
    held = ", ".join(list(file)[:6]) or "nothing"
    raise InputError(
        f"The file {source} is in none of PDEBench's layouts: it holds {held}; expected 'tensor' or variables with "
        "'x-coordinate', groups such as '0000/data', or 'velocity' with 'particles' and 'force'."
    )


def _is_case(file: h5py.File, name: str) -> bool:
    return name.isdigit() and isinstance(file[name], h5py.Group) and "data" in file[name]


def _names(own: list[str], given: tuple[str, ...]) -> list[str]:
    """Names of fields: those of the file, unless it has none."""
    if own != ["tensor"] and all(own):
        return own
    if given:
        if len(given) < len(own):
            raise InputError(f"{len(given)} names are given for {len(own)} fields; name each of them.")
        return list(given[: len(own)])
    return list(_NAMES[: len(own)]) if len(own) <= len(_NAMES) else [f"u{i}" for i in range(len(own))]


def _positions(source: Path, axis: str, given: Any, size: int) -> np.ndarray:
    if given is None:
        return (np.arange(size) + 0.5) / size
    values = np.asarray(given, np.float64)
    if values.shape != (size,):
        raise InputError(f"In {source}, the {axis}-coordinate has {values.shape} entries for {size} points.")
    return values


def _times(source: Path, given: Any, frames: int) -> np.ndarray:
    """Times of the frames; one more may be given."""
    if given is None:
        if frames > 1:
            raise InputError(f"The file {source} has {frames} frames and no times; add 't-coordinate' to it.")
        return np.zeros(1)
    values = np.ravel(np.asarray(given, np.float64))
    if len(values) not in (frames, frames + 1):
        raise InputError(f"The file {source} has {len(values)} times for {frames} frames.")
    return values[:frames]
