"""Checks of what a problem says about the integrals of its conservation laws."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import sympy

from sciflow.problems.geometry import Box
from sciflow.testing import candidates
from sciflow.testing.report import Skip, Test, ensure

if TYPE_CHECKING:
    from sciflow.problems import Problem
    from sciflow.problems.physics import Conservation

_POINTS = {1: 100_000, 2: 400, 3: 60}  # along each axis, by their number
_CELLS = 5  # by how many cells times the largest density an integral may be off: a jump costs one of them
_MOMENTS = np.array([0.05, 0.31, 0.62, 0.97])  # of the time interval
_ZERO = 1e-9


def tests(problem: Problem) -> list[Test]:
    """Names and functions of the checks, for the laws that give a total."""
    laws = [law for law in problem.conserves if law.total is not None]
    checks: list[Test] = [(f"total: {law.name}", partial(_total, problem, law)) for law in laws]
    checks += [(f"inflow: {law.name}", partial(_inflow, problem, law)) for law in laws if law.inflow is not None]
    return checks


def _times(problem: Problem) -> np.ndarray:
    start, end = problem.time or (0.0, 1.0)
    return start + (end - start) * _MOMENTS if problem.t is not None else np.zeros(1)


def _known(problem: Problem, expression: sympy.Expr, values: candidates.Values) -> np.ndarray:
    """An expression of t and parameters at `_times`."""
    times = _times(problem)
    columns = np.zeros((len(times), len(problem.coordinates)))
    if problem.t is not None:
        columns[:, 0] = times
    return candidates.evaluate(problem, [expression], values, columns)[0]


def _total(problem: Problem, law: Conservation) -> str:
    """The total is the integral of the density of the exact solution (midpoint rule)."""
    fields = candidates.exact(problem)
    if fields is None:
        raise Skip("no exact solution is declared")
    if not isinstance(problem.domain, Box):
        raise Skip("the domain is no box")
    density = candidates.put_in(problem, fields, law.density)
    worst = 0.0
    for case in problem.sample(2, seed=1):
        count = _POINTS[len(problem.axes)]
        bounds = problem.bounds(case.values).values()
        lines = [low + (high - low) * (np.arange(count) + 0.5) / count for low, high in bounds]
        where = np.stack([axis.ravel() for axis in np.meshgrid(*lines, indexing="ij")], axis=1)
        volume = float(np.prod([high - low for low, high in bounds]))
        for time, expected in zip(_times(problem), _known(problem, law.total, case.values), strict=True):
            moment = [np.full((len(where), 1), time)] if problem.t is not None else []
            found = candidates.evaluate(problem, [density], case.values, np.concatenate([*moment, where], axis=1))[0]
            error = abs(float(found.mean()) * volume - float(expected))
            size = volume * float(np.abs(found).max()) or 1.0
            ensure(
                error < _CELLS / count * size,
                f"at time {time:g} it is {expected:g}, but the exact solution holds {found.mean() * volume:g}",
            )
            worst = max(worst, error / size)
    return f"off by at most {worst:.0e} of the largest density"


def _inflow(problem: Problem, law: Conservation) -> str:
    """The inflow is the rate of the total."""
    rate = sympy.Integer(0) if law.total is None or problem.t is None else law.total.diff(problem.t)
    for case in problem.sample(2, seed=1):
        found, expected = _known(problem, law.inflow, case.values), _known(problem, rate, case.values)
        size = float(np.abs(expected).max()) or 1.0
        error = float(np.abs(found - expected).max()) / size
        ensure(error < _ZERO, f"it differs from the rate of the total by {error:.1e} of its size")
    return "is the rate of the total"
