"""One layer of cells that hold the prescribed boundary values, added around a cell-centred data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import sympy
import xarray as xr

from sciflow.core.errors import InputError
from sciflow.data.grid import bounds
from sciflow.data.schema import case_times, space_of, with_role

if TYPE_CHECKING:
    from sciflow.problems import Problem


def pad(dataset: xr.Dataset, problem: Problem) -> xr.Dataset:
    """A data set with a layer of known cells on every side where the whole velocity is prescribed.

    On each such side of the box (Dirichlet or no slip for all velocity components; for a problem without a velocity,
    for all its fields) one layer of cells is added, first on the x sides, then on the y sides over the full width, so
    that corners belong to the y sides, then on the z sides. A field that is prescribed there holds the value of its
    condition at the middle of the cell's face, in each case and frame; every other variable, such as the pressure,
    repeats the neighbouring cell. The cells are True in ``mask`` and ``known``, whose attribute ``fields`` names the
    fields that are prescribed on all of these sides: they are put into every step of a forecast, the others are learned
    and forecast in the layer as everywhere else. No cell of the layer is scored.

    Coordinates continue with the spacing of their last cells. The bounds of the domain stay (attributes ``low`` and
    ``high``), so that coordinates relative to it go from slightly below 0 to slightly above 1.

    Args:
        dataset: cases as a solver gives them, with the parameters of the problem as coordinates.
        problem: with its boundary conditions.

    Raises:
        InputError: the grid is not of cells, cells are known already, a parameter is missing, or no side is prescribed.

    Example:
        A cavity of 64 x 64 cells becomes 66 x 66; a channel with a velocity inlet, two walls and an open outlet becomes
        66 x 65 (rows x columns).
    """
    if dataset.attrs.get("grid") != "cells":
        raise InputError("Padding needs a grid of cells; nodes at the ends of an axis hold boundary values already.")
    if "known" in dataset.variables:
        raise InputError("The data set has known cells already; pad the data as the solver gives them, once.")
    sides = _sides(problem)
    if not sides:
        raise InputError(f"The problem '{problem.name}' prescribes its fields on no side; leave the padding out.")
    fields = [info.name for info in problem.fields if info.name in with_role(dataset, "field")]
    always = [name for name in fields if all(_prescribed(problem, name, side) is not None for side in sides)]
    domain = {axis: bounds(dataset, axis) for axis in space_of(dataset)}
    cells = np.zeros([dataset.sizes[axis] for axis in domain], bool)
    attrs = {"role": "known", "long_name": "true where boundary data are given", "fields": ",".join(always)}
    padded = dataset.assign(known=(tuple(domain), cells, attrs))
    for side in sides:
        padded = _with_layer(padded, side)
        for name in fields:
            expression = _prescribed(problem, name, side)
            if expression is not None:
                index = tuple(_edge(side) if axis == side[0] else slice(None) for axis in padded[name].dims)
                padded[name].values[index] = _on_face(problem, expression, padded, side)
    inside = {axis: {**padded[axis].attrs, "low": low, "high": high} for axis, (low, high) in domain.items()}
    return padded.assign_coords({axis: (axis, padded[axis].values, attrs) for axis, attrs in inside.items()})


def _sides(problem: Problem) -> list[str]:
    """Sides of the box on which all velocity components (or all fields) are prescribed, in the order of the axes."""
    carried = [info.name for info in problem.fields if info.vector] or [info.name for info in problem.fields]
    ends = [axis + sign for axis in problem.axes if axis not in problem.periodic for sign in "-+"]
    return [side for side in ends if all(_prescribed(problem, name, side) is not None for name in carried)]


def _prescribed(problem: Problem, name: str, side: str) -> sympy.Expr | None:
    """The value of a field on a side, an expression of t, space, parameters and signals; None if it is not given."""
    from sciflow.problems import Dirichlet

    condition = problem.boundary.get(name, {}).get(side)
    return condition.value[0] if isinstance(condition, Dirichlet) else None


def _edge(side: str) -> int:
    return 0 if side.endswith("-") else -1


def _with_layer(data: xr.Dataset, side: str) -> xr.Dataset:
    """One more cell on a side: a copy of its neighbour, known and fluid."""
    axis, edge = side[0], _edge(side)
    count = data.sizes[axis]
    places = [0, *range(count)] if edge == 0 else [*range(count), count - 1]
    grown = data.isel({axis: places})  # new arrays along the axis, which may be written to
    for name in (axis, f"{axis}_of_case"):
        if name in data.coords:
            values = np.asarray(data[name].values, np.float64)
            low, high = 2 * values[..., :1] - values[..., 1:2], 2 * values[..., -1:] - values[..., -2:-1]
            joined = np.concatenate([low, values] if edge == 0 else [values, high], axis=-1)
            grown = grown.assign_coords({name: (data[name].dims, joined, dict(data[name].attrs))})
    for name in ("mask", "known"):
        if name in data:
            grown[name].values[tuple(edge if dim == axis else slice(None) for dim in data[name].dims)] = True
    return grown


def _on_face(problem: Problem, expression: sympy.Expr, data: xr.Dataset, side: str) -> np.ndarray:
    """Values [case, time, \\*face] of an expression at the middle of the faces of a side, in tensor order."""
    from sciflow.problems.compile import numeric
    from sciflow.problems.symbols import TIME

    infos = [*problem.parameters, *problem.coefficients]
    missing = [info.name for info in infos if info.name not in data.coords]
    if missing:
        raise InputError(f"Padding '{problem.name}' needs the parameter '{missing[0]}' of each case as a coordinate.")
    time = sympy.Symbol(TIME, real=True)  # a steady problem has no coordinate of this name
    function = numeric([time, *problem.space, *(info.symbol for info in infos)], problem.drive(expression))
    axes = [axis for axis in space_of(data) if axis != side[0]]
    shape = (data.sizes["time"], *(data.sizes[axis] for axis in axes))
    frames = []
    for case, times in enumerate(case_times(data)):
        values = {info.name: float(data[info.name].values[case]) for info in infos}
        ends = problem.bounds({info.name: values[info.name] for info in problem.parameters})
        places: dict[str, Any] = {side[0]: ends[side[0]][0 if side.endswith("-") else 1]}
        for position, axis in enumerate(axes):
            # Cells of the layers before lie outside the domain; there the condition is that at its corner.
            points = np.clip(_metres(data, axis, case), *ends[axis])
            places[axis] = points.reshape([-1 if index == position else 1 for index in range(len(axes))])
        moments = times.reshape(-1, *[1] * len(axes))
        found = function(moments, *(places[symbol.name] for symbol in problem.space), *values.values())
        frames.append(np.broadcast_to(np.asarray(found, np.float64), shape))
    return np.stack(frames)


def _metres(data: xr.Dataset, axis: str, case: int) -> np.ndarray:
    """Positions along an axis in one case, in metres where the domain differs by case."""
    own = f"{axis}_of_case"
    return np.asarray(data[own].values[case] if own in data.coords else data[axis].values, np.float64)
