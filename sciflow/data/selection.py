"""Which cases and fields of a data set are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from sciflow.core.errors import InputError, near
from sciflow.data.schema import known_fields_of, with_role


def checked_cases(wanted: Sequence[int] | np.ndarray, known: np.ndarray) -> np.ndarray:
    """Indices of cases as int64, in the order given.

    Raises:
        InputError: an index is not among the known ones or is no integer, or there is none.
    """
    chosen = np.atleast_1d(np.asarray(wanted))
    if chosen.size == 0:
        raise InputError("A selection of cases is empty; give at least one index.")
    if chosen.dtype.kind not in "iu" or chosen.ndim != 1:
        raise InputError(f"Cases are selected by integer indices, not by {wanted!r}.")
    missing = chosen[~np.isin(chosen, known)]
    if missing.size:
        raise InputError(f"The case {int(missing[0])} is not among the {len(known)} cases of this data set.")
    return chosen.astype(np.int64)


def checked_fields(wanted: str | Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Names of fields, in the order given; one may stand for itself.

    Raises:
        InputError: a name is not among the known ones or is there twice, or there is none.
    """
    names = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    for name in names:
        if name not in known:
            raise InputError(f"The data set has no field '{name}'.{near(name, known)}")
    if not names or len(set(names)) < len(names):
        raise InputError(f"At least one field must be asked for, and each once, not {list(names)}.")
    return names


def named_split(splits: Mapping[str, Mapping[str, Sequence[int]]], name: str | None) -> Mapping[str, Sequence[int]]:
    """The parts of one of several splits; without a name those of "default", else of the first.

    Raises:
        InputError: there is no such split.
    """
    if not splits:
        raise InputError("The data set has no split; draw one with sciflow.data.splits and add it by with_split.")
    if name is None:
        name = "default" if "default" in splits else next(iter(splits))
    if name not in splits:
        raise InputError(f"The data set has no split '{name}'.{near(name, splits)}")
    return splits[name]


def with_fields(data: xr.Dataset, names: Sequence[str]) -> xr.Dataset:
    """A data set with some of its fields, first and in the order given; values are shared, not copied."""
    fields = with_role(data, "field")
    others = [str(name) for name in data.data_vars if name not in fields]
    variables = {name: data[name].variable for name in (*names, *others)}
    if "known" in variables and "fields" in variables["known"].attrs:
        kept = {**variables["known"].attrs, "fields": ",".join(known_fields_of(data, names))}
        variables["known"] = xr.Variable(variables["known"].dims, variables["known"].values, kept)
    return xr.Dataset(variables, data.coords, data.attrs)
