"""From arrays of one's own to a data set."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from sciflow.core.errors import InputError
from sciflow.data.reader import Dataset, open_dataset
from sciflow.data.schema import GRIDS, SCHEMA, SPACE, TIME_OF_CASE, require_valid, space_of, with_role
from sciflow.data.source import MemorySource
from sciflow.data.values import canonical, unusable
from sciflow.data.writer import write

Arrays = Mapping[str, ArrayLike | Sequence[ArrayLike]] | xr.Dataset | xr.DataArray


def from_arrays(
    arrays: Arrays,
    *,
    times: ArrayLike | None = None,
    coordinates: Mapping[str, ArrayLike] | None = None,
    parameters: Mapping[str, ArrayLike] | None = None,
    units: Mapping[str, str] | None = None,
    problem: str | None = None,
    periodic: Sequence[str] = (),
    grid: str = "nodes",
    mask: ArrayLike | None = None,
    known: ArrayLike | None = None,
    signals: Mapping[str, ArrayLike] | None = None,
    inputs: Mapping[str, ArrayLike] | None = None,
    steady: bool = False,
    path: str | Path | None = None,
) -> Dataset:
    """A data set from NumPy arrays or xarray.

    Args:
        arrays: fields by name, each [case, time, (z,) (y,) x]; a list of [time, ...] arrays, one for each case, where
            cases have different numbers of frames. Or an ``xarray.Dataset`` or named ``DataArray`` with these
            dimensions, in any order (``case`` may be missing): variables without the attribute ``role`` get one by
            their dimensions, numbers on ``case`` become parameters.
        times: seconds, (time,) or (case, time); by default 0, 1, 2, ...
        coordinates: positions along each axis, increasing; by default the unit interval.
        parameters: case parameters by name: (case,), or one number for all.
        units: by name of a field, parameter, signal or coordinate.
        problem: name of a registered problem; gives units, long names, scales of parameters and periodic axes that are
            not given here, and makes a missing field or parameter an error.
        periodic: names of the periodic axes.
        grid: "nodes" or "cells" (values at the centres of cells).
        mask: True = fluid, (\\*space) or (case, \\*space); solid cells are set to 0.
        known: True = boundary data that are given at all times and never scored, (\\*space) or (case, \\*space).
        signals: boundary data by name: (case, time), or (time,) for all cases.
        inputs: known fields that do not depend on time, by name: (case, \\*space), or (\\*space) for all cases.
        steady: the fields have no time axis, [case, (z,) (y,) x]; they become the one frame of each case, at time 0
            unless ``times`` says otherwise. Fields [case, 1, (z,) (y,) x] need no such word.
        path: write the data set to this file (fields as float32) and open it; without it, it stays in memory.

    Raises:
        InputError: shapes disagree, a value is NaN or infinite, coordinates do not increase, or a name is unknown.

    Example:
        >>> u = np.zeros((8, 20, 32, 32))
        >>> data = from_arrays({"u": u}, parameters={"Re": np.arange(1, 9)}, periodic=("x", "y"))
        >>> len(data), data.fields, data.shape
        (8, ['u'], (32, 32))
        >>> flow = from_arrays({"p": u[:, 0]}, inputs={"a": 1 + u[:, 0]}, steady=True)
        >>> flow.inputs, flow.frame_count
        (['a'], 1)
    """
    if grid not in GRIDS:
        raise InputError(f"The grid is {grid!r}; expected 'nodes' or 'cells'.")
    if isinstance(arrays, xr.Dataset | xr.DataArray):
        data = _from_xarray(arrays, steady)
    else:
        data = _from_numpy(arrays, steady)
    _add_times(data, times)
    data = _with_cases(data, parameters or {}, "parameter", ("case",))
    data = _with_cases(data, signals or {}, "signal", ("case", "time"))
    _add_inputs(data, inputs or {})
    if mask is not None:
        data["mask"] = _on_grid(data, "mask", mask, "mask")
    if known is not None:
        data["known"] = _on_grid(data, "known", known, "known")
    data.attrs.setdefault("grid", grid)
    if periodic or "periodic" not in data.attrs:
        data.attrs["periodic"] = ",".join(periodic)
    data.attrs["schema"] = SCHEMA
    if problem is not None:
        _describe(data, problem)
    data = _with_coordinates(data, coordinates or {})
    for name, unit in (units or {}).items():
        if name not in data.variables:
            raise InputError(f"The unit of '{name}' is given, but the data set has no such variable.")
        data[name].attrs["units"] = unit
    data = data.assign_coords(case=np.arange(data.sizes["case"]))
    require_valid(data)
    data = canonical(data)
    found = unusable(data)
    if found:
        raise InputError(found[0])
    named = json.loads(data.attrs.pop("splits", "{}"))
    if path is not None:
        return open_dataset(write(path, [data], splits=named))
    dataset = Dataset(MemorySource(data))
    for name, parts in named.items():
        dataset = dataset.with_split(parts, name)
    return dataset


def _from_numpy(arrays: Mapping[str, Any], steady: bool) -> xr.Dataset:
    """Fields by name as a data set; cases of different lengths are filled up with NaN."""
    if not arrays:
        raise InputError("There are no fields; give at least one array by name.")
    variables, lengths = {}, None
    for name, given in arrays.items():
        values, own = _one_field(name, np.expand_dims(np.asarray(given), 1) if steady else given)
        if lengths is not None and not np.array_equal(lengths, own):
            raise InputError(f"The field '{name}' has other numbers of frames per case than the fields before it.")
        lengths = own
        variables[name] = (("case", "time", *SPACE[5 - values.ndim :]), values, {"role": "field"})
    shapes = {name: values.shape for name, (_, values, _) in variables.items()}
    if len(set(shapes.values())) > 1:
        raise InputError(f"The fields must have equal shapes [case, time, *space]; given are {shapes}.")
    return xr.Dataset(variables, coords={"length": ("case", lengths)})


def _one_field(name: str, given: Any) -> tuple[np.ndarray, np.ndarray]:
    """Values [case, time, *space] and the number of frames of each case."""
    ragged = not isinstance(given, np.ndarray) and len({np.shape(case)[:1] for case in given}) > 1
    try:
        if not ragged:
            values = np.asarray(given)
            lengths = np.full(values.shape[0] if values.ndim else 0, values.shape[1] if values.ndim > 1 else 0)
        else:
            cases = [np.asarray(case) for case in given]
            lengths = np.array([len(case) for case in cases])
            values = np.full(
                (len(cases), lengths.max(), *cases[0].shape[1:]), np.nan, np.result_type(*cases, np.float32)
            )
            for case, own in zip(values, cases, strict=True):
                case[: len(own)] = own
    except ValueError as error:
        raise InputError(f"The cases of the field '{name}' have different grids; interpolate them to one.") from error
    if values.dtype.kind not in "fiu":
        raise InputError(f"The field '{name}' holds {values.dtype}; expected real numbers.")
    if not 3 <= values.ndim <= 5:
        raise InputError(f"The field '{name}' has the shape {values.shape}; expected [case, time, (z,) (y,) x].")
    return values if values.dtype.kind == "f" else values.astype(np.float32), lengths


def _from_xarray(given: xr.Dataset | xr.DataArray, steady: bool) -> xr.Dataset:
    """A copy with the dimensions in order and a role for every variable."""
    data = given.to_dataset(name=given.name or "u") if isinstance(given, xr.DataArray) else given.copy()
    if "case" not in data.dims:
        data = data.expand_dims("case")
    if steady:
        fields = [name for name, values in data.data_vars.items() if values.attrs.get("role", "field") == "field"]
        data = data.assign({name: data[name].expand_dims("time", axis=1) for name in fields})
    unknown = [dim for dim in data.dims if dim not in ("case", "time", *SPACE)]
    if unknown:
        raise InputError(f"The dimension '{unknown[0]}' is not known; rename it to case, time, z, y or x.")
    data = data.transpose("case", "time", *space_of(data), missing_dims="ignore")
    for name in map(str, data.data_vars):
        if "role" not in data[name].attrs:
            data[name].attrs["role"] = _role(data[name])
    if not with_role(data, "parameter"):
        for key, coordinate in data.coords.items():
            name = str(key)
            free = "role" not in coordinate.attrs and name not in ("case", "length", "valid_frames", "seed")
            if free and coordinate.dims == ("case",) and coordinate.dtype.kind in "fiu":
                data[name].attrs["role"] = "parameter"
    return data


def _role(variable: xr.DataArray) -> str:
    """What a variable without a role is, by its dimensions."""
    if variable.dtype == bool:
        return "known" if variable.name == "known" else "mask"
    if "time" not in variable.dims:
        return "input"
    return "field" if any(axis in variable.dims for axis in SPACE) else "signal"


def _add_times(data: xr.Dataset, times: ArrayLike | None) -> None:
    cases, frames = data.sizes["case"], data.sizes["time"]
    attrs = {"units": "s", "long_name": "time"}
    if times is None:
        if "time" not in data.coords and TIME_OF_CASE not in data.coords:
            data.coords["time"] = ("time", np.arange(frames, dtype=np.float64), attrs)
        return
    values = np.asarray(times, np.float64)
    if values.shape == (frames,):
        data.coords["time"] = ("time", values, attrs)
    elif values.shape == (cases, frames):
        data.coords[TIME_OF_CASE] = (("case", "time"), values, attrs)
    else:
        raise InputError(f"The times have the shape {values.shape}; expected ({frames},) or ({cases}, {frames}).")


def _with_cases(data: xr.Dataset, given: Mapping[str, ArrayLike], role: str, dims: tuple[str, ...]) -> xr.Dataset:
    """Parameters and signals; what is given once holds for all cases."""
    shape = tuple(data.sizes[dim] for dim in dims)
    for name, value in given.items():
        values = np.asarray(value, np.float64)
        if values.shape not in (shape, shape[1:]):
            raise InputError(f"The {role} '{name}' has the shape {values.shape}; expected {shape} or {shape[1:]}.")
        if name in data.data_vars or name in data.dims:
            raise InputError(f"The name '{name}' is given twice, once as a {role}; choose another name.")
        if name == "length" and role == "parameter":
            data = data.rename({"length": "valid_frames"}) if "length" in data.coords else data
        entry = (dims, np.broadcast_to(values, shape).copy(), {"role": role})
        data = data.assign_coords({name: entry}) if role == "parameter" else data.assign({name: entry})
    return data


def _add_inputs(data: xr.Dataset, given: Mapping[str, ArrayLike]) -> None:
    for name, values in given.items():
        if name in data.variables or name in data.dims:
            raise InputError(f"The name '{name}' is given twice, once as an input; choose another name.")
        data[name] = _on_grid(data, f"input '{name}'", values, "input")


def _on_grid(
    data: xr.Dataset, what: str, given: ArrayLike, role: str
) -> tuple[tuple[str, ...], np.ndarray, dict[str, str]]:
    """A mask, known cells or an input: values at every point, for all cases or for each."""
    values, space = np.asarray(given), space_of(data)
    grid = tuple(data.sizes[axis] for axis in space)
    if values.shape not in (grid, (data.sizes["case"], *grid)):
        hint = "; fields without a time axis need steady=True" if values.ndim > len(grid) + 1 else ""
        raise InputError(
            f"The {what} has the shape {values.shape}; expected {grid}, or with {data.sizes['case']} cases in front"
            f"{hint}."
        )
    if role == "input" and values.dtype.kind not in "fiu":
        raise InputError(f"The {what} holds {values.dtype}; expected real numbers.")
    kind = bool if role != "input" else values.dtype if values.dtype.kind == "f" else np.float32
    return (("case",) if values.ndim > len(space) else ()) + space, values.astype(kind), {"role": role}


def _with_coordinates(data: xr.Dataset, given: Mapping[str, ArrayLike]) -> xr.Dataset:
    """Positions along every axis; without any, those of the unit interval."""
    periodic, cells = data.attrs["periodic"].split(","), data.attrs["grid"] == "cells"
    unknown = [axis for axis in given if axis not in space_of(data)]
    if unknown:
        raise InputError(f"The coordinate '{unknown[0]}' is no axis of the data; it has {', '.join(space_of(data))}.")
    for axis in space_of(data):
        size = data.sizes[axis]
        if axis in given:
            values = np.asarray(given[axis], np.float64)
            if values.shape != (size,):
                raise InputError(f"The coordinate '{axis}' has the shape {values.shape}; expected ({size},).")
        elif axis in data.coords:
            continue
        elif cells:
            values = (np.arange(size) + 0.5) / size
        else:
            values = np.linspace(0, 1, size, endpoint=axis not in periodic)
        data = data.assign_coords(
            {axis: (axis, values, {"units": "", "low": 0.0, "high": 1.0} if axis not in given else {})}
        )
    return data


def _describe(data: xr.Dataset, name: str) -> None:
    """What the problem knows and the arrays do not say."""
    from sciflow import problems
    from sciflow.data.check import missing_names

    problem = problems.get(name)
    missing = missing_names(name, *(with_role(data, role) for role in ("field", "parameter", "input")))
    if missing:
        raise InputError(f"The {missing[0]} of the problem '{name}' is missing.")
    data.attrs |= {"problem": problem.name, "problem_hash": problem.hash}
    if not data.attrs["periodic"]:
        data.attrs["periodic"] = ",".join(problem.periodic)
    declared: list[Any] = [*problem.fields, *problem.parameters, *problem.signals, *problem.inputs]
    for info in declared:
        if info.name not in data.variables:
            continue
        attrs = data[info.name].attrs
        for key, attribute in (
            ("unit", "units"),
            ("long_name", "long_name"),
            ("scale", "scale"),
            ("low", "low"),
            ("high", "high"),
        ):
            value = getattr(info, key, None)
            if value is not None:
                attrs.setdefault(attribute, value)
        if getattr(info, "hidden", False):
            attrs.setdefault("hidden", 1)
