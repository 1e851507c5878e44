"""How well a forecast obeys the equations."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np

from sciflow.core.errors import InputError
from sciflow.evaluation.measures.base import Frames, Metric, ratio
from sciflow.evaluation.measures.physics import whole_stencil

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.problems import Problem


_REACH = 2  # cells on either side that a fourth-order difference takes


@final
class EquationError(Metric):
    """RMS of the residual of each declared equation, sqrt(sum(w r^2) / sum(w)) of each case, then the mean over cases.

    One row for each equation, in its unit. The residual is the spectral one where all axes are periodic, else that of
    fourth-order differences with the declared boundary conditions, one-sided where there is none; cells whose stencil
    touches the solid are left out, as known cells are. Time derivatives are taken over the predicted frames
    alone and need five of them. It looks at the forecast only: what the true frames score, sampled on the same grid and
    at the same times, is the floor.

    Raises:
        InputError: the data set names no problem, lacks one of its fields, or has fewer than five frames in time.
    """

    name = "pde_residual"
    perfect = None
    sees_shifts = False

    def rows(self, frames: Frames) -> tuple[str, ...]:
        return tuple(_problem(frames).equations)

    def units(self, frames: Frames) -> tuple[str, ...]:
        return self.rows(frames)

    def terms(self, frames: Frames) -> np.ndarray:
        problem = _problem(frames)
        engine = "spectral" if set(problem.periodic) == set(problem.axes) else "difference"
        options = {} if engine == "spectral" else {"accuracy": 4, "open_sides": True}
        residual_of = problem.residual(engine, **options)
        order = ("case", "time", *frames.axes)
        values = np.empty((*frames.truth.shape[:2], len(problem.equations), *frames.truth.shape[3:]))
        for members in _alike(frames):
            residual = residual_of(_dataset(frames, members))
            found = [residual[name].transpose(*order).values for name in problem.equations]
            values[members] = np.stack(found, axis=2)
        values = np.where(np.isfinite(values), values, np.inf)
        weights = np.broadcast_to(frames.volume, frames.truth.shape)[:, :, :1].copy()
        fluid = np.broadcast_to(frames.fluid, frames.truth.shape)[:, :, :1]
        for position, axis in enumerate(frames.axes):
            weights *= whole_stencil(fluid, axis=3 + position, periodic=axis in frames.periodic, reach=_REACH)
        with np.errstate(over="ignore", invalid="ignore"):
            above = np.where(weights > 0, weights * values**2, 0.0).sum(axis=tuple(range(3, values.ndim)))
        below = np.broadcast_to(weights, values.shape).sum(axis=tuple(range(3, values.ndim)))
        return np.stack([above, below], axis=-1)

    def value(self, terms: np.ndarray) -> np.ndarray:
        return np.sqrt(ratio(terms[..., 0], terms[..., 1]))


def _problem(frames: Frames) -> Problem:
    """The declaration of the forecast's problem, if its residual can be computed."""
    from sciflow import problems

    if not frames.problem:
        raise InputError("pde_residual needs a data set that names its problem; write its attribute 'problem'.")
    problem = problems.get(frames.problem)
    missing = [info.name for info in problem.fields if info.name not in frames.fields]
    if missing or not problem.equations:
        lacking = f"the data set lacks '{missing[0]}'" if missing else "it declares no equations"
        raise InputError(f"pde_residual cannot be computed for '{frames.problem}': {lacking}; leave it out.")
    if problem.t is not None and frames.prediction.shape[1] < 5:
        raise InputError("pde_residual needs horizons of at least five frames; leave it out for shorter ones.")
    return problem


def _alike(frames: Frames) -> list[np.ndarray]:
    """Queries that share the spacing of their times and their positions, as indices."""
    count = len(frames.truth)
    steps = np.zeros((count, 1)) if frames.times is None else frames.times - frames.times[:, :1]
    keys = np.concatenate([steps, *(frames.positions.get(axis, np.zeros((count, 1))) for axis in frames.axes)], axis=1)
    owners = np.unique(keys.round(12), axis=0, return_inverse=True)[1].ravel()
    return [np.flatnonzero(owners == group) for group in range(owners.max() + 1)]


def _dataset(frames: Frames, members: np.ndarray) -> xr.Dataset:
    """The forecasts of some queries as a data set; all of them share the spacing of their times."""
    import xarray as xr

    order = ("case", "time", *frames.axes)
    variables = {
        name: (order, frames.prediction[members, :, index], {"role": "field"})
        for index, name in enumerate(frames.fields)
    }
    inputs = {
        name: (("case", *frames.axes), values[members], {"role": "input"}) for name, values in frames.inputs.items()
    }
    cases = {name: ("case", values[members]) for name, values in frames.parameters.items()}
    points = {axis: frames.metres(axis, int(members[0])) for axis in frames.axes}
    times = np.zeros(1) if frames.times is None else frames.times[members[0]]
    attrs = {"grid": frames.grid, "periodic": ",".join(frames.periodic), "problem": frames.problem}
    return xr.Dataset({**variables, **inputs}, coords={**points, **cases, "time": times}, attrs=attrs)
