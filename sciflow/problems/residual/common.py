"""What all residual engines share: the compiled equations, the look-up of what they need, and data sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sciflow.core.errors import InputError
from sciflow.problems.compile import Compiled, Orders, compile_expressions

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.problems.problem import Problem


class Equations:
    """The compiled equations of a problem for one backend."""

    def __init__(self, problem: Problem, backend: str) -> None:
        self.problem = problem
        self.names = tuple(problem.equations)
        self.compiled: Compiled = compile_expressions(list(problem.equations.values()), problem.coordinates, backend)

    def evaluate(
        self,
        derivative: Callable[[str, Orders], Any],
        coordinates: Mapping[str, Any],
        parameters: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Residual by equation, from a function that gives derivatives and the arrays of the coordinates."""
        values = {**self.problem.values(parameters), **coordinates}
        arrays = [derivative(name, orders) for name, orders in self.compiled.derivatives]
        outputs = self.compiled.function(*arrays, *(values[name] for name in self.compiled.symbols))
        return dict(zip(self.names, outputs, strict=True))


def columns(problem: Problem, points: Any, output: Any) -> dict[str, int]:
    """Column of each field in the output, after checking the shapes of points and output."""
    names = [symbol.name for symbol in problem.coordinates]
    if points.ndim != 2 or points.shape[1] != len(names):
        raise InputError(
            f"Points of '{problem.name}' have shape [N, {len(names)}] for {names}, not {list(points.shape)}."
        )
    wanted = [info.name for info in (*problem.fields, *problem.inputs)]
    if output.ndim != 2 or output.shape[1] != len(wanted):
        raise InputError(
            f"The network of '{problem.name}' must give [N, {len(wanted)}] for the fields {wanted}, not "
            f"{list(output.shape)}."
        )
    return {name: column for column, name in enumerate(wanted)}


@dataclass(frozen=True)
class Data:
    """Arrays of a data set in float64: fields [B, T, *S], inputs [B, *S], times, axes and parameters [B]."""

    fields: dict[str, np.ndarray]
    times: np.ndarray | None
    axes: dict[str, np.ndarray]
    parameters: dict[str, np.ndarray]


def read(problem: Problem, needs: Sequence[Compiled], dataset: Any) -> Data:
    """What compiled expressions need, out of an xarray data set or an object whose ``.xarray`` is one."""
    data: xr.Dataset = getattr(dataset, "xarray", dataset)
    wanted = {name for compiled in needs for name, _ in compiled.derivatives}
    missing = sorted(wanted - set(data.data_vars))
    if missing:
        raise InputError(f"The residual of '{problem.name}' needs the variables {missing}, which the data set lacks.")
    infos = (*problem.parameters, *problem.coefficients)
    used = {name for compiled in needs for name in compiled.symbols}
    used &= {info.name for info in infos if info.low is not None}
    timed = ["time"] if problem.t is not None else []
    missing = sorted({*problem.axes, *timed, *used} - set(data.coords))
    if missing:
        raise InputError(f"The residual of '{problem.name}' needs the coordinates {missing}, which the data set lacks.")
    ragged = "length" in data.coords and "length" not in {info.name for info in infos}
    if ragged and int(data["length"].min()) < data.sizes.get("time", 1):
        raise InputError(
            f"The cases of this data set of '{problem.name}' have different lengths; cut them by isel(time=...) first."
        )
    inputs = {info.name for info in problem.inputs}
    space = tuple(reversed(problem.axes))
    times = data["time_of_case" if "time_of_case" in data.coords else "time"].values.astype(float) if timed else None
    return Data(
        {n: _stacked(data, n, ("case", *space) if n in inputs else ("case", "time", *space)) for n in sorted(wanted)},
        times,
        {axis: _shared(data[axis].values.astype(float)) for axis in problem.axes},
        {i.name: np.atleast_1d(data[i.name].values).astype(float) for i in infos if i.name in data.coords},
    )


def as_data_set(problem: Problem, arrays: Mapping[str, np.ndarray], dataset: Any) -> xr.Dataset:
    """Residuals as a data set with the coordinates of the one they came from.

    An array of [B, T, *S] lies on the grid; one with an axis less is called ``FIELD_at_SIDE`` and lies on that side.
    """
    import xarray as xr

    data: xr.Dataset = getattr(dataset, "xarray", dataset)
    grid = ("case", "time", *reversed(problem.axes))
    variables = {}
    for name, array in arrays.items():
        left_out = name[-2:-1] if array.ndim < len(grid) else ""
        variables[name] = (tuple(dim for dim in grid if dim != left_out), array)
    kept = {name: data[name] for name in ("case", "time", *problem.axes) if name in data.coords}
    return xr.Dataset(variables, coords=kept)


def _shared(points: np.ndarray) -> np.ndarray:
    """The row of points [n] that all cases share, where they are given by case [B, n]."""
    return points[0] if points.ndim == 2 and np.all(points == points[:1]) else points


def _stacked(data: xr.Dataset, name: str, dims: tuple[str, ...]) -> np.ndarray:
    array = data[name]
    for dim in dims:
        if dim not in array.dims:
            array = array.expand_dims(dim)
    return array.transpose(*dims).values.astype(np.float64)
