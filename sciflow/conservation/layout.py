"""Forecasts as arrays of states, and back: [..., case, T, C * S]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import xarray as xr

from sciflow.conservation.laws import fields_of
from sciflow.core.errors import InputError
from sciflow.core.method import Forecast, Query
from sciflow.data.schema import known_fields_of, space_of
from sciflow.data.volume import on_cells


@final
@dataclass(frozen=True, eq=False)
class Layout:
    """How the fields of a forecast are stacked.

    Attributes:
        mean: the forecast's mean, whose coordinates and attributes results take over.
        fields: names of the fields, in order.
        space: the space axes.
        still: [case or 1, T or 1, C * S], True where nothing may change: solid cells and known values.
        known: the known values there, 0 in the solid; same shape.
    """

    mean: xr.Dataset
    fields: tuple[str, ...]
    space: tuple[str, ...]
    still: np.ndarray
    known: np.ndarray

    @classmethod
    def of(cls, forecast: Forecast, query: Query) -> Layout:
        """The layout of a forecast that answers a query.

        Raises:
            InputError: the forecast has other fields, cases, frames or points than the query.
        """
        context, mean = query.context, forecast.mean
        fields, space = fields_of(context), space_of(context)
        if set(fields) != set(forecast.fields):
            raise InputError(
                f"The forecast has the fields {sorted(forecast.fields)} and the query {sorted(fields)}; forecast "
                "all of them."
            )
        expected = {"case": query.cases, "time": query.steps, **{axis: context.sizes[axis] for axis in space}}
        if dict(mean.sizes) != expected:
            raise InputError(f"The forecast has the sizes {dict(mean.sizes)}; the grid of the query has {expected}.")
        for axis in space:
            if axis in mean.coords and not _same(mean[axis].values, context[axis].values):
                raise InputError(f"The forecast and the query have different points along '{axis}'; use one grid.")
        still, known = _still(query, fields, space)
        return cls(mean, fields, space, still, known)

    def values(self, data: xr.Dataset, *, spread: bool = False) -> np.ndarray:
        """Fields as float64 [member or rank..., case, T, C * S]; 0 in the solid, known values in their places.

        Args:
            data: mean, members, variance or factor of the forecast.
            spread: whether it is a variance or factor, which is 0 where nothing may change.
        """
        extra = [str(dim) for dim in data.sizes if dim not in ("case", "time", *self.space)]
        order = (*extra, "case", "time", *self.space)
        arrays = [np.asarray(data[name].transpose(*order).values, np.float64) for name in self.fields]
        stacked = np.stack(arrays, axis=len(extra) + 2)
        flat = stacked.reshape(*stacked.shape[: len(extra) + 2], -1)
        if self.still.any():
            return np.where(self.still, 0.0 if spread else self.known, flat)
        return flat

    def dataset(self, values: np.ndarray, extra: str | None = None) -> xr.Dataset:
        """Fields (extra, case, time, \\*space), float64, of states [..., case, T, C * S]."""
        dims = (*([extra] if extra else []), "case", "time", *self.space)
        shape = (*values.shape[:-1], len(self.fields), *(self.mean.sizes[axis] for axis in self.space))
        parts = np.moveaxis(values.reshape(shape), values.ndim - 1, 0)
        arrays = {
            name: (dims, np.ascontiguousarray(part), dict(self.mean[name].attrs))
            for name, part in zip(self.fields, parts, strict=True)
        }
        kept = {name: arrays[str(name)] for name in self.mean.data_vars}
        return xr.Dataset(kept, self.mean.coords, dict(self.mean.attrs))


def _same(ours: np.ndarray, theirs: np.ndarray) -> bool:
    size = float(np.abs(theirs).max()) if theirs.size else 0.0
    return bool(np.allclose(ours, theirs, rtol=1e-6, atol=1e-6 * size))


def _still(query: Query, fields: tuple[str, ...], space: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Where nothing may change, and the values there: [case or 1, T or 1, C * S] each."""
    context = query.context
    size = int(np.prod([context.sizes[axis] for axis in space]))
    solid = np.zeros((1, 1, size), bool)
    if "mask" in context.variables:
        solid = ~on_cells(context, "mask").astype(bool).reshape(-1, 1, size)
    still, values = [], []
    given = known_fields_of(context, fields)
    for name in fields:
        still.append(solid)
        values.append(np.zeros((1, 1, size)))
        if name in given and query.known is not None:
            frames = query.known[name].transpose("case", "time", *space).values
            frames = np.asarray(frames, np.float64).reshape(query.cases, query.steps, size)
            still[-1] = solid | np.isfinite(frames)
            values[-1] = np.where(np.isfinite(frames), frames, 0.0)
    fixed = np.concatenate(np.broadcast_arrays(*still), axis=-1)
    return fixed, np.concatenate(np.broadcast_arrays(*values), axis=-1)
