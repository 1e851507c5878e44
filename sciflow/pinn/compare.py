"""Errors of physics-informed solutions against the reference solver."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.pinn.solution import Solution


def errors(solution: Solution, data: xr.Dataset) -> dict[str, float]:
    r"""Relative :math:`L^2` error of each field, :math:`\|u - u_{ref}\| / \|u_{ref}\|`, on the same grid and times.

    Args:
        data: the solution on a grid, as from `Solution.dataset`.
    """
    from sciflow.solvers import simulate

    times = data["time"].values
    shape = tuple(data.sizes[axis] for axis in solution.problem.axes)
    truth = simulate(solution.problem, resolution=shape, cases=[solution.case], times=times)
    return {
        info.name: float(np.linalg.norm(data[info.name] - truth[info.name]) / np.linalg.norm(truth[info.name]))
        for info in solution.problem.fields
    }
