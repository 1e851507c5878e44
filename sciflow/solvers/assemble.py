"""From a solver's arrays to a data set that carries parameters, signals, boundary values and metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy

from sciflow.problems.compile import numeric
from sciflow.problems.symbols import TIME
from sciflow.solvers.base import shared_bounds

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
        times: of the frames; [0.0] for a steady problem.
        inputs: input fields [case, (z,) y, x].
    """
    import xarray as xr

    dims = ("case", "time", *reversed(grid.axes))
    variables: dict[str, Any] = {}
    for info in problem.fields:
        if info.name in fields:
            scale = {"scale_coord": f"scale_{info.name}"} if problem.scales else {}
            attrs = {"units": info.unit or "", "long_name": info.long_name, "role": "field", **scale}
            variables[info.name] = (dims, np.asarray(fields[info.name]), attrs)
    for name, array in (inputs or {}).items():
        info = problem.field(name)
        attrs = {"units": info.unit or "", "long_name": info.long_name, "role": "input"}
        variables[name] = (("case", *reversed(grid.axes)), np.asarray(array), attrs)
    for signal in problem.signals:
        attrs = {"units": signal.unit or "", "long_name": signal.long_name, "role": "signal"}
        variables[signal.name] = (("case", "time"), in_time(problem, signal.expression, cases, times), attrs)
    variables.update(_boundary_values(problem, cases, times, fields))
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
    rows = [function(times, *(case.values[name] for name in names)) for case in cases]
    return np.stack([np.broadcast_to(np.asarray(row, dtype=np.float64), times.shape) for row in rows])


def _coordinates(
    problem: Problem, cases: Sequence[Case], times: np.ndarray, grid: Grid, fields: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    coordinates: dict[str, Any] = {"case": [case.index for case in cases]}
    coordinates["time"] = ("time", times, {"units": "s", "long_name": "time"})
    bounds = shared_bounds(problem, cases)
    for axis, points in reversed(grid.axes.items()):
        low, high = bounds[axis]
        coordinates[axis] = (axis, points, {"units": "m", "long_name": axis, "low": low, "high": high})
    for role, infos in (("parameter", problem.parameters), ("coefficient", problem.coefficients)):
        for info in infos:
            attrs: dict[str, Any] = {"role": role, "units": info.unit or "", "scale": info.scale}
            attrs |= {"long_name": info.description or info.name}
            if info.low is not None and info.high is not None:
                attrs |= {"low": info.low, "high": info.high}
            coordinates[info.name] = ("case", np.array([case.values[info.name] for case in cases]), attrs)
    coordinates["seed"] = ("case", np.array([case.seed for case in cases], dtype=np.int64))
    if problem.scales:
        for name in [*fields, *(["t"] if problem.t is not None else [])]:
            sizes = [problem.scale(name, case.values) for case in cases]
            coordinates[f"scale_{name}"] = ("case", np.array(sizes), {"role": "scale"})
    return coordinates


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
