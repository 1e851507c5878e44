"""How well a forecast obeys the equations."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np

from sciflow.core.errors import InputError
from sciflow.evaluation.measures.base import Frames, Metric, ratio

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.problems import Problem


@final
class EquationError(Metric):
    """RMS of the residual of each declared equation, sqrt(sum(w r^2) / sum(w)) of each case, then the mean over cases.

    One row for each equation, in its unit. The residual is the spectral one where all axes are periodic, else that of
    fourth-order differences with the declared boundary conditions. Time derivatives are taken over the predicted frames
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
        options = {} if engine == "spectral" else {"accuracy": 4}
        residual = problem.residual(engine, **options)(_dataset(frames))
        order = ("case", "time", *frames.axes)
        values = np.stack([residual[name].transpose(*order).values for name in problem.equations], axis=2)
        values = np.where(np.isfinite(values), values, np.inf)
        weights = np.broadcast_to(frames.volume, frames.truth.shape)[:, :, :1]
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


def _dataset(frames: Frames) -> xr.Dataset:
    """The forecast as a data set, one query after the other; all of them share their times."""
    import xarray as xr

    order = ("case", "time", *frames.axes)
    variables = {
        name: (order, frames.prediction[:, :, index], {"role": "field"}) for index, name in enumerate(frames.fields)
    }
    inputs = {name: (("case", *frames.axes), values, {"role": "input"}) for name, values in frames.inputs.items()}
    cases = {name: ("case", values) for name, values in frames.parameters.items()}
    times = np.zeros(1) if frames.times is None else frames.times[0]
    attrs = {"grid": frames.grid, "periodic": ",".join(frames.periodic), "problem": frames.problem}
    return xr.Dataset({**variables, **inputs}, coords={**frames.points, **cases, "time": times}, attrs=attrs)
