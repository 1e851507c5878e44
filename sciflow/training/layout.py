"""What the channels of a surrogate stand for, and how a query is brought into that order."""

from __future__ import annotations

from typing import Self, final

import numpy as np
import torch

from sciflow.core import Config, InputError, Query, near
from sciflow.data import Dataset
from sciflow.data.grid import unit_coordinates
from sciflow.data.query_arrays import context_array, context_mask, input_array
from sciflow.operators import Flow, Sizes
from sciflow.recurrent.declared import declared_flows
from sciflow.training.config import Training
from sciflow.training.rollout import Start


@final
class Layout(Config):
    """Names, in the order of the channels, of everything that a network is given.

    Attributes:
        space: axes in tensor order, such as ("y", "x").
        periodic: the periodic ones of them.
        grid: "nodes" or "cells".
        masked: whether there are solid cells.
        fields: fields of a frame.
        parameters: case parameters.
        signals: time-dependent boundary values.
        scales: for each field, the case coordinate with its characteristic scale; "" = none.
        time_scale: the case coordinate with the characteristic time; "" = none.
        inputs: fields that do not depend on time.
        known: whether there are cells that hold boundary data, given at all times.
        shape: points along each axis (models saved earlier do not say so).
        flows: one-parameter groups that the problem declares (models saved earlier do not say so).
        ends: whether the points include both ends of axes that are not periodic (models saved earlier do not say so).
    """

    space: tuple[str, ...]
    periodic: tuple[str, ...]
    grid: str
    masked: bool
    fields: tuple[str, ...]
    parameters: tuple[str, ...]
    signals: tuple[str, ...]
    scales: tuple[str, ...]
    time_scale: str
    inputs: tuple[str, ...] = ()
    ends: bool = False
    known: bool = False
    shape: tuple[int, ...] = ()
    flows: tuple[Flow, ...] = ()

    @classmethod
    def of(cls, data: Dataset) -> Self:
        """The layout of a data set."""
        return cls(
            space=tuple(data.space),
            periodic=tuple(axis for axis in data.space if axis in data.periodic),
            grid=str(data.attrs.get("grid", "nodes")),
            masked=data.has_mask,
            fields=tuple(data.fields),
            parameters=tuple(data.parameters),
            signals=tuple(data.signals),
            scales=tuple(str(data.xarray[name].attrs.get("scale_coord", "")) for name in data.fields),
            time_scale=str(data.attrs.get("time_scale_coord", "")),
            inputs=tuple(data.inputs),
            ends=data.attrs.get("grid", "nodes") == "nodes" and set(data.space) != set(data.periodic),
            known=bool(data.known_fields),
            shape=tuple(data.shape),
            flows=declared_flows(data),
        )

    def require_same(self, other: Layout) -> None:
        """Raise if validation cases have other names than the training cases.

        Raises:
            InputError: naming what differs.
        """
        for name in type(self).model_fields:
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                raise InputError(
                    f"The validation cases have {name} {theirs}, the training cases {mine}; split one data set."
                )

    @staticmethod
    def require_regular(data: Dataset, network: str) -> None:
        """Raise unless points are equally spaced along each axis, to a thousandth of a spacing.

        Raises:
            InputError: naming the axis and the network that cannot use it.
        """
        for axis in data.space:
            spacing = np.diff(np.asarray(data.header[axis].values, np.float64))
            if spacing.size and np.ptp(spacing) > 2e-3 * spacing.mean():
                raise InputError(
                    f"The network '{network}' needs equally spaced points, but those along '{axis}' are not; "
                    "interpolate the data to a regular grid or use another network."
                )

    def sizes(self, training: Training) -> Sizes:
        """Sizes of the network's tensors."""
        return Sizes(
            fields=len(self.fields),
            dims=len(self.space),
            parameters=len(self.parameters),
            signals=len(self.signals),
            frames_in=training.frames_in,
            frames_out=training.frames_out * (2 if training.loss == "nll" else 1),  # values, then variances
            periodic=tuple(axis in self.periodic for axis in self.space),
            mask=self.masked,
            inputs=len(self.inputs),
            ends=self.ends,
            grid=self.shape,
            flows=self.flows,
        )

    def start(self, query: Query, frames_in: int) -> Start:
        """The tensors with which a rollout of a query begins; only its last ``frames_in`` context frames are used.

        Args:
            query: what is asked.
            frames_in: context frames that the network sees; may be 0.

        Raises:
            InputError: the query lacks something the network needs, has too few context frames, or holds NaN.
        """
        given = int(query.context.sizes["time"])
        if given < frames_in:
            raise InputError(f"The query has {given} context frames; this surrogate needs {frames_in}.")
        if query.steps < 1:
            raise InputError("The query asks for no frames; give at least one time after its context.")
        frames = context_array(query.context.isel(time=slice(given - frames_in, None)), self.fields, self.space)
        mask = self._mask(query)
        signals = [self._signal(query, name)[:, given - frames_in :] for name in self.signals]
        parameters = [self._of_case(query, name, "case parameter") for name in self.parameters]
        scales = [self._of_case(query, name, "characteristic scale") for name in self.scales]
        times = np.concatenate([query.context_times[:, given - frames_in :], query.times], axis=1)
        parts = {
            "x": frames,
            "signals": np.stack(signals, axis=-1) if signals else np.zeros((*times.shape, 0)),
            "parameters": np.stack(parameters, axis=-1) if parameters else np.zeros((query.cases, 0)),
            "mask": mask,
            "inputs": input_array(query.context, self.inputs, self.space),
            "scale": np.stack(scales, axis=-1),
            "time_scale": self._of_case(query, self.time_scale, "characteristic time"),
        }
        for name, values in {**parts, "times": times}.items():
            if not np.isfinite(values).all():
                raise InputError(
                    f"The query's {name.replace('_', ' ')} hold NaN or infinity; repair or leave out these cases."
                )
        described = query.context.assign_attrs(periodic=",".join(self.periodic), grid=self.grid)
        parts["coordinates"] = unit_coordinates(described)
        tensors = {name: torch.from_numpy(np.ascontiguousarray(values, np.float32)) for name, values in parts.items()}
        return Start(times=torch.from_numpy(times.astype(np.float64)), known=self._known(query), **tensors)

    def _known(self, query: Query) -> torch.Tensor | None:
        """[B, T_out, C, *S] boundary data, NaN elsewhere."""
        if query.known is None:
            if self.known:
                raise InputError(
                    "The query lacks the known boundary values that this surrogate was trained with; give its part "
                    "'known', as sciflow.data.query does."
                )
            return None
        dims = ("case", "time", *self.space)
        values = [query.known[name].transpose(*dims).values.astype(np.float32) for name in self.fields]
        return torch.from_numpy(np.stack(values, axis=2))

    def _mask(self, query: Query) -> np.ndarray:
        """[B, 1, *S] booleans, True = fluid."""
        shape = tuple(int(query.context.sizes.get(axis, 1)) for axis in self.space)
        if not self.masked:
            if "mask" in query.context and not bool(query.context["mask"].all()):
                raise InputError(
                    "The query has solid cells, but this surrogate was trained without a mask; train one with it."
                )
            return np.ones((query.cases, 1, *shape), bool)
        mask = context_mask(query.context, self.space)
        if mask is None:
            raise InputError("The query lacks the variable 'mask' (True = fluid) that this surrogate was trained with.")
        return np.broadcast_to(mask, (query.cases, *shape))[:, None]

    def _signal(self, query: Query, name: str) -> np.ndarray:
        if name not in query.signals:
            raise InputError(f"The query lacks the signal '{name}' of this surrogate.{near(name, query.signals)}")
        return query.signals[name]

    def _of_case(self, query: Query, name: str, what: str) -> np.ndarray:
        """[B] values of a coordinate on ``case``; ones if it has no name."""
        if not name:
            return np.ones(query.cases)
        if name not in query.context.coords:
            known = [str(item) for item in query.context.coords]
            raise InputError(f"The query lacks the {what} '{name}' of this surrogate.{near(name, known)}")
        return np.broadcast_to(np.asarray(query.context[name].values, np.float64), (query.cases,))
