"""A hash of what a data set says, whatever the way it is stored.

Every case is hashed by itself: its valid frames, parameters and other values, each variable with its name, dimensions,
type and meaning. What all cases share (coordinates, a common mask, units) is hashed once. The digest of a data set is
the hash of the shared part followed by its cases, so that a selection of cases has the digest it would have as a file.
Chunks, compression, padding, splits, seeds and the recipe do not enter.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import xarray as xr

from sciflow.data.schema import BOOKKEEPING, length_name

_VARIABLE_ATTRIBUTES = ("role", "units", "scale", "scale_coord", "fields", "hidden")
_ATTRIBUTES = ("grid", "periodic", "problem", "time_scale_coord")
BLOCK_BYTES = 32 * 2**20


@final
@dataclass(frozen=True)
class Spec:
    """What a variable is, without its values."""

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype
    attrs: dict[str, Any]

    @classmethod
    def of(cls, variable: xr.DataArray | xr.Variable) -> Spec:
        """The description of an xarray variable."""
        dims = tuple(str(dim) for dim in variable.dims)
        return cls(dims, tuple(variable.shape), variable.dtype, {str(k): v for k, v in variable.attrs.items()})


def hashed_names(data: xr.Dataset) -> tuple[list[str], list[str]]:
    """Names of the variables that all cases share, and of those that differ by case; sorted."""
    names = sorted(str(name) for name in data.variables if name not in BOOKKEEPING or _is_parameter(data, str(name)))
    return [n for n in names if "case" not in data[n].dims], [n for n in names if "case" in data[n].dims]


def static_digest(data: xr.Dataset, read: Callable[[str], np.ndarray] | None = None) -> str:
    """The hash of what all cases share.

    Args:
        data: the data set.
        read: gives the values of a variable by name; from ``data`` if not given.
    """
    meaning = {name: str(data.attrs.get(name, "")) for name in _ATTRIBUTES}
    hasher = hashlib.sha256(json.dumps(meaning, sort_keys=True).encode())
    for name in hashed_names(data)[0]:
        values = read(name) if read else data[name].values
        _update(hasher, name, Spec.of(data[name]), values.shape, [values])
    return hasher.hexdigest()


def case_digest(specs: Mapping[str, Spec], length: int, read: Callable[[str, slice], np.ndarray]) -> str:
    """The hash of one case.

    Args:
        specs: the variables with the dimension ``case``.
        length: valid frames of the case.
        read: gives the values of a variable, without the dimension ``case``, for a slice of frames.
    """
    hasher = hashlib.sha256()
    for name in sorted(specs):
        spec = specs[name]
        sizes = dict(zip(spec.dims, spec.shape, strict=True)) | {"time": length}
        shape = tuple(sizes[dim] for dim in spec.dims if dim != "case")
        _update(hasher, name, spec, shape, _blocks(name, spec, shape, read))
    return hasher.hexdigest()


def combine(static: str, cases: Iterable[str]) -> str:
    """The digest of a data set from that of its shared part and of its cases, in order."""
    hasher = hashlib.sha256(static.encode())
    for case in cases:
        hasher.update(case.encode())
    return hasher.hexdigest()


def _is_parameter(data: xr.Dataset, name: str) -> bool:
    return name == "length" and length_name(data) != name


def _blocks(
    name: str, spec: Spec, shape: tuple[int, ...], read: Callable[[str, slice], np.ndarray]
) -> Iterator[np.ndarray]:
    """The values of one case in runs of frames of bounded size."""
    if spec.dims[:2] != ("case", "time"):
        yield read(name, slice(None))
        return
    frame = max(1, spec.dtype.itemsize * int(np.prod(shape[1:])))
    step = max(1, BLOCK_BYTES // frame)
    for begin in range(0, shape[0], step):
        yield read(name, slice(begin, min(begin + step, shape[0])))


def _update(hasher: Any, name: str, spec: Spec, shape: tuple[int, ...], blocks: Iterable[np.ndarray]) -> None:
    dims = [dim for dim in spec.dims if dim != "case"]
    meaning = {key: str(spec.attrs[key]) for key in _VARIABLE_ATTRIBUTES if spec.attrs.get(key)}
    text = spec.dtype.kind in "OUST"
    kind = "text" if text else f"{spec.dtype.kind}{spec.dtype.itemsize}"
    hasher.update(json.dumps([name, dims, list(shape), kind, meaning], sort_keys=True).encode())
    for block in blocks:
        if text:
            hasher.update(json.dumps(np.asarray(block).astype(str).tolist()).encode())
        else:
            little = spec.dtype.newbyteorder("<")
            hasher.update(np.ascontiguousarray(block, dtype=little).tobytes())
