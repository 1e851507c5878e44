"""Between queries and arrays [case, time, C, \\*S]: the frames given, and the frames answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from sciflow.core.errors import InputError, near
from sciflow.core.method import Query
from sciflow.data.schema import TIME_OF_CASE, space_of

_KEPT_ATTRIBUTES = ("problem", "grid", "periodic")


def context_array(context: xr.Dataset, fields: Sequence[str], space: Sequence[str]) -> np.ndarray:
    """Fields of a query's context as stored, [case, time, C, \\*S]; solid cells are 0 whatever they held.

    Args:
        context: frames, with a ``mask`` (True = fluid) where there are solid cells.
        fields: names in the order of the channels.
        space: axes in tensor order.

    Raises:
        InputError: a field is missing or has other dimensions, or a fluid cell holds NaN or infinity.
    """
    dims = ("case", "time", *space)
    present = [str(name) for name in context.data_vars]
    for name in fields:
        if name not in present:
            raise InputError(f"The query lacks the field '{name}'.{near(name, present)}")
        if set(context[name].dims) != set(dims):
            raise InputError(f"The field '{name}' of the query has the dimensions {context[name].dims}, not {dims}.")
    values = np.stack([context[name].transpose(*dims).values for name in fields], axis=2)
    mask = context_mask(context, space)
    if mask is not None:
        values = np.where(mask[:, None, None], values, 0)
    if not np.isfinite(values).all():
        raise InputError("The query's context frames hold NaN or infinity; repair or leave out these cases.")
    return values


def input_array(context: xr.Dataset, inputs: Sequence[str], space: Sequence[str]) -> np.ndarray:
    """Input fields of a query's context as stored, [case, I, \\*S]; one without ``case`` is repeated.

    Args:
        context: what a query knows.
        inputs: names in the order of the channels.
        space: axes in tensor order.

    Raises:
        InputError: an input is missing, has other dimensions, or holds NaN or infinity.
    """
    cases, shape = int(context.sizes["case"]), tuple(int(context.sizes[axis]) for axis in space)
    present = [str(name) for name in context.data_vars]
    values = np.zeros((cases, len(inputs), *shape))
    for channel, name in enumerate(inputs):
        if name not in present:
            raise InputError(f"The query lacks the input field '{name}'.{near(name, present)}")
        given = context[name]
        if {*given.dims, "case"} != {"case", *space}:
            raise InputError(f"The input field '{name}' of the query has the dimensions {given.dims}, not {space}.")
        values[:, channel] = given.transpose(*(("case",) if "case" in given.dims else ()), *space).values
    if not np.isfinite(values).all():
        raise InputError("The query's input fields hold NaN or infinity; repair or leave out these cases.")
    return values


def context_mask(context: xr.Dataset, space: Sequence[str]) -> np.ndarray | None:
    """The mask of a query's context as booleans [1 or case, \\*S], True = fluid; None if there is none.

    Raises:
        InputError: the mask has other dimensions than the fields.
    """
    if "mask" not in context:
        return None
    mask = context["mask"]
    if {*mask.dims, "case"} != {"case", *space}:
        raise InputError(f"The mask of the query has the dimensions {mask.dims}, not {tuple(space)}.")
    if "case" not in mask.dims:
        mask = mask.expand_dims("case")
    return np.asarray(mask.transpose("case", *space).values, bool)


def forecast_fields(values: np.ndarray, query: Query, fields: Sequence[str]) -> xr.Dataset:
    """An answer [case, time, C, \\*S] in physical units, with the grid, cases, times and attributes of its query.

    ``case`` is the index in the data set where the query knows it (``source_case``). ``time`` is shared, or
    ``time_of_case`` (case, time) where the cases are asked for different times. Case parameters come along, and the
    characteristic scales that the fields name.
    """
    context, space = query.context, space_of(query.context)
    attrs = {"units": "s", "long_name": "time"}
    coords: dict[str, Any] = {"case": ("case", np.arange(query.cases))}
    for name in ("case", "source_case"):
        if name in context.coords:
            coords["case"] = ("case", context[name].values)
    if (query.times == query.times[:1]).all():
        coords["time"] = ("time", query.times[0], attrs)
    else:
        coords[TIME_OF_CASE] = (("case", "time"), query.times, attrs)
    scales = {context[name].attrs.get("scale_coord") for name in fields}
    for key, coordinate in context.coords.items():
        wanted = coordinate.attrs.get("role") == "parameter" or key in scales
        if key in space or (wanted and coordinate.dims == ("case",)):
            coords[str(key)] = (coordinate.dims, coordinate.values, dict(coordinate.attrs))
    variables = {
        name: (("case", "time", *space), values[:, :, channel], dict(context[name].attrs))
        for channel, name in enumerate(fields)
    }
    return xr.Dataset(
        variables, coords, {name: context.attrs[name] for name in _KEPT_ATTRIBUTES if name in context.attrs}
    )
