"""Where the values of a data set come from: a file that stays closed until it is read, or memory."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import h5py
import numpy as np
import xarray as xr

from sciflow.core.errors import InputError
from sciflow.data.digest import Spec, case_digest, hashed_names, static_digest
from sciflow.data.frames import FrameMap
from sciflow.data.handle import Handle, open_hdf5, unreadable
from sciflow.data.schema import LARGE, lengths_of, require_valid

Splits = dict[str, dict[str, list[int]]]


class Source(ABC):
    """Values by variable and case, and everything small in memory.

    Attributes:
        header: the data set without fields, inputs and boundary values.
        specs: dimensions, shape, type and attributes of every variable.
        splits: the named splits, indices of cases by part.
    """

    header: xr.Dataset
    specs: dict[str, Spec]
    splits: Splits
    _digests: tuple[str, list[str]] | None = None

    @abstractmethod
    def read(self, name: str, case: int, frames: slice = slice(None)) -> np.ndarray:
        """The values of a variable with the dimension ``case`` for one case, in their stored type.

        Args:
            name: the variable.
            case: index into the source.
            frames: frames to read, for variables with the dimension ``time``.
        """

    @abstractmethod
    def lazy(self) -> xr.Dataset:
        """The whole as xarray; values of a file are read when they are used."""

    @abstractmethod
    def stored_digests(self) -> tuple[str, list[str]] | None:
        """The hashes noted when the data was written: of what cases share, and of each case."""

    def digests(self) -> tuple[str, list[str]]:
        """The hashes of what cases share and of each case, noted or computed once."""
        if self._digests is None:
            self._digests = self.stored_digests() or self.computed_digests()
        return self._digests

    def computed_digests(self) -> tuple[str, list[str]]:
        """The hashes of the values as they are now; reads everything once."""
        data = self.lazy()
        specs = {name: self.specs[name] for name in hashed_names(data)[1]}
        lengths = lengths_of(self.header)

        def reader(case: int) -> Callable[[str, slice], np.ndarray]:
            return lambda name, frames: self.read(name, case, frames)

        return static_digest(data), [case_digest(specs, int(n), reader(case)) for case, n in enumerate(lengths)]


@final
class MemorySource(Source):
    """A data set in memory; the caller has checked it."""

    def __init__(self, data: xr.Dataset) -> None:
        self._data = data
        self.specs = {str(name): Spec.of(variable) for name, variable in data.variables.items()}
        self.splits = json.loads(data.attrs.get("splits", "{}"))
        self.header = data.drop_vars([name for name, spec in self.specs.items() if spec.attrs.get("role") in LARGE])

    def read(self, name: str, case: int, frames: slice = slice(None)) -> np.ndarray:
        values = np.asarray(self._data[name].values[case])
        return values[frames] if "time" in self.specs[name].dims else values

    def lazy(self) -> xr.Dataset:
        return self._data

    def stored_digests(self) -> tuple[str, list[str]] | None:
        return None


@final
class FileSource(Source):
    """A file written by sciflow, or any HDF5 file that xarray can open and that obeys the schema.

    Raises:
        InputError: the file cannot be read or breaks the schema.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.handle = Handle(path)
        self._xarray: xr.Dataset | None = None
        self._map: tuple[tuple[str, ...], FrameMap | None] | None = None
        self._read_header()

    def _read_header(self) -> None:
        try:
            self.splits = _read_json(self.handle.file, "splits")
            with _open_xarray(self.path) as data:
                self.specs = {str(name): Spec.of(variable) for name, variable in data.variables.items()}
                large = [name for name, spec in self.specs.items() if spec.attrs.get("role") in LARGE]
                self.header = data.drop_vars(large).load()
                require_valid(data, f"The file {self.path}")
        except InputError:
            raise
        except Exception as error:  # whatever h5py, h5netcdf and xarray raise on a damaged file
            raise unreadable(self.path, error) from error

    def read(self, name: str, case: int, frames: slice = slice(None)) -> np.ndarray:
        if name in self.header.variables:
            values = np.asarray(self.header[name].values[case])
            return values[frames] if "time" in self.specs[name].dims else values
        variable = self.handle.file[name]
        try:
            return variable[case, frames] if "time" in self.specs[name].dims else variable[case]
        except (OSError, RuntimeError) as error:
            raise unreadable(self.path, error) from error

    def lazy(self) -> xr.Dataset:
        if self._xarray is None:
            data = _open_xarray(self.path)
            small = {name: self.header[name].variable for name in map(str, self.header.variables) if name in data}
            self._xarray = data.assign(small)
            if self.splits:
                self._xarray.attrs["splits"] = json.dumps(self.splits)
        return self._xarray

    def frame_map(self, fields: list[str]) -> FrameMap | None:
        """The places of frames in the file, if they can be read directly."""
        if self._map is None or self._map[0] != tuple(fields):
            self._map = (tuple(fields), FrameMap.of(self.handle, fields, lengths_of(self.header)))
        return self._map[1]

    def stored_digests(self) -> tuple[str, list[str]] | None:
        noted = _read_json(self.handle.file, "integrity").get("digests")
        return (noted["static"], noted["cases"]) if noted else None

    def add_split(self, name: str, parts: dict[str, list[int]]) -> None:
        """Note a split in the file; the hashed values stay as they are.

        Raises:
            InputError: the file cannot be written.
        """
        self.close()
        with open_hdf5(self.path, "r+") as file:
            write_json(file, "splits", name, parts)
        self.splits = {**self.splits, name: parts}

    def close(self) -> None:
        """Close the file in this process; it opens again when it is read."""
        self.handle.close()
        if self._xarray is not None:
            self._xarray.close()
        self._xarray = None

    def __getstate__(self) -> dict[str, Any]:
        # Every process opens the file for itself; the map holds only numbers but is found again as quickly as sent.
        return self.__dict__ | {"_xarray": None, "_map": None}


def write_json(file: h5py.File, group: str, name: str, value: Any) -> None:
    """Store plain values as one JSON text in a group that xarray does not look into."""
    holder = file[group] if group in file else file.create_group(group, track_order=True)  # the first one counts
    holder.create_dataset(name, data=json.dumps(value))


def _read_json(file: h5py.File, group: str) -> dict[str, Any]:
    if group not in file:
        return {}
    return {name: json.loads(item[()]) for name, item in file[group].items()}


def _open_xarray(path: Path) -> xr.Dataset:
    # Plain numbers: "seconds" as a unit must not turn times into dates.
    return xr.open_dataset(path, engine="h5netcdf", decode_times=False, decode_timedelta=False)
