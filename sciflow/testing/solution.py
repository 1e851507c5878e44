"""Checks of a problem's solution by its reference solver, on a coarse grid and over a short time."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
import sympy
from sympy.core.function import AppliedUndef

from sciflow.core.errors import InputError
from sciflow.problems.compile import numeric
from sciflow.problems.special import positive_power
from sciflow.testing import candidates, jets
from sciflow.testing.report import Skip, Test, ensure

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.problems import Problem
    from sciflow.problems.physics import Conservation

_COARSE = {1: 64, 2: 24, 3: 12}  # points along each axis, by the number of axes
_FINE = {1: 256, 2: 48, 3: 24}
_STEADY = {1: 1024, 2: 256}  # one solve of second order, which needs more points than a spectral one
_SHARE = 0.05  # of the declared time interval
_EXACT = 1e-3
_KINKS = (sympy.Piecewise, sympy.Max, sympy.Min, sympy.Abs, sympy.Heaviside, positive_power)
_EXACT_WITH_JUMPS = 2e-2  # of mean absolute values: a captured jump costs two or three cells
_CONSERVED = 1e-10


def tests(problem: Problem) -> list[Test]:
    """Names and functions of the checks."""
    coarse = cache(partial(_solve, problem, _COARSE))
    return [
        ("reference solver", partial(_finite, problem, coarse)),
        ("solver against the exact solution", partial(_exact, problem)),
        ("solver conserves", partial(_conserved, problem, coarse)),
    ]


def _solve(problem: Problem, sizes: dict[int, int], initial: str | None = None) -> xr.Dataset:
    from sciflow.solvers import choose, simulate

    if problem.solver is None:
        try:
            choose(problem)
        except InputError as error:
            raise Skip(str(error)) from error
    start, end = problem.time or (0.0, 1.0)
    times = None if problem.t is None else start + (end - start) * _SHARE * np.linspace(0, 1, 3)
    case = problem.sample(1, seed=1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*under-resolved")  # a coarse grid is meant here
        return simulate(problem, cases=case, resolution=sizes[len(problem.axes)], times=times, initial=initial)


def _finite(problem: Problem, solve: Callable[[], xr.Dataset]) -> str:
    data = solve()
    for name in problem.evolution or [info.name for info in problem.fields]:
        ensure(name in data, f"the solution lacks '{name}'")
        ensure(
            data[name].dims == ("case", "time", *reversed(problem.axes)), f"'{name}' has dimensions {data[name].dims}"
        )
        ensure(bool(np.isfinite(data[name]).all()), f"'{name}' holds NaN or infinity")
    ensure(data.attrs.get("problem_hash") == problem.hash, "the solution is not labelled with the problem's hash")
    return f"finite on {' x '.join(str(data.sizes[axis]) for axis in problem.axes)}"


def _exact(problem: Problem) -> str:
    if not problem.exact:
        raise Skip("no exact solution is declared")
    data = _solve(problem, _FINE if problem.t is not None else _STEADY, "exact")
    values = {name: float(data[name][0]) for name in problem.values()}
    last = data.isel(case=0, time=-1)
    mesh = np.meshgrid(*(data[axis].values for axis in reversed(problem.axes)), indexing="ij")
    moment = [] if problem.t is None else [np.full(mesh[0].size, float(last["time"]))]
    where = np.stack([*moment, *(m.ravel() for m in reversed(mesh))], axis=1)
    worst = 0.0
    for name, solution in problem.exact.items():
        if name not in data:
            continue
        expected = candidates.evaluate(problem, [problem.drive(solution)], values, where).reshape(last[name].shape)
        found = last[name].transpose(*reversed(problem.axes)).values
        error, allowed = float(np.linalg.norm(found - expected) / np.linalg.norm(expected)), _EXACT
        if error >= allowed and solution.has(*_KINKS):
            error, allowed = float(np.abs(found - expected).sum() / np.abs(expected).sum()), _EXACT_WITH_JUMPS
        ensure(error < allowed, f"'{name}' is {error:.1e} off the exact solution, which the equations may not have")
        worst = max(worst, error)
    return f"relative error {worst:.0e}"


def _conserved(problem: Problem, solve: Callable[[], xr.Dataset]) -> str:
    if set(problem.periodic) != set(problem.axes) or not problem.equations:
        raise Skip("not all axes are periodic")
    laws = [law for law in problem.conserves if _is_linear(law)]
    if not laws:
        raise Skip("no law with a linear density is declared")
    data = solve()
    drifts = {}
    for law in laws:
        density = _density(problem, law, data)
        integral = density.mean(axis=tuple(range(1, density.ndim)))
        drifts[law.name] = float(np.abs(integral - integral[0]).max() / max(float(np.abs(density).max()), 1e-300))
        ensure(
            drifts[law.name] < _CONSERVED, f"the mean of '{law.name}' drifts by {drifts[law.name]:.1e} of its density"
        )
    return ", ".join(f"{name} to {drift:.0e}" for name, drift in drifts.items())


def _is_linear(law: Conservation) -> bool:
    """Linear in fields that are not differentiated: only then a spectral solver keeps the mean to rounding."""
    if law.density.atoms(sympy.Derivative):
        return False
    dummies = {call: sympy.Dummy(real=True) for call in law.density.atoms(AppliedUndef)}
    density = law.density.xreplace(dummies)
    return bool(dummies) and all(density.diff(a, b) == 0 for a in dummies.values() for b in dummies.values())


def _density(problem: Problem, law: Conservation, data: xr.Dataset) -> np.ndarray:
    """[time, *space] of a density without derivatives."""
    calls = list(jets.jets(law.density))
    symbols = sorted(law.density.free_symbols, key=lambda symbol: symbol.name)
    dims = ("time", *reversed(problem.axes))
    arrays = [data[call.func.__name__].isel(case=0).transpose(*dims).values for call in calls]
    grids = dict(zip(dims, np.meshgrid(*(data[d].values for d in dims), indexing="ij", sparse=True), strict=True))
    grids["t"] = grids.pop("time")
    given = {**{name: float(data[name][0]) for name in problem.values()}, **grids}
    result = numeric([*calls, *symbols], law.density)(*arrays, *(given[symbol.name] for symbol in symbols))
    return np.broadcast_to(result, arrays[0].shape)
