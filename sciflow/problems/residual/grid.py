"""What the residuals on a grid share: one class that takes data sets and tensors, and the frames it works on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from torch import Tensor

from sciflow.core.errors import InputError
from sciflow.problems.compile import Compiled
from sciflow.problems.geometry import Box
from sciflow.problems.residual.common import as_data_set, read

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.problems.problem import Problem

_NEAR = 1e-5  # a point this close to a side, in units of the axis, lies on it: coordinates may be stored in float32


@final
@dataclass(frozen=True)
class Frames:
    """Checked values on a grid.

    Attributes:
        fields: fields [B, T, *S] and inputs [B, 1, *S] by name, *S being ([z,] y, x).
        times: [T] or [B, T], None for a steady problem.
        axes: points along each axis in float64, those on a side exactly there.
        bounds: ends of each axis.
        parameters: what was given, as [B, 1, ...] or numbers.
        cases: the values of the parameters as plain numbers, by case (one entry if none differs).
        positions: coordinates as tensors that broadcast against the fields.
    """

    fields: dict[str, Tensor]
    times: np.ndarray | None
    axes: dict[str, np.ndarray]
    bounds: dict[str, tuple[float, float]]
    parameters: dict[str, Any]
    cases: list[dict[str, float]]
    positions: dict[str, Tensor]

    @property
    def like(self) -> Tensor:
        """A field, for its data type and device."""
        return next(iter(self.fields.values()))

    def dim(self, axis: str) -> int:
        """The dimension of an axis in [B, T, *S]."""
        return 1 + len(self.axes) - list(self.axes).index(axis)

    def tensor(self, values: Any) -> Tensor:
        """Numbers in the data type and on the device of the fields."""
        return torch.tensor(np.asarray(values), dtype=self.like.dtype, device=self.like.device)

    def along(self, values: Any, axis: str) -> Tensor:
        """Numbers [n] that broadcast along an axis."""
        shape = [1] * (2 + len(self.axes))
        shape[self.dim(axis)] = -1
        return self.tensor(values).reshape(shape)

    def call(self, compiled: Compiled, arrays: Iterable[Tensor], defaults: Mapping[str, Any], **at: Tensor) -> list:
        """Evaluate compiled expressions with these derivatives, `at` replacing coordinates."""
        values = {**defaults, **self.parameters, **self.positions, **at}
        return compiled.function(*arrays, *(values[name] for name in compiled.symbols))


class GridResidual(ABC):
    """Residual of every equation on the grid of frames, as a data set or as tensors.

    ``residual(dataset)``: an xarray data set with dimensions (case, time, *space), or an object whose ``.xarray`` is
    one; computed in float64; gives a data set of the same dimensions. Inputs are variables (case, *space); a steady
    problem may have one frame or no time at all. ``residual.tensors(...)`` is differentiable.

    Raises:
        InputError: the domain is no box, or the data set lacks a variable or coordinate, or has cases of different
            length.
    """

    def __init__(self, problem: Problem) -> None:
        if not isinstance(problem.domain, Box):
            raise InputError(
                f"The grid residuals of '{problem.name}' need a box; its domain has an obstacle: use 'torch' or 'jax'."
            )
        self._problem = problem

    @property
    @abstractmethod
    def needs(self) -> tuple[Compiled, ...]:
        """All compiled expressions that are evaluated: what fields and parameters are needed."""

    @abstractmethod
    def evaluate(self, frames: Frames) -> dict[str, Tensor]:
        """The residuals of checked frames."""

    def __call__(self, dataset: Any) -> xr.Dataset:
        data = read(self._problem, self.needs, dataset)
        to = {name: torch.as_tensor(array) for name, array in data.fields.items()}
        inputs = {info.name: to.pop(info.name) for info in self._problem.inputs if info.name in to}
        parameters = {name: torch.as_tensor(values) for name, values in data.parameters.items()}
        self._check_kind(getattr(dataset, "xarray", dataset).attrs.get("grid"), data.axes, parameters)
        with torch.no_grad():
            residuals = self.tensors(to, data.times, data.axes, parameters, inputs)
        return as_data_set(self._problem, {name: value.numpy() for name, value in residuals.items()}, dataset)

    @final
    def tensors(
        self,
        fields: Mapping[str, Tensor],
        times: Any,
        axes: Mapping[str, Any],
        parameters: Mapping[str, Tensor | float] | None = None,
        inputs: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """The residuals, differentiable in fields, inputs and parameters; in the data type and on the device of fields.

        Args:
            fields: [B, T, *S] by name, *S being ([z,] y, x); steady ones have T = 1.
            times: [T] or [B, T]; None for a steady problem.
            axes: points [n] by axis; all cases share them.
            parameters: numbers or tensors [B] by name, signal coefficients too; defaults elsewhere. What shapes the
                domain or is a factor in a Robin condition is used as a number: no gradient reaches it through those.
            inputs: [B, *S] by name.

        Returns:
            {equation: [B, T, *S]}; rows of boundary conditions lack the axis that their side ends.
        """
        frames = self._frames(fields, times, axes, parameters or {}, inputs or {})
        shape = torch.broadcast_shapes(*(array.shape for array in frames.fields.values()))
        out = self.evaluate(frames)
        for name, value in out.items():
            if value.ndim in (0, len(shape)):  # the rows of a side keep theirs
                out[name] = value.broadcast_to(torch.broadcast_shapes(value.shape, shape))
        return out

    def _check_kind(self, kind: str | None, axes: Mapping[str, np.ndarray], parameters: Mapping[str, Any]) -> None:
        """Refuse points that contradict the data set's word on nodes or cells."""
        bounds = _bounds(self._problem, _parameters(self._problem, parameters, 1)[1])
        for axis in (name for name in axes if kind and name not in self._problem.periodic):
            points, ends = _snapped(axes[axis], *bounds[axis]), bounds[axis]
            for sign, index, end in (("-", 0, ends[0]), ("+", -1, ends[1])):
                if (points[index] == end) != (kind == "nodes"):
                    found = "a point lies" if kind == "cells" else "no point lies"
                    raise InputError(
                        f"The data set says that its grid is '{kind}', but {found} on the side '{axis}{sign}' of "
                        f"'{self._problem.name}'; correct the attribute 'grid' or the points."
                    )

    def _frames(self, fields: Any, times: Any, axes: Any, parameters: Any, inputs: Any) -> Frames:
        problem = self._problem
        points = {axis: _array(axes[axis]) for axis in problem.axes if axis in axes}
        _require(problem, "axes", problem.axes, points)
        shape = tuple(len(points[axis]) for axis in reversed(problem.axes))
        used = {name for compiled in self.needs for name, _ in compiled.derivatives}
        given = {**fields, **{name: value.unsqueeze(1) for name, value in inputs.items()}}
        _require(problem, "fields or inputs", sorted(used), given)
        if problem.t is not None and times is None:
            raise InputError(f"The residual of '{problem.name}' needs the times of the frames, [T] or [B, T].")
        instants = None if problem.t is None else _array(times)
        for name in used:
            found = tuple(given[name].shape)
            if found[2:] != shape or (name in fields and instants is not None and found[1] != instants.shape[-1]):
                raise InputError(
                    f"Field '{name}' of '{problem.name}' has shape {list(found)}; expected [B, T, *S] with *S = "
                    f"{list(shape)}" + (f" and T = {instants.shape[-1]}." if instants is not None else ".")
                )
        like = next(iter(fields.values()))
        shaped, cases = _parameters(problem, parameters, 2 + len(shape))
        bounds = _bounds(problem, cases)
        points = {axis: _snapped(points[axis], *bounds[axis]) for axis in points}
        # Fields before inputs, which have one frame.
        ordered = {name: given[name] for name in given if name in used}
        ordered = ordered if used & set(fields) else {"": like, **ordered}
        frames = Frames(ordered, instants, points, bounds, shaped, cases, {})
        positions = {axis: frames.along(points[axis], axis) for axis in points}
        if instants is not None:
            positions["t"] = frames.tensor(np.atleast_2d(instants)).reshape(-1, instants.shape[-1], *[1] * len(shape))
        return Frames(frames.fields, instants, points, bounds, shaped, cases, positions)


