"""Initial fields of cases on a grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sciflow.core.errors import InputError, near
from sciflow.problems.compile import numeric
from sciflow.problems.distributions import Distribution

if TYPE_CHECKING:
    import sympy

    from sciflow.problems import Case, Problem
    from sciflow.solvers.base import Grid


def initial_fields(
    problem: Problem,
    cases: Sequence[Case],
    grid: Grid,
    time: float,
    given: Mapping[str, np.ndarray] | str | None = None,
) -> dict[str, np.ndarray]:
    """Start of every evolving field, [case, (z,) y, x] in float64.

    Args:
        given: arrays to take instead of the problem's own conditions, or ``"exact"`` for its exact solution at `time`.

    Raises:
        InputError: an array has the wrong shape or is not finite, or there is no exact solution.
    """
    if isinstance(given, Mapping):
        return _checked(problem, cases, grid, given)
    if given not in (None, "exact"):
        raise InputError(f"initial is {given!r}; give arrays by field, 'exact', or nothing.")
    if given == "exact" and not problem.exact:
        raise InputError(f"Problem '{problem.name}' declares no exact solution to start from.")
    source = problem.exact if given == "exact" else problem.initial
    out = {}
    for stream, name in enumerate(problem.evolution):
        value = source.get(name)
        fields = [
            np.zeros(grid.shape) if value is None else _one(problem, case, grid, time, value, stream) for case in cases
        ]
        out[name] = np.stack(fields)
    return out


def _one(
    problem: Problem, case: Case, grid: Grid, time: float, value: Distribution | sympy.Expr, stream: int
) -> np.ndarray:
    if isinstance(value, Distribution):
        field = value.sample(case.rng(stream), grid.axes, problem.bounds(case.parameters), problem.periodic)
        return field.T  # sampled as (x, y, z), stored as (z, y, x)
    return on_grid(problem, value, case, grid, time)


def on_grid(problem: Problem, expression: sympy.Expr, case: Case, grid: Grid, time: float) -> np.ndarray:
    """An expression of coordinates, parameters and signals on the grid at one time, (z,) y, x."""
    mesh = np.meshgrid(*reversed(grid.axes.values()), indexing="ij")
    points = dict(zip(reversed(grid.axes), mesh, strict=True))
    if problem.t is not None:
        points["t"] = np.full(grid.shape, time)
    values = {**problem.values(case.values), **points}
    expression = problem.drive(expression)
    symbols = sorted(expression.free_symbols, key=lambda symbol: symbol.name)
    result = numeric(symbols, expression)(*(values[symbol.name] for symbol in symbols))
    return np.broadcast_to(np.asarray(result, dtype=np.float64), grid.shape).copy()


def _checked(
    problem: Problem, cases: Sequence[Case], grid: Grid, given: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    shape = (len(cases), *grid.shape)
    out = {}
    for name in given:
        if name not in problem.evolution:
            raise InputError(f"'{name}' is no evolving field of '{problem.name}'.{near(name, problem.evolution)}")
    for name in problem.evolution:
        if name not in given:
            raise InputError(
                f"The initial fields of '{problem.name}' lack '{name}'; give all of {list(problem.evolution)}."
            )
        array = np.asarray(given[name], dtype=np.float64)
        if array.shape != shape:
            raise InputError(
                f"The initial field '{name}' has shape {array.shape}; expected {shape} (case, then space)."
            )
        if not np.all(np.isfinite(array)):
            raise InputError(f"The initial field '{name}' holds NaN or infinite values; start from finite ones.")
        out[name] = array
    return out
