"""What a network is told about a problem (Sizes) and what it declares about itself (Requires, Traits)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sciflow.core.errors import InputError


@dataclass(frozen=True)
class Flow:
    """A one-parameter group that moves each frame of a sequence one step further, and gives another sequence.

    A problem declares it (`sciflow.problems.galilean`, `sciflow.problems.rotation`); a network may build on it.

    Args:
        kind: "translation" along one space axis, or "rotation" about the middle of the plane of two.
        axes: positions of these axes in tensor order ((z,) y, x).
        fields: channels whose values rise by the velocity (velocity components under a Galilean boost); often none.
    """

    kind: Literal["translation", "rotation"]
    axes: tuple[int, ...]
    fields: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("axes", "fields"):
            object.__setattr__(self, name, tuple(getattr(self, name)))


@dataclass(frozen=True)
class Sizes:
    """Sizes of the tensors that a network receives and returns.

    Args:
        fields: fields per frame, C.
        dims: space axes, D = 1, 2 or 3.
        parameters: case parameters, P; may be 0.
        signals: time-dependent boundary values, G; may be 0.
        frames_in: context frames, T_in; 0 where fields are found from inputs, parameters and time alone.
        frames_out: frames predicted by one call, T_out.
        periodic: one truth value per space axis, in tensor order ((z,) y, x); none given means no periodic axis.
        mask: whether the problem has solid cells; without, the mask is not used.
        inputs: known fields that do not depend on time, such as a coefficient, I; may be 0.
        ends: whether the points include both ends of axes that are not periodic (nodes), not only centres of cells.
        grid: points per axis of the training data, in tensor order; none given where no network needs to know them.
        flows: the one-parameter groups that the problem declares; see `Flow`.

    Raises:
        InputError: a size is out of range or ``periodic`` or ``grid`` has another number of entries than there are
            axes.
    """

    fields: int
    dims: int
    parameters: int = 0
    signals: int = 0
    frames_in: int = 1
    frames_out: int = 1
    periodic: tuple[bool, ...] = ()
    mask: bool = False
    inputs: int = 0
    ends: bool = False
    grid: tuple[int, ...] = ()
    flows: tuple[Flow, ...] = ()

    def __post_init__(self) -> None:
        if self.dims not in (1, 2, 3):
            raise InputError(f"dims must be 1, 2 or 3 space axes, not {self.dims!r}.")
        for name in ("fields", "frames_out"):
            require_whole(name, getattr(self, name), 1)
        for name in ("parameters", "signals", "frames_in", "inputs"):
            require_whole(name, getattr(self, name), 0)
        periodic = tuple(bool(axis) for axis in self.periodic) or (False,) * self.dims
        if len(periodic) != self.dims:
            raise InputError(f"periodic must have one entry for each of the {self.dims} axes, not {len(periodic)}.")
        object.__setattr__(self, "periodic", periodic)
        for points in self.grid:
            require_whole("grid", points, 1)
        if self.grid and len(self.grid) != self.dims:
            raise InputError(f"grid must have one entry for each of the {self.dims} axes, not {len(self.grid)}.")
        object.__setattr__(self, "grid", tuple(self.grid))
        flows = (Flow(**flow) if isinstance(flow, dict) else flow for flow in self.flows)
        object.__setattr__(self, "flows", tuple(flows))

    @property
    def channels_in(self) -> int:
        """Channels of the context frames and the inputs together, T_in C + I."""
        return self.frames_in * self.fields + self.inputs

    @property
    def channels_out(self) -> int:
        """Channels of the predicted frames together, T_out C."""
        return self.frames_out * self.fields

    @property
    def frames(self) -> int:
        """Frames at which signals are given, T_in + T_out."""
        return self.frames_in + self.frames_out

    @property
    def conditions(self) -> int:
        """Numbers per case that do not depend on space: parameters, signals at every frame, and dt."""
        return self.parameters + self.signals * self.frames + 1


@dataclass(frozen=True)
class Requires:
    """What a network can be used for; :func:`sciflow.operators.build` checks it.

    Args:
        dims: numbers of space axes it handles.
        periodic_only: whether every axis must be periodic.
        regular_grid: whether points must be equally spaced along each axis.
        fixed_grid: whether it is made for one grid, whose points the sizes must name.
        context: whether it needs context frames (True), or is made for none (False); None means that it takes both.
        sequences: whether it needs more frames than one in and one out, since its memory is not used before.
        inputs: whether it can see input fields.
        mask: whether it can have solid cells.
        flow: the kind of flow that the problem must declare, see `Flow`; None where the network needs none.
    """

    dims: tuple[int, ...] = (1, 2, 3)
    periodic_only: bool = False
    regular_grid: bool = True
    fixed_grid: bool = False
    context: bool | None = None
    sequences: bool = False
    inputs: bool = True
    mask: bool = True
    flow: Literal["translation", "rotation"] | None = None

    def objection(self, sizes: Sizes) -> str | None:
        """Why a network with these requirements cannot be used for ``sizes``, or None if it can."""
        if sizes.dims not in self.dims:
            return f"handles {_listed(self.dims)} space axes, the problem has {sizes.dims}"
        if self.periodic_only and not all(sizes.periodic):
            return "needs periodic axes, the problem has walls or open sides"
        if self.context is not None and self.context != bool(sizes.frames_in):
            return "forecasts and needs context frames" if self.context else "does not forecast and needs frames_in = 0"
        if self.sequences and sizes.frames < 3:
            return "remembers frames and needs more than one in and one out (frames_in, frames_out)"
        if sizes.inputs and not self.inputs:
            return "does not see input fields, the problem has some"
        if sizes.mask and not self.mask:
            return "has no place for solid cells, the problem has some"
        if self.flow is not None and all(flow.kind != self.flow for flow in sizes.flows):
            way = {"translation": "galilean(axis, velocity=...)", "rotation": "rotation(rate=...)"}[self.flow]
            return f"moves its memory with a flow, the problem declares no {way} among its symmetries"
        if self.fixed_grid and not sizes.grid:
            return "is made for one grid, the sizes name none"
        return None


@dataclass(frozen=True)
class Traits:
    """In what a network is unlike others; a class without the attribute ``traits`` has none of these.

    Args:
        ignores: inputs of ``forward`` that do not act on its output.
        residual: the last frame of x is added to its output, so that it is trained with ``predict="state"``.
        pointwise: without context frames, the output at a point follows from the coordinates there, so that any points
            can be asked for.
        batch_statistics: in training a sample depends on the others of its batch.
        recurrent: it carries a state from frame to frame: ``forward(..., frames=N)`` gives N frames from one context,
            and ``init_state``, ``step`` and ``predict`` go frame by frame. Trained with ``predict="state"``.
    """

    ignores: tuple[str, ...] = ()
    residual: bool = False
    pointwise: bool = False
    batch_statistics: bool = False
    recurrent: bool = False


def require_whole(name: str, value: object, least: int) -> None:
    """Raise an InputError unless ``value`` is a whole number of at least ``least``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}, not {value!r}.")


def _listed(numbers: Sequence[int]) -> str:
    return " or ".join(str(number) for number in numbers)
