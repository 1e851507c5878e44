"""The one form in which values are kept, in memory and in files, and the search for values that cannot be used."""

from __future__ import annotations

import numpy as np
import xarray as xr

from sciflow.core.errors import InputError
from sciflow.data.schema import LARGE, lengths_of, with_role


def canonical(data: xr.Dataset, dtype: np.dtype | None = None) -> xr.Dataset:
    """A copy of a valid data set with values as they are stored.

    Fields, inputs and boundary values get ``dtype`` (None keeps float32 and float64), other real numbers float64,
    integers int64, text ``str``; solid cells of fields are set to 0.

    Raises:
        InputError: a variable holds something else, such as dates.
    """
    mask = data.get("mask")
    variables = {}
    for name, variable in data.variables.items():
        kept = dtype if variable.attrs.get("role") in LARGE else np.dtype("float64")
        values = _typed(str(name), variable.values, kept)
        if mask is not None and variable.attrs.get("role") == "field":
            fluid = mask.values[:, None] if "case" in mask.dims else mask.values
            values = np.where(fluid, values, values.dtype.type(0))
        variables[name] = (variable.dims, values, dict(variable.attrs))
    coords = {name: variables.pop(name) for name in list(data.coords)}
    return xr.Dataset(variables, coords, dict(data.attrs))


def unusable(data: xr.Dataset, first_case: int = 0) -> list[str]:
    """One sentence for each field and input that holds NaN or infinity, naming the first case and frame.

    Args:
        data: a valid data set whose solid cells hold 0; frames after the valid ones of a case may hold anything.
        first_case: the index of its first case, for the messages.
    """
    found = []
    lengths = lengths_of(data)
    for name in with_role(data, "field"):
        for case, length in enumerate(lengths):
            frame = nonfinite_frame(data[name].values[case, : int(length)])
            if frame is not None:
                found.append(nonfinite_message(name, first_case + case, frame))
                break
    for name in with_role(data, "input"):
        cases = data[name].values if "case" in data[name].dims else data[name].values[None]
        bad = nonfinite_frame(cases)
        if bad is not None:
            where = f" in case {first_case + bad}" if "case" in data[name].dims else ""
            found.append(f"The input '{name}' holds NaN or infinity{where}.")
    return found


def nonfinite_frame(frames: np.ndarray) -> int | None:
    """The first frame of (time, ...) that holds NaN or infinity."""
    finite = np.isfinite(frames)
    return None if finite.all() else int(np.argmin(finite.reshape(len(frames), -1).all(axis=1)))


def nonfinite_message(name: str, case: int, frame: int) -> str:
    """What to say of a field with values that are not numbers."""
    return (
        f"The field '{name}' holds NaN or infinity in case {case}, frame {frame}; repair the case, leave it out, or "
        "end its valid frames before."
    )


def _typed(name: str, values: np.ndarray, kept: np.dtype | None) -> np.ndarray:
    kind = values.dtype.kind
    if kind == "b":
        return values.copy()
    if kind in "iu":
        return values.astype(np.int64)
    if kind == "f":
        wanted = kept or (values.dtype if values.dtype in (np.float32, np.float64) else np.dtype("float32"))
        with np.errstate(over="ignore"):  # becomes infinity, which is reported with its case and frame
            return values.astype(wanted)
    if kind in "UT" or (kind == "O" and all(isinstance(item, str) for item in values.flat)):
        return values.astype(object)
    raise InputError(f"The variable '{name}' holds {values.dtype}; expected numbers, booleans or text.")