def _require(problem: Problem, what: str, wanted: Iterable[str], given: Mapping[str, Any]) -> None:
    missing = [name for name in wanted if name not in given]
    if missing:
        raise InputError(f"The residual of '{problem.name}' needs the {what} {missing}, which were not given.")


def _array(values: Any) -> np.ndarray:
    return np.asarray(values.detach().cpu() if torch.is_tensor(values) else values, dtype=np.float64)


def _parameters(problem: Problem, given: Mapping[str, Any], dims: int) -> tuple[dict[str, Any], list[dict[str, float]]]:
    problem.values(given)  # refuses unknown names
    tensors = {name: value for name, value in given.items() if torch.is_tensor(value) and value.ndim}
    numbers = {name: float(_array(value)) for name, value in given.items() if name not in tensors}
    shaped = {name: tensors[name].reshape(-1, *[1] * (dims - 1)) if name in tensors else given[name] for name in given}
    rows = zip(*(_array(value) for value in tensors.values()), strict=True) if tensors else [()]
    return shaped, [{**numbers, **dict(zip(tensors, map(float, row), strict=True))} for row in rows]


def _bounds(problem: Problem, cases: list[dict[str, float]]) -> dict[str, tuple[float, float]]:
    box = problem.domain
    assert isinstance(box, Box)
    names = {symbol.name for _, *ends in box.bounds for end in ends for symbol in end.free_symbols}
    distinct = {tuple(case.get(name) for name in names): case for case in cases}
    found = [problem.bounds(case) for case in distinct.values()]
    if any(other != found[0] for other in found):
        raise InputError(
            f"The cases of '{problem.name}' have domains of different size; take the residual of one size at a time."
        )
    return found[0]


def _snapped(points: np.ndarray, low: float, high: float) -> np.ndarray:
    points, slack = points.copy(), _NEAR * (high - low)
    if points.ndim != 1 or len(points) < 2 or np.any(np.diff(points) <= 0):
        raise InputError("The points of an axis must be a row of at least two increasing numbers that all cases share.")
    points[np.abs(points - low) < slack] = low
    points[np.abs(points - high) < slack] = high
    return points
