"""Candidate solutions for residuals: smooth fields that solve nothing, and exact solutions, as nets and as frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy

from sciflow.problems.compile import numeric

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.problems import Problem

Values = Mapping[str, float]


def symbols(problem: Problem) -> list[sympy.Symbol]:
    """Parameters and coefficients."""
    return [info.symbol for info in (*problem.parameters, *problem.coefficients)]


def bounds(problem: Problem, values: Values) -> dict[str, tuple[float, float]]:
    """Interval of every coordinate, time first."""
    time = {} if problem.t is None else {"t": problem.time or (0.0, 1.0)}
    return {**time, **problem.bounds(values)}


def points(problem: Problem, values: Values, count: int = 32) -> np.ndarray:
    """Random points [count, D] of the domain and its time interval."""
    rng = np.random.default_rng(0)
    inside = problem.domain.interior(count, rng, problem.values(values))
    if problem.t is None:
        return inside
    return np.concatenate([rng.uniform(*(problem.time or (0.0, 1.0)), (count, 1)), inside], axis=1)


def smooth(problem: Problem, values: Values) -> list[sympy.Expr]:
    """For each field and input a positive sum of waves of known derivatives, periodic along the space axes."""
    rng = np.random.default_rng(0)
    intervals = bounds(problem, values)
    out = []
    for info in (*problem.fields, *problem.inputs):
        waves: sympy.Expr = sympy.Integer(2)
        for _ in range(3):
            factors = []
            for symbol in info.symbol.args:
                low, high = intervals[symbol.name]
                turns = 1 if symbol == problem.t else int(rng.integers(1, 3))
                phase = round(float(rng.uniform(0, 6)), 3)
                factors.append(sympy.cos(2 * sympy.pi * turns * (symbol - low) / (high - low) + phase))
            waves += round(float(rng.uniform(0.1, 0.5)), 3) * sympy.Mul(*factors)
        out.append(waves)
    return out


def exact(problem: Problem) -> list[sympy.Expr] | None:
    """The exact solution by field (and input), or None if a field has none."""
    given = {**problem.exact, **{info.name: value for info, value in problem.inputs.items()}}
    names = [info.name for info in (*problem.fields, *problem.inputs)]
    if not problem.exact or not all(isinstance(given.get(name), sympy.Expr) for name in names):
        return None
    return [problem.drive(given[name]) for name in names]


def put_in(problem: Problem, fields: Sequence[sympy.Expr], expression: sympy.Expr) -> sympy.Expr:
    """The expression with fields and inputs replaced and all derivatives carried out."""
    known = dict(zip((info.symbol for info in (*problem.fields, *problem.inputs)), fields, strict=True))
    return expression.subs(known).doit()


def evaluate(problem: Problem, expressions: Sequence[sympy.Expr], values: Values, columns: np.ndarray) -> np.ndarray:
    """Values [expression, N] at points [N, D]."""
    function = numeric([*problem.coordinates, *symbols(problem)], list(expressions))
    given = problem.values(values)
    rows = function(*columns.T, *(given[symbol.name] for symbol in symbols(problem)))
    return np.stack([np.broadcast_to(np.asarray(row, dtype=float), len(columns)) for row in rows])


def magnitudes(problem: Problem, fields: Sequence[sympy.Expr], values: Values) -> dict[str, float]:
    """Largest term of each equation: what its residual is small against."""
    out = {}
    where = points(problem, values)
    for name, equation in problem.equations.items():
        terms = [put_in(problem, fields, term) for term in sympy.Add.make_args(sympy.expand(equation))]
        out[name] = float(np.abs(evaluate(problem, terms, values, where)).max()) or 1.0
    return out


def net(problem: Problem, fields: Sequence[sympy.Expr], values: Values, backend: str) -> Callable[[Any], Any]:
    """The fields as a function from points [N, D] to columns [N, F], in ``"torch"`` or ``"jax"``."""
    function = numeric([*problem.coordinates, *symbols(problem)], list(fields), backend)
    given = [problem.values(values)[symbol.name] for symbol in symbols(problem)]

    def columns(where: Any) -> Any:
        rows = [row + 0 * where[:, 0] for row in function(*where.T, *given)]
        if backend == "torch":
            import torch

            return torch.stack(rows, dim=1)
        import jax.numpy as jnp

        return jnp.stack(rows, axis=1)

    return columns


def frames(
    problem: Problem, fields: Sequence[sympy.Expr], values: Values, size: int, times: np.ndarray
) -> tuple[xr.Dataset, np.ndarray]:
    """The fields on a periodic grid as a data set of one case, and the points of that grid [time * space, D]."""
    import xarray as xr

    intervals = problem.bounds(values)
    axes = {axis: low + (high - low) * np.arange(size) / size for axis, (low, high) in intervals.items()}
    mesh = np.meshgrid(times, *(axes[axis] for axis in reversed(problem.axes)), indexing="ij")
    columns = [*([mesh[0]] if problem.t is not None else []), *reversed(mesh[1:])]
    where = np.stack([column.ravel() for column in columns], axis=1)
    rows = evaluate(problem, fields, values, where).reshape(len(fields), 1, *mesh[0].shape)
    dims = ("case", "time", *reversed(problem.axes))
    names = [info.name for info in (*problem.fields, *problem.inputs)]
    parameters = {name: ("case", [value]) for name, value in problem.values(values).items()}
    still = [info.name for info in problem.inputs]  # stored without time
    data = xr.Dataset(
        {
            n: (("case", *dims[2:]), row[:, 0]) if n in still else (dims, row)
            for n, row in zip(names, rows, strict=True)
        },
        coords={"time": times, **axes, **parameters},
    )
    return data, where
