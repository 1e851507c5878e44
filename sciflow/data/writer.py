"""Writes batches of cases, one after the other, into one HDF5 file that xarray opens without sciflow.

Layout: every dimension is an HDF5 dimension scale and ``case`` can grow. A chunk holds whole frames of one case, so
that a window of frames is read without touching others. Frames after the valid ones of a case are never written, and
chunks that are never written take no space. Splits and hashes lie in groups of their own.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import h5py
import numpy as np
import xarray as xr

from sciflow.core.environment import versions
from sciflow.core.errors import InputError
from sciflow.core.files import atomic_path
from sciflow.data.digest import Spec, case_digest, hashed_names, static_digest
from sciflow.data.reader import Dataset, open_dataset
from sciflow.data.schema import LARGE, SCHEMA, length_name, lengths_of, require_valid, space_of
from sciflow.data.source import write_json
from sciflow.data.values import canonical, unusable

CHUNK_BYTES = 16 * 2**10
MARGIN_BYTES = 4 * 2**20
COMPRESSIONS = (None, "gzip", "lzf")
# The dimension grows while cases are appended, but is not unlimited: h5netcdf finds the length of an unlimited one by
# opening every variable that has it, again and again, which made opening a file with 30 variables take seconds.
MOST_CASES = 2**31 - 1
_NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable. "
_OWN_ATTRIBUTES = ("schema", "splits", "coordinates", "versions")
NamedSplits = Mapping[str, Mapping[str, Sequence[int] | np.ndarray]]


def write(
    path: str | Path,
    batches: Iterable[xr.Dataset],
    *,
    splits: NamedSplits | Callable[[Dataset], NamedSplits] | None = None,
    attrs: Mapping[str, Any] | None = None,
    compression: str | None = None,
    dtype: str = "float32",
) -> Path:
    """Write a data set file; one batch at a time is in memory.

    The file gets its name when it is whole: what was there before stays until then, and an interruption leaves nothing.
    If the disk has no room for the next batch, the cases written so far are kept as ``NAME.partial.SUFFIX``.

    Args:
        path: the file; HDF5, usually with the suffix ``.h5``.
        batches: data sets that obey `sciflow.data.schema`, with the same variables, grid and times (a batch may end
            earlier than the first one); ``length`` says how many frames of each case are valid, all if it is not there.
            The index along ``case`` is given anew.
        splits: named splits, or a function that draws them from the data set when all its cases are written.
        attrs: attributes of the data set beside those of the first batch; mappings and lists are stored as JSON.
        compression: None reads fastest; "gzip" or "lzf" for archives, whose windows read tens of times slower.
        dtype: number format of fields, inputs and boundary values, "float32" or "float64".

    Returns:
        The path.

    Raises:
        InputError: there is no batch, a batch breaks the schema or does not fit the first one, a valid frame holds NaN
            or infinity, a split cannot be used, the disk is full, or the folder cannot be written.
    """
    if compression not in COMPRESSIONS:
        raise InputError(f"The compression is {compression!r}; expected None, 'gzip' or 'lzf'.")
    if dtype not in ("float32", "float64"):
        raise InputError(f"The dtype of stored fields is {dtype!r}; expected 'float32' or 'float64'.")
    target = Path(path)
    with atomic_path(target) as temporary:
        try:
            cases, whole = _write_cases(temporary, batches, attrs or {}, np.dtype(dtype), compression)
        except RuntimeError as error:  # what HDF5 raises when it cannot close a file on a full disk
            if "No space left on device" in str(error):
                raise OSError(str(error)) from error
            raise
        if not whole:
            kept = target.with_name(f"{target.stem}.partial{target.suffix}")
            temporary.replace(kept)
            raise InputError(f"The disk is full while writing {target}; the {cases} cases that had room are in {kept}.")
        if splits:
            with open_dataset(temporary) as written:
                for name, parts in (splits(written) if callable(splits) else splits).items():
                    written.with_split(parts, name)
    return target


def _write_cases(
    path: Path, batches: Iterable[xr.Dataset], attrs: Mapping[str, Any], dtype: np.dtype, compression: str | None
) -> tuple[int, bool]:
    """Write batches while there is room; the number of cases written, and whether that is all of them."""
    with h5py.File(path, "w", track_order=True) as file:
        writer = _Writer(file, dtype, compression)
        whole = True
        for batch in [batches] if isinstance(batches, xr.Dataset) else batches:
            # Asked while the file can still be completed: HDF5 does not recover from a write that failed.
            whole = shutil.disk_usage(path.parent).free >= batch.nbytes + MARGIN_BYTES
            if not whole:
                break
            writer.append(batch)
        writer.finish(attrs)
        return writer.cases, whole


@final
class _Writer:
    """Appends cases to an open file; the first batch fixes the layout."""

    def __init__(self, file: h5py.File, dtype: np.dtype, compression: str | None) -> None:
        self.cases = 0
        self._file, self._dtype = file, dtype
        self._filters = {"compression": compression, "shuffle": True} if compression else {}
        self._first: xr.Dataset | None = None  # without cases
        self._digests: list[str] = []
        self._static = ""

    def append(self, batch: xr.Dataset) -> None:
        """Write the cases of a batch after those already there."""
        where = "The first batch of cases" if self._first is None else f"The batch that begins with case {self.cases}"
        require_valid(batch, where)
        lengths = lengths_of(batch)
        numbers = self.cases + np.arange(len(lengths), dtype=np.int64)
        batch = batch.assign_coords({length_name(batch): ("case", lengths), "case": numbers})
        batch = canonical(batch, self._dtype)
        found = unusable(batch, self.cases)
        if found:
            raise InputError(found[0])
        if self._first is None:
            self._begin(batch)
        else:
            _require_same(self._first, batch, where)
        names = [str(name) for name, variable in batch.variables.items() if "case" in variable.dims]
        specs = {name: Spec.of(batch[name]) for name in hashed_names(batch)[1]}
        values = {name: np.asarray(batch[name].values) for name in names}
        timed = {name for name in names if "time" in batch[name].dims}
        for name in names:
            stored = self._file[name]
            stored.resize(self.cases + len(lengths), axis=0)
            if name not in timed:
                stored[self.cases :] = values[name]
                continue
            for position, length in enumerate(lengths):
                stored[self.cases + position, : int(length)] = values[name][position, : int(length)]
        for position, length in enumerate(lengths):

            def read(name: str, frames: slice, position: int = position) -> np.ndarray:
                return values[name][position, frames] if name in timed else values[name][position]

            self._digests.append(case_digest(specs, int(length), read))
        self.cases += len(lengths)

    def finish(self, attrs: Mapping[str, Any]) -> None:
        """Write what concerns all cases."""
        if self._first is None:
            raise InputError(
                "There are no cases to write: there is no batch, or the disk has no room for the first one."
            )
        given = {**self._first.attrs, **attrs}
        write_json(self._file, "integrity", "digests", {"static": self._static, "cases": self._digests})
        own = {
            "schema": SCHEMA,
            "versions": json.dumps(versions()),
            "coordinates": " ".join(str(name) for name in self._first.coords if name not in self._first.dims),
        }
        kept = {name: value for name, value in given.items() if name not in _OWN_ATTRIBUTES}
        _set_attributes(self._file, {**kept, **own})

    def _begin(self, batch: xr.Dataset) -> None:
        for dim in ("case", "time", *space_of(batch)):
            self._create_dimension(dim, batch)
        for name, variable in batch.variables.items():
            if name not in batch.dims:
                self._create_variable(str(name), variable, batch.sizes["time"])
        self._static = static_digest(batch)
        self._first = batch.isel(case=slice(0, 0)).copy(deep=True)

    def _create_dimension(self, dim: str, batch: xr.Dataset) -> None:
        if dim == "case":
            scale = self._file.create_dataset(dim, (0,), np.int64, maxshape=(MOST_CASES,), chunks=(1024,))
        elif dim in batch.coords:
            scale = self._file.create_dataset(dim, data=batch[dim].values)
        else:
            scale = self._file.create_dataset(dim, (batch.sizes[dim],), "f4")
            scale.make_scale(f"{_NO_VARIABLE}{batch.sizes[dim]:10d}")
            return
        scale.make_scale(dim)
        _set_attributes(scale, batch[dim].attrs)

    def _create_variable(self, name: str, variable: xr.Variable, frames: int) -> None:
        kind = variable.dtype.kind
        dtype = {"b": np.dtype("i1"), "O": h5py.string_dtype()}.get(kind, variable.dtype)
        if "case" in variable.dims:
            rest = variable.shape[1:]
            created = self._file.create_dataset(
                name,
                (0, *rest),
                dtype,
                maxshape=(None, *rest),
                chunks=_chunks(variable, frames),
                fillvalue=np.nan if kind == "f" else None,
                **self._filters,
            )
        else:
            created = self._file.create_dataset(name, data=variable.values, dtype=dtype)
        for axis, dim in enumerate(variable.dims):
            created.dims[axis].attach_scale(self._file[str(dim)])
        _set_attributes(created, {**variable.attrs, **({"dtype": "bool"} if kind == "b" else {})})


def _chunks(variable: xr.Variable, frames: int) -> tuple[int, ...]:
    """Whole frames of one case, about `CHUNK_BYTES`; small variables lie together for many cases."""
    rest = variable.shape[1:]
    if variable.attrs.get("role") not in LARGE and len(rest) < 2:
        return (max(1, 1024 // max(1, int(np.prod(rest)))), *rest)
    if variable.dims[1:2] != ("time",):
        return (1, *rest)
    frame = variable.dtype.itemsize * int(np.prod(rest[1:]))
    return (1, max(1, min(frames, CHUNK_BYTES // max(1, frame))), *rest[1:])


def _require_same(first: xr.Dataset, batch: xr.Dataset, where: str) -> None:
    """Raise unless a batch has the variables, grid, times and shared values of the first one."""
    names, given = set(map(str, first.variables)), set(map(str, batch.variables))
    if names != given:
        problem = f"lacks '{min(names - given)}'" if names - given else f"has '{min(given - names)}' in addition"
        raise InputError(f"{where} {problem}; all batches need the variables of the first one.")
    if batch.sizes["time"] > first.sizes["time"]:
        frames = f"{batch.sizes['time']} frames, the first one {first.sizes['time']}"
        raise InputError(f"{where} has {frames}; give the longest batch first.")
    for name in map(str, first.variables):
        own, expected = batch[name], first[name]
        if own.dims != expected.dims:
            raise InputError(f"{where} has the dimensions {own.dims} for '{name}'; the first one has {expected.dims}.")
        if "case" in own.dims:
            sizes = {dim: size for dim, size in own.sizes.items() if dim not in ("case", "time")}
            same = all(expected.sizes[dim] == size for dim, size in sizes.items()) and own.dtype == expected.dtype
        else:
            shared = expected.isel(time=slice(batch.sizes["time"])) if "time" in expected.dims else expected
            same = np.array_equal(own.values, shared.values)
        if not same:
            raise InputError(f"{where} differs from the first one in '{name}'; give it the dimension 'case' if it may.")
    for name in ("problem", "grid", "periodic"):
        if batch.attrs.get(name) != first.attrs.get(name):
            both = f"{batch.attrs.get(name)!r}, the first one {first.attrs.get(name)!r}"
            raise InputError(f"{where} has the {name} {both}; they must agree.")


def _set_attributes(holder: Any, attrs: Mapping[Any, Any]) -> None:
    for name, value in attrs.items():
        if value is None:
            continue
        if isinstance(value, bool | np.bool_):
            value = int(value)
        elif isinstance(value, Mapping | list | tuple):
            value = json.dumps(value)
        holder.attrs[str(name)] = value
