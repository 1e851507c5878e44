"""What a problem knows about imported variables: units, long names, scales of parameters."""

from __future__ import annotations

from typing import Any

import xarray as xr

from sciflow.core.errors import InputError, UnknownNameError
from sciflow.data.schema import with_role


def describe(data: xr.Dataset, problem: str) -> xr.Dataset:
    """The data set with the name of its problem and what that declares; unchanged for no problem ("").

    Raises:
        InputError: the problem is not registered, or has an evolving field, a parameter or an input that is missing.
    """
    if not problem:
        return data
    from sciflow import problems
    from sciflow.data.check import missing_names

    declared = problems.get(problem)
    fields = [*with_role(data, "field"), *str(data.attrs.get("absent", "")).split()]
    missing = missing_names(problem, fields, *(with_role(data, role) for role in ("parameter", "input")))
    if missing:
        raise InputError(f"The {missing[0]} of the problem '{problem}' is missing in the imported data.")
    data.attrs |= {"problem": declared.name, "problem_hash": declared.hash}
    data.attrs["periodic"] = data.attrs.get("periodic") or ",".join(declared.periodic)
    infos: list[Any] = [*declared.fields, *declared.parameters, *declared.signals, *declared.inputs]
    for info in infos:
        if info.name in data.variables:
            attrs = data[info.name].attrs
            attrs["units"] = attrs.get("units") or info.unit or ""
            for key in ("long_name", "scale", "low", "high"):
                value = getattr(info, key, None)
                if value is not None:
                    attrs[key] = value
            if getattr(info, "hidden", False):
                attrs["hidden"] = 1
    return data


def describe_if_whole(data: xr.Dataset, problem: str) -> xr.Dataset:
    """As `describe`, but unchanged where the problem is not registered here or the data lack something of it."""
    try:
        return describe(data, problem)
    except (InputError, UnknownNameError):
        return data
