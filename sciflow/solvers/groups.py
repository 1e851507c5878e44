"""Solving cases that differ in their domains or in the times of their frames."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from sciflow.solvers.assemble import in_metres
from sciflow.solvers.base import same_bounds, times_by_case

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.problems import Case, Problem
    from sciflow.solvers.base import ReferenceSolver


def solve(solver: ReferenceSolver, cases: Sequence[Case], times: np.ndarray) -> xr.Dataset:
    """Solve cases whatever their domains and times.

    A solver that is `varied` gets them all; to others the cases go in groups of neighbours that share domain and times.

    Args:
        times: [T] or [case, T], in seconds.

    Returns:
        Data set as from `ReferenceSolver.run`. Where domains differ, the coordinates of the grid run from 0 to 1 and
        those in metres are ``x_of_case`` (case, x) and so on; differing times are ``time_of_case`` (case, time).
    """
    import xarray as xr

    rows = times_by_case(times, len(cases))
    shared_times = bool((rows == rows[0]).all())
    if solver.varied:
        return solver.run(cases, rows[0] if shared_times else rows)
    problem, parts = solver.problem, []
    keys = [(tuple(problem.bounds(case.parameters).items()), tuple(row)) for case, row in zip(cases, rows, strict=True)]
    for _, group in groupby(range(len(cases)), key=lambda index: keys[index]):
        chosen = list(group)
        part = solver.run([cases[index] for index in chosen], rows[chosen[0]])
        parts.append(part if shared_times else by_case_in_time(part))
    if not same_bounds(problem, cases):
        ends = iter(cases)
        parts = [by_case_in_space(part, problem, [next(ends) for _ in range(part.sizes["case"])]) for part in parts]
    return parts[0] if len(parts) == 1 else xr.concat(parts, "case", data_vars="minimal", join="exact")


def by_case_in_time(data: xr.Dataset) -> xr.Dataset:
    """The same data with the times of the frames as a coordinate of each case."""
    if "time" not in data.coords:
        return data
    times = data["time"]
    rows = np.tile(times.values, (data.sizes["case"], 1))
    return data.drop_vars("time").assign_coords(time_of_case=(("case", "time"), rows, times.attrs))


def by_case_in_space(data: xr.Dataset, problem: Problem, cases: Sequence[Case]) -> xr.Dataset:
    """The same data with reference coordinates from 0 to 1, and those in metres as coordinates of each case."""
    for axis in problem.axes:
        if f"{axis}_of_case" in data.coords:
            continue
        low, high = problem.bounds(cases[0].parameters)[axis]
        # Rounded, so that batches whose domains differ have the very same reference coordinates.
        points = np.round((data[axis].values - low) / (high - low), 12)
        attrs = {**data[axis].attrs, "units": "", "low": 0.0, "high": 1.0}
        ends = [problem.bounds(case.parameters)[axis] for case in cases]
        data = data.assign_coords({axis: (axis, points, attrs), f"{axis}_of_case": in_metres(axis, points, ends)})
    return data
