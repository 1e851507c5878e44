"""`Dataset`: cases of a PDE problem, in a file or in memory, seen the same way."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self, final

import numpy as np
import xarray as xr

from sciflow.core.errors import InputError, near
from sciflow.data import schema
from sciflow.data.digest import combine
from sciflow.data.selection import checked_cases, checked_fields, named_split, with_fields
from sciflow.data.source import FileSource, MemorySource, Source

BLOCK_BYTES = 32 * 2**20


def open_dataset(path: str | Path) -> Dataset:
    """Open a data set file; values are read when they are used.

    Args:
        path: an HDF5 file with any suffix.

    Raises:
        InputError: the file is missing, is not HDF5, is truncated or damaged, or breaks the schema.
    """
    return Dataset(FileSource(Path(path).absolute()))


@final
class Dataset:
    """Some cases of a data set. Made by `open_dataset`, `from_arrays`, `Dataset.select` and splits.

    Cases are always named by their index in the whole data set (the file), in selections too. All values are in
    physical units. A data set can be pickled; the file is opened by each process when it reads.

    Example:
        >>> data = open_dataset("cavity.h5")            # doctest: +SKIP
        >>> data.train.array("u", times=slice(0, 10))   # doctest: +SKIP
    """

    def __init__(self, source: Source, cases: np.ndarray | None = None, fields: tuple[str, ...] | None = None) -> None:
        self._source, self._fields = source, fields
        every = np.arange(len(schema.lengths_of(source.header)))
        self.cases: np.ndarray = every if cases is None else cases
        self._whole = np.array_equal(self.cases, every)

    # --- what it is -----------------------------------------------------------------------------------------------

    @cached_property
    def fields(self) -> list[str]:
        """Names of the fields, in the order of the channels."""
        return self._with_role("field") if self._fields is None else list(self._fields)

    @cached_property
    def parameters(self) -> list[str]:
        """Names of the case parameters that methods are given; `hidden` has the others."""
        return [name for name in self._with_role("parameter") if not self._source.specs[name].attrs.get("hidden")]

    @cached_property
    def hidden(self) -> list[str]:
        """Names of the case parameters that methods are not told; `header` has their values."""
        return [name for name in self._with_role("parameter") if self._source.specs[name].attrs.get("hidden")]

    @cached_property
    def signals(self) -> list[str]:
        """Names of the signals."""
        return self._with_role("signal")

    @cached_property
    def inputs(self) -> list[str]:
        """Names of the input fields: known fields that do not depend on time."""
        return self._with_role("input")

    @property
    def space(self) -> tuple[str, ...]:
        """The space axes in tensor order, such as ("y", "x")."""
        return schema.space_of(self._source.header)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of cells along each space axis, in tensor order."""
        return tuple(int(self._source.header.sizes[axis]) for axis in self.space)

    @property
    def problem(self) -> str:
        """Name of the problem, or "" if the data belongs to none."""
        return str(self._source.header.attrs.get("problem", ""))

    @property
    def periodic(self) -> tuple[str, ...]:
        """The periodic axes."""
        return schema.periodic_of(self._source.header)

    @property
    def has_mask(self) -> bool:
        """Whether there are solid cells to be told from fluid ones."""
        return "mask" in self._source.header

    @property
    def has_known(self) -> bool:
        """Whether there are cells that hold boundary data, which are given at all times and never scored."""
        return "known" in self._source.header

    @property
    def known_fields(self) -> list[str]:
        """The fields whose values are known in these cells, in the order of the channels; none without such cells."""
        return schema.known_fields_of(self._source.header, self.fields)

    @property
    def path(self) -> Path | None:
        """The file, or None in memory."""
        return self._source.path if isinstance(self._source, FileSource) else None

    @property
    def attrs(self) -> dict[str, Any]:
        """Attributes of the data set."""
        return {str(name): value for name, value in self._source.header.attrs.items() if name != "splits"}

    def units(self, name: str) -> str:
        """Unit of a field, parameter, signal or coordinate; "" if none is given."""
        if name not in self._source.specs:
            raise InputError(f"The data set has no variable '{name}'.{near(name, self._source.specs)}")
        return str(self._source.specs[name].attrs.get("units", ""))

    def __len__(self) -> int:
        return len(self.cases)

    def __repr__(self) -> str:
        sizes = " x ".join(str(size) for size in self.shape)
        inputs = f" (inputs {', '.join(self.inputs)})" if self.inputs else ""
        splits = f", splits {', '.join(self.splits)}" if self.splits else ""
        return (
            f"<sciflow Dataset {self.problem or '(no problem)'}: {len(self)} cases, {self.frame_count} frames, "
            f"{', '.join(self.fields)}{inputs} on {' x '.join(self.space)} = {sizes}{splits}>"
        )

    # --- small values -----------------------------------------------------------------------------------------------

    @cached_property
    def header(self) -> xr.Dataset:
        """Coordinates, parameters, signals and mask of these cases, in memory; no fields."""
        return self._source.header if self._whole else self._source.header.isel(case=self.cases)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Valid frames of each case, int64 (cases,)."""
        return schema.lengths_of(self.header)

    @property
    def frame_count(self) -> int:
        """Number of stored frames, of which a case may fill only the first."""
        return int(self._source.header.sizes["time"])

    @property
    def times(self) -> np.ndarray:
        """Times of the frames in seconds, float64 (time,).

        Raises:
            InputError: the times differ by case; `case_times` has them.
        """
        if schema.TIME_OF_CASE in self.header:
            raise InputError("The times of this data set differ by case; use its case_times instead of times.")
        return np.asarray(self.header["time"].values, np.float64)

    @cached_property
    def case_times(self) -> np.ndarray:
        """Times of the frames in seconds, float64 (cases, time)."""
        return schema.case_times(self.header)

    def parameter_values(self) -> np.ndarray:
        """Case parameters in the order of `parameters`, float64 (cases, P)."""
        columns = [np.asarray(self.header[name].values, np.float64) for name in self.parameters]
        return np.stack(columns, axis=1) if columns else np.zeros((len(self), 0))

    def signal_values(self, name: str | None = None) -> np.ndarray:
        """Signals at the stored frames, float64 (cases, time, S); one of them or all."""
        names = self.signals if name is None else [name]
        for wanted in names:
            if wanted not in self.signals:
                raise InputError(f"The data set has no signal '{wanted}'.{near(wanted, self.signals)}")
        columns = [np.asarray(self.header[wanted].values, np.float64) for wanted in names]
        return np.stack(columns, axis=-1) if columns else np.zeros((len(self), self.frame_count, 0))

    def field_scales(self) -> np.ndarray:
        """Characteristic scale of each field in each case, float64 (cases, C); 1 where none is declared."""
        names = [str(self._source.specs[field].attrs.get("scale_coord", "")) for field in self.fields]
        return np.stack([self._scale(name) for name in names], axis=1)

    def time_scales(self) -> np.ndarray:
        """Characteristic time of each case, float64 (cases,); 1 where none is declared."""
        return self._scale(str(self.header.attrs.get("time_scale_coord", "")))

    def mask_values(self) -> np.ndarray | None:
        """The mask as booleans (1 or cases, \\*space), True = fluid; None if there is none."""
        return self._cells("mask")

    def known_values(self) -> np.ndarray | None:
        """Cells that hold boundary data, booleans (1 or cases, \\*space), True = known; None if there are none."""
        return self._cells("known")

    # --- fields -----------------------------------------------------------------------------------------------------

    def frames(self, case: int, begin: int, end: int, *, fields: Sequence[str] | None = None) -> np.ndarray:
        """Frames ``begin`` to ``end - 1`` of one case, (time, C, \\*space), float32 or float64 as stored."""
        return np.stack([self._source.read(name, case, slice(begin, end)) for name in fields or self.fields], axis=1)

    def blocks(self, *, overlap: int = 0, block_bytes: int = BLOCK_BYTES) -> Iterator[tuple[int, int, np.ndarray]]:
        """All valid frames in runs of bounded size, as (position in `cases`, first frame, (time, C, \\*space)).

        Args:
            overlap: frames that each run shares with the next one of its case.
            block_bytes: about how large a run may be.
        """
        frame = 8 * len(self.fields) * int(np.prod(self.shape))
        step = max(1, block_bytes // frame)
        for position, (case, length) in enumerate(zip(self.cases, self.lengths, strict=True)):
            for begin in range(0, max(1, int(length) - overlap), step):
                yield position, begin, self.frames(int(case), begin, min(begin + step + overlap, int(length)))

    def input_values(self) -> np.ndarray:
        """Input fields, float32 [case, I, \\*S]; one that all cases share is repeated."""
        out = np.empty((len(self), len(self.inputs), *self.shape), np.float32)
        for channel, name in enumerate(self.inputs):
            if "case" in self._source.specs[name].dims:
                for position, case in enumerate(self.cases):
                    out[position, channel] = self._source.read(name, int(case))
            else:
                out[:, channel] = self.xarray[name].values
        return out

    def array(
        self,
        field: str | Sequence[str] | None = None,
        cases: Sequence[int] | np.ndarray | None = None,
        times: slice = slice(None),
    ) -> np.ndarray:
        """Fields in memory, float32 [case, time, C, \\*S]; NaN after the valid frames of a case.

        Args:
            field: one name, several, or None for all.
            cases: indices into the file, each in `cases`; None for all of these.
            times: frames.

        Raises:
            InputError: a field or case is not in the data set.
        """
        names = self.fields if field is None else checked_fields(field, self.fields)
        chosen = self if cases is None else self.select(cases)
        wanted = range(self.frame_count)[times]
        out = np.full((len(chosen), len(wanted), len(names), *self.shape), np.nan, np.float32)
        for position, (case, length) in enumerate(zip(chosen.cases, chosen.lengths, strict=True)):
            kept = np.flatnonzero(np.asarray(wanted) < length)
            if kept.size:
                taken = np.asarray(wanted)[kept]
                first, last = int(taken.min()), int(taken.max())
                out[position, kept] = self.frames(int(case), first, last + 1, fields=names)[taken - first]
        return out

    @cached_property
    def xarray(self) -> xr.Dataset:
        """Everything as an ``xarray.Dataset``; fields of a file are read when they are used."""
        whole = self._source.lazy() if self._fields is None else with_fields(self._source.lazy(), self._fields)
        if self._whole:
            return whole
        part = whole.isel(case=self.cases)
        part.attrs.pop("splits", None)  # they count the cases of the whole
        return part

    # --- selections and splits ----------------------------------------------------------------------------------------

    def select(self, case_indices: Sequence[int] | np.ndarray) -> Dataset:
        """Some of the cases, in the order given.

        Args:
            case_indices: indices into the file, each in `cases`.

        Raises:
            InputError: an index is not in this data set, or there is none.
        """
        return Dataset(self._source, checked_cases(case_indices, self.cases), self._fields)

    def with_fields(self, names: Sequence[str]) -> Dataset:
        """The same cases with some of the fields, in the order given; nothing is copied.

        Raises:
            InputError: a field is not in this data set or is named twice, or there is none.
        """
        return Dataset(self._source, self.cases, checked_fields(names, self.fields))

    @property
    def splits(self) -> dict[str, dict[str, list[int]]]:
        """The named splits of the whole data set: indices of cases by part."""
        return self._source.splits

    def split(self, name: str | None = None) -> dict[str, Dataset]:
        """The parts of a named split, as far as they are among these cases.

        Args:
            name: None for the split "default", or the first one if there is none of this name.

        Raises:
            InputError: there is no such split.
        """
        parts = {part: np.asarray(cases, np.int64) for part, cases in named_split(self.splits, name).items()}
        parts = {part: cases[np.isin(cases, self.cases)] for part, cases in parts.items()}
        return {part: self.select(cases) for part, cases in parts.items() if cases.size}

    def with_split(self, parts: Mapping[str, Sequence[int] | np.ndarray], name: str = "default") -> Dataset:
        """The same data set with one more split, which is stored in the file.

        Args:
            parts: indices of cases by part, as `sciflow.data.splits` draws them.
            name: a split is drawn once; another one of the same name is an error.

        Raises:
            InputError: a part is empty, parts share a case, a case does not exist, the name is taken, or the file
                cannot be written.
        """
        from sciflow.data.splits import checked

        drawn = checked(parts, len(schema.lengths_of(self._source.header)), f"The split '{name}'")
        if self.splits.get(name) == drawn:
            return self
        if name in self.splits:
            raise InputError(f"The data set already has another split '{name}'; choose another name.")
        if isinstance(self._source, FileSource):
            self._source.add_split(name, drawn)
            return Dataset(self._source, self.cases, self._fields)
        data = self._source.lazy().copy()
        data.attrs["splits"] = json.dumps({**self.splits, name: drawn})
        return Dataset(MemorySource(data), self.cases, self._fields)

    @property
    def train(self) -> Dataset:
        """The training part of the default split: the one named "default", else the first."""
        return self._part("train")

    @property
    def valid(self) -> Dataset:
        """The validation part of the default split."""
        return self._part("valid")

    @property
    def test(self) -> Dataset:
        """The test part of the default split."""
        return self._part("test")

    # --- identity -----------------------------------------------------------------------------------------------------

    @property
    def digest(self) -> str:
        """Hash of the content of these cases: fields, parameters, coordinates; see `sciflow.data.digest`.

        That of a view of some fields is the one of all fields, joined with the names of those that are in it.
        """
        static, cases = self._source.digests()
        chosen = [cases[case] for case in self.cases]
        viewed = self.fields != self._with_role("field")
        return combine(static, [*chosen, *(f"field {name}" for name in self.fields)] if viewed else chosen)

    @property
    def source(self) -> Source:
        """Where the values come from; for the other modules of sciflow.data."""
        return self._source

    def close(self) -> None:
        """Close the file in this process; it opens again when it is read."""
        if isinstance(self._source, FileSource):
            self._source.close()
        self.__dict__.pop("xarray", None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in ("_source", "_fields", "cases", "_whole")}

    def _with_role(self, role: str) -> list[str]:
        return [name for name, spec in self._source.specs.items() if spec.attrs.get("role") == role]

    def _cells(self, name: str) -> np.ndarray | None:
        if name not in self._source.header:
            return None
        values = np.asarray(self.header[name].values)
        return values if "case" in self.header[name].dims else values[None]

    def _scale(self, name: str) -> np.ndarray:
        return np.asarray(self.header[name].values, np.float64) if name else np.ones(len(self))

    def _part(self, part: str) -> Dataset:
        parts = self.split()
        if part not in parts:
            raise InputError(f"The split has no part '{part}'.{near(part, parts)}")
        return parts[part]
