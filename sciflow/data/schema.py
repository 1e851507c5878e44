"""The names and roles of a data set, and the rules that an in-memory ``xarray.Dataset`` must obey.

A data set has the dimensions ``(case, time, [z,] y, x)`` and one variable per field. What a variable is for is said by
its attribute ``role``:

==============  ======================================  ====================================================
role            dimensions                              meaning
==============  ======================================  ====================================================
``field``       (case, time, \\*space)                   what is forecast, physical units, 0 in solid cells
``signal``      (case, time)                            known boundary data that depends on time
``mask``        (\\*space) or (case, \\*space), bool      True = fluid
``known``       (\\*space) or (case, \\*space), bool      True = boundary data, known at all times
``input``       (\\*space) or (case, \\*space)            known static field, such as a coefficient
``boundary``    any, with case                          boundary values and fluxes that the grid does not hold
``parameter``   (case), a coordinate                    shown to models unless ``hidden`` is 1; ``scale``
                                                        "linear" or "log", ``low``, ``high``
``coefficient`` (case), a coordinate                    random coefficients of the signals, not shown to models
``number``      (case), a coordinate                    dimensionless numbers (Re), not shown to models
==============  ======================================  ====================================================

Cells that are ``known`` are fluid in the mask; they are given at every step of a forecast and never scored. The
attribute ``fields`` ("u,v") of this variable names the fields whose values are known there; without it, all are.

A steady problem has one frame, at time 0. Space coordinates are shared and increase. Where the domain differs by case
they run from 0 to 1 over it, and ``x_of_case`` (case, x) and so on hold metres. ``time`` is shared, or ``time_of_case``
(case, time) where spacing differs. Coordinates on ``case`` may also be ``subset`` (CF flags: the list that a case is
from), ``length`` (valid frames;
``valid_frames`` where a parameter is called length), ``seed``, and characteristic scales, which a field names in
``scale_coord`` and the data set in ``time_scale_coord``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

from sciflow.core.errors import InputError

SCHEMA = "sciflow-1"
SPACE = ("z", "y", "x")
GRIDS = ("nodes", "cells")
SCALES = ("linear", "log")
LARGE = ("field", "input", "boundary")  # roles whose values are not kept in memory
VARIABLE_ROLES = ("field", "signal", "mask", "known", "input", "boundary")
COORDINATE_ROLES = ("parameter", "coefficient", "number")
TIME_OF_CASE = "time_of_case"
BOOKKEEPING = ("case", "length", "valid_frames", "seed", "source_index", "subset")


def with_role(data: xr.Dataset, role: str) -> list[str]:
    """Names of the variables or coordinates with a role, in the order of the data set."""
    return [str(name) for name, variable in data.variables.items() if variable.attrs.get("role") == role]


def space_of(data: xr.Dataset) -> tuple[str, ...]:
    """The space axes in tensor order, such as ("y", "x")."""
    return tuple(axis for axis in SPACE if axis in data.sizes)


def periodic_of(data: xr.Dataset) -> tuple[str, ...]:
    """The periodic axes, from the comma-separated attribute."""
    text = str(data.attrs.get("periodic", ""))
    return tuple(part.strip() for part in text.split(",") if part.strip())


def length_name(data: xr.Dataset) -> str:
    """The coordinate that holds (or would hold) the number of valid frames of each case."""
    taken = "length" in data.variables and data["length"].attrs.get("role") in COORDINATE_ROLES
    return "valid_frames" if taken else "length"


def known_fields_of(data: xr.Dataset, fields: Sequence[str]) -> list[str]:
    """Those of the fields whose values are known in the cells of the variable ``known``; none without such cells."""
    if "known" not in data.variables:
        return []
    text = data["known"].attrs.get("fields")
    return [name for name in fields if text is None or name in str(text).split(",")]


def lengths_of(data: xr.Dataset) -> np.ndarray:
    """Valid frames of each case, int64 (case,); all frames where nothing is said."""
    name = length_name(data)
    if name in data.variables:
        return np.asarray(data[name].values, np.int64)
    return np.full(data.sizes["case"], data.sizes["time"], np.int64)


def case_times(data: xr.Dataset) -> np.ndarray:
    """Times of the frames in seconds, float64 (case, time)."""
    if TIME_OF_CASE in data.variables:
        return np.asarray(data[TIME_OF_CASE].values, np.float64)
    return np.tile(np.asarray(data["time"].values, np.float64), (data.sizes["case"], 1))


def violations(data: xr.Dataset) -> list[str]:
    """Every rule that a data set breaks, one sentence each; values of fields are not read.

    Returns:
        An empty list for a data set that obeys the schema.
    """
    fields = with_role(data, "field")
    if not fields:
        unknown = [
            name for name, variable in data.data_vars.items() if variable.attrs.get("role") not in VARIABLE_ROLES
        ]
        hint = f" (the role of '{unknown[0]}' is {data[unknown[0]].attrs.get('role')!r})" if unknown else ""
        return [f"The data set has no field; give each field variable the attribute role='field'{hint}."]
    shape = list(_shapes(data, fields))
    if shape:
        return shape
    return [*_axes(data), *_attributes(data), *_roles(data), *_case_coordinates(data), *_scales(data), *_masks(data)]


def require_valid(data: xr.Dataset, where: str = "The data set") -> None:
    """Raise unless a data set obeys the schema.

    Raises:
        InputError: naming ``where`` and the first rule that is broken.
    """
    found = violations(data)
    if found:
        more = f" ({len(found) - 1} more problems)" if len(found) > 1 else ""
        raise InputError(f"{where} cannot be used: {found[0]}{more}")


def _shapes(data: xr.Dataset, fields: list[str]) -> Iterator[str]:
    space = space_of(data)
    expected = ("case", "time", *space)
    if space not in (("x",), ("y", "x"), ("z", "y", "x")):
        yield f"The space axes must be x, (y, x) or (z, y, x), not {space or 'none'}."
        return
    for name in fields:
        if data[name].dims != expected:
            yield f"The field '{name}' has the dimensions {data[name].dims}; expected {expected}."
        elif data[name].dtype.kind != "f":
            yield f"The field '{name}' holds {data[name].dtype}; expected floating-point numbers."
    empty = [dim for dim in expected if data.sizes.get(dim) == 0]
    if empty:
        yield f"The data set has no {'cases' if empty[0] == 'case' else 'entries along ' + empty[0]}."
    for key, variable in data.variables.items():
        name = str(key)
        if any(mark in name for mark in " /\t\n"):
            yield f"The name '{name}' must not hold spaces or slashes."
        if "case" in variable.dims[1:] or ("case" in variable.dims and "time" in variable.dims[2:]):
            yield f"The variable '{name}' has the dimensions {variable.dims}; 'case' comes first, then 'time'."


def _axes(data: xr.Dataset) -> Iterator[str]:
    for axis in space_of(data):
        if axis not in data.coords:
            yield f"The coordinate '{axis}' is missing; give positions along each space axis."
        elif not _increasing(data[axis].values):
            yield f"The coordinate '{axis}' must be finite and increase from each entry to the next."
    if TIME_OF_CASE in data.variables:
        times = data[TIME_OF_CASE]
        if times.dims != ("case", "time"):
            yield f"The coordinate '{TIME_OF_CASE}' has the dimensions {times.dims}; expected ('case', 'time')."
            return
        rows = zip(times.values, lengths_of(data), strict=True)
        bad = [case for case, (row, length) in enumerate(rows) if not _increasing(row[: int(length)])]
        if bad:
            yield f"The times of case {bad[0]} must be finite and increase from each frame to the next."
    elif "time" not in data.coords:
        yield f"The coordinate 'time' is missing; give the time of each frame, or '{TIME_OF_CASE}' by case."
    elif not _increasing(data["time"].values):
        yield "The coordinate 'time' must be finite and increase from each frame to the next."


def _attributes(data: xr.Dataset) -> Iterator[str]:
    if data.attrs.get("schema", SCHEMA) != SCHEMA:
        yield f"The data set follows the schema '{data.attrs['schema']}'; this version reads '{SCHEMA}'."
    if data.attrs.get("grid") not in GRIDS:
        yield f"The attribute 'grid' is {data.attrs.get('grid')!r}; expected 'nodes' or 'cells'."
    unknown = [axis for axis in periodic_of(data) if axis not in space_of(data)]
    if unknown:
        yield f"The attribute 'periodic' names the axis '{unknown[0]}'; the data set has {space_of(data)}."


def _roles(data: xr.Dataset) -> Iterator[str]:
    for name, variable in data.data_vars.items():
        role = variable.attrs.get("role")
        if role not in VARIABLE_ROLES:
            yield f"The variable '{name}' has the role {role!r}; expected one of {', '.join(VARIABLE_ROLES)}."
        elif role == "signal":
            if variable.dims != ("case", "time"):
                yield f"The signal '{name}' has the dimensions {variable.dims}; expected ('case', 'time')."
            else:
                valid = np.arange(data.sizes["time"]) < lengths_of(data)[:, None]
                if not np.isfinite(variable.values[valid]).all():
                    case = int(np.argmax((~np.isfinite(variable.values) & valid).any(axis=1)))
                    yield f"The signal '{name}' holds NaN or infinity in case {case}."
        elif role == "input" and variable.dtype.kind != "f":
            yield f"The input '{name}' holds {variable.dtype}; expected floating-point numbers."
        elif role in ("mask", "known", "input") and variable.dims not in (space_of(data), ("case", *space_of(data))):
            yield (
                f"The {role} '{name}' has the dimensions {variable.dims}; expected {space_of(data)}, "
                "with 'case' in front where it differs by case."
            )


def _case_coordinates(data: xr.Dataset) -> Iterator[str]:
    for role in COORDINATE_ROLES:
        for name in with_role(data, role):
            variable = data[name]
            if name not in data.coords or variable.dims != ("case",):
                yield f"The {role} '{name}' must be a coordinate with the dimension 'case', not {variable.dims}."
            elif variable.dtype.kind not in "fiu" or not np.isfinite(variable.values).all():
                yield f"The {role} '{name}' must hold a finite number for each case."
            elif variable.attrs.get("scale", "linear") not in SCALES:
                yield f"The {role} '{name}' has the scale {variable.attrs['scale']!r}; expected 'linear' or 'log'."
            elif variable.attrs.get("scale") == "log" and (variable.values <= 0).any():
                yield f"The {role} '{name}' has the scale 'log' but a value that is not positive."
    name = length_name(data)
    if name in data.variables:
        lengths, frames = data[name], data.sizes["time"]
        if lengths.dims != ("case",) or lengths.dtype.kind not in "iu":
            yield f"The coordinate '{name}' must hold the number of valid frames of each case, as integers."
        elif ((lengths.values < 1) | (lengths.values > frames)).any():
            yield f"The coordinate '{name}' must lie between 1 and the {frames} stored frames."


def _scales(data: xr.Dataset) -> Iterator[str]:
    named = {f"the field '{field}'": data[field].attrs.get("scale_coord") for field in with_role(data, "field")}
    named["time"] = data.attrs.get("time_scale_coord")
    for owner, name in named.items():
        if not name:
            continue
        if name not in data.coords or data[name].dims != ("case",):
            yield f"The scale of {owner} names '{name}', which is not a coordinate on 'case'."
        elif not (np.isfinite(data[name].values) & (data[name].values > 0)).all():
            yield f"The scale '{name}' of {owner} must be positive in every case."


def _masks(data: xr.Dataset) -> Iterator[str]:
    meaning = {"mask": "True where there is fluid", "known": "True where boundary data are given"}
    for role, meant in meaning.items():
        found = with_role(data, role)
        if len(found) > 1:
            yield f"Several variables have the role '{role}': {', '.join(found)}; expected at most one."
        for name in found:
            if name != role:
                yield f"The variable of the role '{role}' is called '{name}'; expected '{role}'."
            if data[name].dtype != bool:
                yield f"The {role} '{name}' holds {data[name].dtype}; expected booleans, {meant}."
    cells = {role: data[role] for role in meaning if role in data and data[role].dtype == bool}
    if "mask" in cells and not _somewhere(cells["mask"]):
        yield "The mask 'mask' leaves a case without any fluid cell."
    if "known" in cells:
        if not _somewhere(~cells["known"] & cells.get("mask", True)):
            yield "The variable 'known' leaves a case without any cell to forecast."
        named = str(data["known"].attrs.get("fields", "")).split(",")
        unknown = [name for name in named if name and name not in with_role(data, "field")]
        if unknown:
            yield f"The attribute 'fields' of 'known' names '{unknown[0]}', which is no field of the data set."


def _somewhere(cells: xr.DataArray) -> bool:
    """Whether each case has a cell that is True."""
    return bool(cells.any([axis for axis in SPACE if axis in cells.dims]).all())


def _increasing(values: np.ndarray) -> bool:
    values = np.asarray(values)
    return values.dtype.kind in "fiu" and bool(np.isfinite(values).all() and (np.diff(values) > 0).all())
