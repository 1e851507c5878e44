"""Motion with a constant velocity as a symmetry: how it moves the frames of a query and of its forecast.

A flow c counts cells per frame along each axis. It moves frame number n of a window by n c cells (n = 0 is the first
context frame, n = T_in the first one forecast), and raises what the problem's Galilean symmetry on the axis names by
c dx / dt in physical units: the values of a velocity field, or the case parameters that are velocities.

Whole numbers of cells are moved exactly. Fractions are moved by phases of the Fourier coefficients along the axis; a
wave of two cells has no phase to move by (its coefficient is real), so on an even number of cells it is taken out,
which makes the moves a group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np
import xarray as xr

from sciflow.baselines.base import field_names
from sciflow.core import InputError, Query
from sciflow.data.schema import periodic_of, space_of
from sciflow.data.volume import positions_of
from sciflow.evaluation.scoring import stacked
from sciflow.evaluation.speeds import Speeds, flow_name, require_speeds

if TYPE_CHECKING:
    from sciflow.problems.physics import Symmetry

_UNEVEN = 1e-3  # spacing may vary by so much, relative to itself: coordinates can be float32


@final
@dataclass(frozen=True, eq=False)
class Flow:
    """A flow that is a symmetry of what a query asks about.

    Attributes:
        speeds: cells per frame by axis.
        rises: name of a field or case parameter -> how much it rises in each case, [case], in physical units.
    """

    speeds: dict[str, float]
    rises: dict[str, np.ndarray]

    @classmethod
    def of(cls, speeds: Speeds, asked: Query) -> Self:
        """The flow with these speeds, if it is one for this query.

        Raises:
            InputError: an axis is not there, not periodic or not evenly spaced, frames are not; the problem declares no
                Galilean symmetry along the axis; or something stays in place while the fields move: solid or known
                cells, input fields, signals.
        """
        require_speeds(speeds)
        named = flow_name(speeds)
        if not asked.context.sizes["time"]:
            raise InputError(f"The flow {named} shows in how frames follow each other; this query has no start frames.")
        _require_movable(asked, speeds, named)
        dt = _frame_time(asked, named)
        rises: dict[str, np.ndarray] = {}
        for axis, speed in speeds.items():
            velocity = speed * _cell(asked.context, axis, named) / dt
            for name in _symmetry(asked.context, axis, named).velocities:
                if name in asked.context.variables:  # of a field left out of the data there is nothing to raise
                    rises[name] = rises.get(name, 0.0) + velocity
        return cls(dict(speeds), rises)

    @property
    def fractional(self) -> bool:
        """Whether it moves by fractions of a cell."""
        return any(not float(speed).is_integer() for speed in self.speeds.values())

    def query(self, asked: Query) -> Query:
        """The moved query: context frames, the velocities that rise, and no number of a case in a data set."""
        context = self._with_frames(asked.context, np.arange(asked.context.sizes["time"]), self.rises)
        risen = {name: rise for name, rise in self.rises.items() if context[name].dims == ("case",)}
        raised = {name: context[name].copy(data=context[name].values + rise) for name, rise in risen.items()}
        return _replaced(asked, context.assign_coords(raised))

    def resting(self, asked: Query) -> Query:
        """The query at rest, without the waves of two cells that a fractional flow cannot move."""
        still = np.zeros(asked.context.sizes["time"])
        return _replaced(asked, self._with_frames(asked.context, still, {}))

    def moved(self, values: np.ndarray, axes: Sequence[str], numbers: np.ndarray) -> np.ndarray:
        """Frames [B, T, C, \\*S], the frame at place i moved by numbers[i] c."""
        out = values
        for axis, speed in self.speeds.items():
            place, shifts = axes.index(axis) - len(axes), speed * np.asarray(numbers, float)
            if float(speed).is_integer():
                frames = [np.roll(out[:, frame], round(shift), axis=place) for frame, shift in enumerate(shifts)]
                out = np.stack(frames, axis=1)
            else:
                out = _moved_by_phases(out, place, shifts)
        return out

    def lowered(self, values: np.ndarray, fields: Sequence[str]) -> np.ndarray:
        """Frames [B, T, C, \\*S] with the rise of velocity fields taken off."""
        return values - _of_fields(self.rises, fields, values)

    def _with_frames(self, context: xr.Dataset, numbers: np.ndarray, rises: Mapping[str, np.ndarray]) -> xr.Dataset:
        fields, axes = field_names(context), space_of(context)
        values = self.moved(stacked(context[fields], fields), axes, numbers)
        values = values + _of_fields(rises, fields, values)
        dims = ("case", "time", *axes)
        made = {
            name: (dims, values[:, :, channel].astype(context[name].dtype), dict(context[name].attrs))
            for channel, name in enumerate(fields)
        }
        return context.assign(made)


def _replaced(asked: Query, context: xr.Dataset) -> Query:
    """The same question about another context, which is none of a data set: nothing can be looked up for it."""
    nameless = context.drop_vars(["source_case", "start"], errors="ignore")
    return Query(nameless, asked.context_times, asked.times)


def _of_fields(rises: Mapping[str, np.ndarray], fields: Sequence[str], values: np.ndarray) -> np.ndarray:
    """Rises of the fields, shaped to broadcast against [B, T, C, \\*S]."""
    columns = np.stack([rises.get(name, np.zeros(len(values))) for name in fields], axis=1)
    return columns.reshape(len(values), 1, len(fields), *[1] * (values.ndim - 3))


def _moved_by_phases(values: np.ndarray, place: int, shifts: np.ndarray) -> np.ndarray:
    size = values.shape[place]
    phases = np.exp(-2j * np.pi * np.outer(shifts, np.arange(size // 2 + 1)) / size)
    if size % 2 == 0:
        phases[:, -1] = 0
    shape = [1] * values.ndim
    shape[1], shape[place] = phases.shape
    with np.errstate(all="ignore"):  # a forecast that blew up
        return np.fft.irfft(np.fft.rfft(values, axis=place) * phases.reshape(shape), n=size, axis=place)


def _require_movable(asked: Query, speeds: Speeds, named: str) -> None:
    """Raise unless the axes are periodic and nothing stays in place."""
    context = asked.context
    axes, periodic = space_of(context), periodic_of(context)
    for axis in speeds:
        if axis not in axes:
            raise InputError(f"The flow {named} moves along {axis}, but the data have the axes {', '.join(axes)}.")
        if axis not in periodic:
            raise InputError(
                f"The flow {named} moves along {axis}, which is not periodic: what leaves there does not come back; "
                f"leave {axis} out."
            )
    inputs = [name for name in context.data_vars if context[name].attrs.get("role") == "input"]
    held = {
        "solid cells": "mask" in context and not bool(context["mask"].all()),
        "known cells": "known" in context and bool(context["known"].any()),
        f"the input field '{inputs[0] if inputs else ''}'": bool(inputs),
        f"the signal '{next(iter(asked.signals), '')}'": bool(asked.signals),
    }
    if found := [what for what, there in held.items() if there]:
        raise InputError(
            f"The flow {named} along {next(iter(speeds))} is no symmetry of these data, since {found[0]} would not "
            "move with it; leave the flow out."
        )


def _symmetry(context: xr.Dataset, axis: str, named: str) -> Symmetry:
    """The Galilean symmetry along an axis that the data's problem declares."""
    from sciflow import problems

    name = str(context.attrs.get("problem", ""))
    if not name:
        raise InputError(f"The data name no problem that could declare the flow {named} along {axis} as a symmetry.")
    declared = problems.get(name).symmetries
    for symmetry in declared:
        if symmetry.kind == "galilean" and symmetry.axis == axis:
            return symmetry
    known = ", ".join(map(str, declared)) or "no symmetry"
    raise InputError(
        f"The flow {named} is no symmetry of '{name}', which declares no galilean symmetry in {axis}, but: {known}."
    )


def _cell(context: xr.Dataset, axis: str, named: str) -> np.ndarray:
    """Width of a cell along an axis in each case, [case], in metres."""
    places: Any = positions_of(context).get(axis)
    if places is None:
        places = np.asarray(context[axis].values, float)[None]
    gaps = np.diff(places, axis=1)
    if np.ptp(gaps, axis=1).max() > _UNEVEN * np.abs(gaps).max():
        raise InputError(f"The flow {named} moves whole cells along {axis}, but their widths differ.")
    return np.broadcast_to(gaps.mean(axis=1), context.sizes["case"])


def _frame_time(asked: Query, named: str) -> np.ndarray:
    """Seconds from one frame to the next in each case, [case]."""
    gaps = np.diff(np.concatenate([asked.context_times, asked.times], axis=1), axis=1)
    if (np.ptp(gaps, axis=1) > _UNEVEN * np.abs(gaps).max(axis=1)).any():
        raise InputError(f"The flow {named} moves as far from each frame to the next, but frames are unevenly spaced.")
    return np.asarray(gaps.mean(axis=1))
