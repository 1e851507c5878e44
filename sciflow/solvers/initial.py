"""Initial fields and input fields of cases on a grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import sympy

from sciflow.core.errors import InputError, near
from sciflow.problems.compile import numeric
from sciflow.problems.distributions import Distribution
from sciflow.problems.profiles import PROFILES, Profile

if TYPE_CHECKING:
    from sciflow.problems import Case, Problem
    from sciflow.solvers.base import Grid

_INPUT_STREAM = 1000  # of the case's random numbers: input fields do not depend on how many fields evolve


def initial_fields(
    problem: Problem,
    cases: Sequence[Case],
    grid: Grid,
    time: float,
    given: Mapping[str, np.ndarray] | str | None = None,
) -> dict[str, np.ndarray]:
    """Start of every evolving field, [case, (z,) y, x] in float64.

    Args:
        given: arrays to take instead of the problem's own conditions (all fields or none; input fields may lie beside
            them), ``"exact"`` for its exact solution at `time`, or a name in `sciflow.problems.profiles.PROFILES` for
            that profile in the first evolving field and zero in the others.

    Raises:
        InputError: an array has the wrong shape or is not finite, or there is no exact solution.
    """
    if isinstance(given, Mapping):
        _require_known(problem, given)
        if any(name in problem.evolution for name in given):
            return _checked(problem, cases, grid, given)
        given = None
    if given not in (None, "exact", *PROFILES):
        raise InputError(f"initial is {given!r}; give arrays by field, 'exact', or one of {', '.join(PROFILES)}.")
    if given == "exact" and not problem.exact:
        raise InputError(f"Problem '{problem.name}' declares no exact solution to start from.")
    source: Mapping[str, Distribution | sympy.Expr] = problem.exact if given == "exact" else problem.initial
    if given in PROFILES:
        source = {next(iter(problem.evolution)): Profile(str(given))}
    out = {}
    for stream, name in enumerate(problem.evolution):
        value = source.get(name)
        fields = [
            np.zeros(grid.shape) if value is None else _one(problem, case, grid, time, value, stream) for case in cases
        ]
        out[name] = np.stack(fields)
    return out


def input_fields(
    problem: Problem, cases: Sequence[Case], grid: Grid, given: Mapping[str, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """Every input field, [case, (z,) y, x] in float64: as given, else drawn from the problem by the seed of each case.

    Args:
        given: arrays by name; evolving fields may lie beside the input fields.

    Raises:
        InputError: an array has an unknown name or the wrong shape, or is not finite.
    """
    _require_known(problem, given or {})
    out = {}
    for stream, (info, value) in enumerate(problem.inputs.items(), _INPUT_STREAM):
        if given and info.name in given:
            out[info.name] = _array(info.name, "input", given[info.name], (len(cases), *grid.shape))
        else:
            out[info.name] = np.stack([_one(problem, case, grid, 0.0, value, stream) for case in cases])
    return out


def _one(
    problem: Problem, case: Case, grid: Grid, time: float, value: Distribution | sympy.Expr, stream: int
) -> np.ndarray:
    if isinstance(value, Distribution):
        field = value.sample(case.rng(stream), grid.axes, problem.bounds(case.parameters), problem.periodic)
        return field.T  # sampled as (x, y, z), stored as (z, y, x)
    return on_grid(problem, value, case, grid, time)


def on_grid(
    problem: Problem,
    expression: sympy.Expr,
    case: Case,
    grid: Grid,
    time: float,
    fields: Mapping[str, np.ndarray] | None = None,
) -> np.ndarray:
    """An expression of coordinates, parameters and signals on the grid at one time, (z,) y, x.

    Args:
        fields: values (z,) y, x of the fields, such as inputs, that the expression may hold.
    """
    mesh = np.meshgrid(*reversed(grid.axes.values()), indexing="ij")
    points = dict(zip(reversed(grid.axes), mesh, strict=True))
    if problem.t is not None:
        points["t"] = np.full(grid.shape, time)
    values = {**problem.values(case.values), **points}
    expression = problem.drive(expression)
    # Always the same symbols, so that the expression is compiled once for all cases.
    known = {problem.field(name).symbol: sympy.Symbol(f"_{name}_", real=True) for name in fields or ()}
    symbols = sorted(expression.free_symbols, key=lambda symbol: symbol.name)
    function = numeric([*symbols, *known.values()], expression.xreplace(known))
    result = function(*(values[symbol.name] for symbol in symbols), *(fields or {}).values())
    return np.broadcast_to(np.asarray(result, dtype=np.float64), grid.shape).copy()


def _checked(
    problem: Problem, cases: Sequence[Case], grid: Grid, given: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    for name in problem.evolution:
        if name not in given:
            raise InputError(
                f"The initial fields of '{problem.name}' lack '{name}'; give all of {list(problem.evolution)}."
            )
    shape = (len(cases), *grid.shape)
    return {name: _array(name, "initial", given[name], shape) for name in problem.evolution}


def _require_known(problem: Problem, given: Mapping[str, np.ndarray]) -> None:
    known = [*problem.evolution, *(info.name for info in problem.inputs)]
    kind = " or ".join(kind for kind, there in (("evolving", problem.evolution), ("input", problem.inputs)) if there)
    for name in given:
        if name not in known:
            raise InputError(f"'{name}' is no {kind or 'evolving'} field of '{problem.name}'.{near(name, known)}")


def _array(name: str, kind: str, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != shape:
        raise InputError(f"The {kind} field '{name}' has shape {array.shape}; expected {shape} (case, then space).")
    if not np.all(np.isfinite(array)):
        raise InputError(f"The {kind} field '{name}' holds NaN or infinite values; give finite ones.")
    return array
