"""From a solver's arrays to a data set that carries parameters, signals, boundary values and metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy

from sciflow.problems.compile import numeric
from sciflow.problems.symbols import TIME
from sciflow.solvers.base import common_bounds, same_bounds, times_by_case

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.problems import Case, Problem
    from sciflow.solvers.base import Grid


def assemble(
    problem: Problem,
    cases: Sequence[Case],
    times: np.ndarray,
    grid: Grid,
    fields: Mapping[str, np.ndarray],
    inputs: Mapping[str, np.ndarray] | None = None,
) -> xr.Dataset:
    """Data set from fields [case, time, (z,) y, x]; every coordinate and attribute comes from the problem.

    Args:
        times: of the frames, [T] or [case, T]; [0.0] for a steady problem.
        grid: of the frames; reference coordinates from 0 to 1 where the domain differs between cases.
        inputs: input fields [case, (z,) y, x].

    Cases with times of their own have the coordinate ``time_of_case``, cases with domains of their own ``x_of_case``
    and so on, in metres. A domain with an obstacle adds the mask; fields are 0 in solid cells.
    """
    import xarray as xr

    times = times_by_case(times, len(cases))
    dims = ("case", "time", *reversed(grid.axes))
    variables: dict[str, Any] = {}
    mask = fluid_mask(problem, cases, grid)
    for info in problem.fields:
        if info.name in fields:
            scale = {"scale_coord": f"scale_{info.name}"} if problem.scales else {}
            attrs = {"units": info.unit or "", "long_name": info.long_name, "role": "field", **scale}
            values = np.asarray(fields[info.name])
            values = values if mask is None else np.where(mask[:, None], values, 0)
            variables[info.name] = (dims, values, attrs)
    for name, array in (inputs or {}).items():
        info = problem.field(name)
        attrs = {"units": info.unit or "", "long_name": info.long_name, "role": "input"}
        variables[name] = (("case", *reversed(grid.axes)), np.asarray(array), attrs)
    for signal in problem.signals:
        attrs = {"units": signal.unit or "", "long_name": signal.long_name, "role": "signal"}
        variables[signal.name] = (("case", "time"), in_time(problem, signal.expression, cases, times), attrs)
    variables.update(_boundary_values(problem, cases, times, fields))
    if mask is not None:
        attrs = {"long_name": "true where there is fluid", "role": "mask"}
        variables["mask"] = (("case", *reversed(grid.axes)), mask, attrs)
    data = xr.Dataset(variables, coords=_coordinates(problem, cases, times, grid, fields))
    data.attrs.update(
        problem=problem.name, problem_hash=problem.hash, title=problem.title, grid=grid.kind,
        periodic=",".join(problem.periodic), schema="sciflow-1",
    )  # fmt: skip
    if problem.scales and problem.t is not None:
        data.attrs["time_scale_coord"] = "scale_t"
    return data


def in_time(problem: Problem, expression: sympy.Expr, cases: Sequence[Case], times: np.ndarray) -> np.ndarray:
    """[case, time] values of an expression of t, parameters and coefficients."""
    names = [info.name for info in (*problem.parameters, *problem.coefficients)]
    symbols = [info.symbol for info in (*problem.parameters, *problem.coefficients)]
    time = sympy.Symbol(TIME, real=True)  # a steady problem has no coordinate of this name
    function = numeric([time, *symbols], problem.drive(expression))
    given = zip(times_by_case(times, len(cases)), cases, strict=True)
    rows = [function(row, *(case.values[name] for name in names)) for row, case in given]
    return np.stack([np.broadcast_to(np.asarray(row, dtype=np.float64), times.shape[-1:]) for row in rows])


def fluid_mask(problem: Problem, cases: Sequence[Case], grid: Grid) -> np.ndarray | None:
    """True where the point of the grid lies in the fluid, [case, (z,) y, x]; None for a domain without obstacles."""
    from sciflow.problems import Box

    if isinstance(problem.domain, Box):
        return None
    reference = not same_bounds(problem, cases)
    masks = []
    for case in cases:
        axes = [
            low + (high - low) * points if reference else points
            for (low, high), points in zip(problem.bounds(case.parameters).values(), grid.axes.values(), strict=True)
        ]
        mesh = np.meshgrid(*reversed(axes), indexing="ij")[::-1]
        inside = problem.domain.inside(np.stack([part.ravel() for part in mesh], axis=1), problem.values(case.values))
        masks.append(inside.reshape(mesh[0].shape))
    return np.stack(masks)


def _coordinates(
    problem: Problem, cases: Sequence[Case], times: np.ndarray, grid: Grid, fields: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    coordinates: dict[str, Any] = {"case": [case.index for case in cases], **_times(times)}
    bounds, reference = common_bounds(problem, cases), not same_bounds(problem, cases)
    for axis, points in reversed(grid.axes.items()):
        low, high = bounds[axis]
        attrs: dict[str, Any] = {"units": "" if reference else "m", "long_name": axis, "low": low, "high": high}
        coordinates[axis] = (axis, points, attrs)
        if reference:
            ends = [problem.bounds(case.parameters)[axis] for case in cases]
            coordinates[f"{axis}_of_case"] = in_metres(axis, points, ends)
    for role, infos in (("parameter", problem.parameters), ("coefficient", problem.coefficients)):
        for info in infos:
            attrs = {"role": role, "units": info.unit or "", "scale": info.scale}
            attrs |= {"long_name": info.description or info.name}
            if info.low is not None and info.high is not None:
                attrs |= {"low": info.low, "high": info.high}
            attrs |= {"hidden": 1} if info.hidden else {}
            coordinates[info.name] = ("case", np.array([case.values[info.name] for case in cases]), attrs)
    for name in problem.numbers:
        values = np.array([problem.number(name, case.values) for case in cases])
        coordinates[name] = ("case", values, {"role": "number", "units": "", "long_name": name})
    if any(case.subset for case in cases):
        coordinates["subset"] = _subset(problem, cases)
    coordinates["seed"] = ("case", np.array([case.seed for case in cases], dtype=np.int64))
    if problem.scales:
        for name in [*fields, *(["t"] if problem.t is not None else [])]:
            sizes = [problem.scale(name, case.values) for case in cases]
            coordinates[f"scale_{name}"] = ("case", np.array(sizes), {"role": "scale"})
    return coordinates


def in_metres(axis: str, points: np.ndarray, ends: Sequence[tuple[float, float]]) -> Any:
    """Coordinate (case, axis) in metres of reference points from 0 to 1, for the bounds of each case."""
    values = np.stack([low + (high - low) * points for low, high in ends])
    return (("case", axis), values, {"units": "m", "long_name": axis})


def _times(times: np.ndarray) -> dict[str, Any]:
    """The times of the frames [case, T]: shared where they are equal."""
    attrs = {"units": "s", "long_name": "time"}
    if (times == times[0]).all():
        return {"time": ("time", times[0], attrs)}
    return {"time_of_case": (("case", "time"), times, attrs)}


def _subset(problem: Problem, cases: Sequence[Case]) -> Any:
    """From which of the problem's lists each case is, as numbers with the names beside them (CF flags)."""
    names = list(problem.subsets)
    attrs = {"flag_values": np.arange(len(names), dtype=np.int8), "flag_meanings": " ".join(names)}
    return ("case", np.array([names.index(case.subset) for case in cases], dtype=np.int8), attrs)


def _boundary_values(
    problem: Problem, cases: Sequence[Case], times: np.ndarray, fields: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Dirichlet values other than 0, uniform on a side, that a cell-centred grid does not hold: ``u_at_y_plus``."""
    from sciflow.problems import Dirichlet

    space = set(problem.space)
    out: dict[str, Any] = {}
    for name, sides in problem.boundary.items():
        for side, condition in sides.items():
            known = name in fields and isinstance(condition, Dirichlet) and len(condition.value) == 1
            if not known or condition.value[0] == 0 or condition.value[0].free_symbols & space:
                continue
            label = f"{name}_at_{side.replace('+', '_plus').replace('-', '_minus')}"
            attrs = {"units": problem.field(name).unit or "", "long_name": f"{name} on {side}", "role": "boundary"}
            out[label] = (("case", "time"), in_time(problem, condition.value[0], cases, times), attrs)
    return out
