"""The reference solver on a coarser grid, as a method: what a network has to beat at equal cost."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np
import xarray as xr

from sciflow.baselines.base import Baseline, field_names, to_array
from sciflow.core import Forecast, InputError, Query
from sciflow.data.query_arrays import forecast_fields
from sciflow.data.schema import SPACE

if TYPE_CHECKING:
    from sciflow.data import Dataset
    from sciflow.problems import Case, Problem
    from sciflow.solvers import ReferenceSolver


@final
class CoarseSolver(Baseline):
    """Starts the problem's reference solver from the last context frame and reads its frames back.

    Context and answer pass between the query's grid and the solver's by trigonometric interpolation on periodic axes
    and by cubic splines on others. The solver knows the equations and the coefficients of the signals, which learned
    methods are not shown; what it lacks is resolution. At the resolution that made the data its error is that of
    storing a coarse frame and starting anew from it.

    Args:
        resolution: points along each axis on which the solver takes and gives frames, one number or one per axis in the
            order x, y, z; None is the query's own grid, for solvers that compute on a grid of their own (such as the
            incompressible one: ``options={"solve_resolution": 32}``).
        solver: another solver than the one of the problem.
        options: its options, such as ``dt``; they win over those that the problem declares.
        precision: "float64" or "float32".

    Raises:
        InputError: the data set names no problem, or lacks an evolving field of it.
    """

    name = "coarse-solver"
    learns = False

    def __init__(
        self,
        resolution: int | tuple[int, ...] | None = None,
        solver: str | None = None,
        options: dict[str, Any] | None = None,
        precision: str = "float64",
    ) -> None:
        super().__init__()
        self.resolution, self.solver = resolution, solver
        self.options, self.precision = dict(options or {}), precision
        self._engines: dict[Any, ReferenceSolver] = {}

    def fit(self, train: Dataset, valid: Dataset | None = None) -> Self:
        """Nothing to learn; checks that there is a solver for the data set's problem."""
        self._engine(train.problem, train.shape)
        return self

    def forecast(self, query: Query) -> Forecast:
        """Solve from each context, cases that share their times and domain together."""
        sizes = tuple(query.context.sizes[axis] for axis in SPACE if axis in query.context.sizes)
        engine = self._engine(str(query.context.attrs.get("problem", "")), sizes)
        fields = field_names(query.context)
        last = to_array(query.context.isel(time=[-1]), fields)[:, 0]
        cases = [case_of(query.context, engine.problem, index) for index in range(query.cases)]
        moments = np.concatenate([query.context_times[:, -1:], query.times], axis=1)
        groups: dict[Any, list[int]] = defaultdict(list)
        for index, case in enumerate(cases):
            bounds = tuple(engine.problem.bounds(case.parameters).values())
            groups[tuple(moments[index]), bounds].append(index)
        out = np.empty((query.cases, query.steps, *last.shape[1:]))
        for members in groups.values():
            chosen = [cases[index] for index in members]
            out[members] = self._solve(engine, chosen, moments[members[0]], last[members], query.context, fields)
        return Forecast(forecast_fields(out, query, fields))

    def _solve(
        self,
        engine: ReferenceSolver,
        cases: list[Case],
        moments: np.ndarray,
        start: np.ndarray,
        context: xr.Dataset,
        fields: Sequence[str],
    ) -> np.ndarray:
        """Frames [case, time, C, *S] on the context's grid, from fields [case, C, *S]."""
        evolving = list(engine.problem.evolution)
        missing = [name for name in evolving if name not in fields]
        if missing:
            raise InputError(
                f"The problem '{engine.problem.name}' evolves '{missing[0]}', which the data set does not hold; a "
                "solver cannot start from its frames."
            )
        periodic = engine.problem.periodic
        ours = {axis: np.asarray(context[axis].values, np.float64) for axis in SPACE if axis in context.dims}
        theirs = {axis: engine.grid(cases).axes[axis] for axis in ours}
        there = {axis: resampling(ours[axis], theirs[axis], periodic=axis in periodic) for axis in ours}
        back = {axis: resampling(theirs[axis], ours[axis], periodic=axis in periodic) for axis in ours}
        initial = {name: apply(there.values(), start[:, list(fields).index(name)]) for name in evolving}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # under-resolved is what this method is meant to be
            solved = engine.run(cases, moments, initial).isel(time=slice(1, None))
        frames = [solved[name].transpose("case", "time", *ours).values for name in fields]
        return np.stack([apply(back.values(), frame) for frame in frames], axis=2)

    def _engine(self, problem: str, sizes: tuple[int, ...]) -> ReferenceSolver:
        """The solver, built once; `sizes` of the query's grid in array order."""
        from sciflow.solvers import build

        if not problem:
            raise InputError("The method 'coarse-solver' needs a data set that names its problem; this one names none.")
        resolution = self.resolution if self.resolution is not None else sizes[::-1]
        if (problem, resolution) not in self._engines:
            options = {"precision": self.precision, **self.options}
            self._engines[problem, resolution] = build(problem, resolution, solver=self.solver, **options)
        return self._engines[problem, resolution]


def case_of(context: xr.Dataset, problem: Problem, index: int) -> Case:
    """The case of one entry of a query, from its coordinates.

    Raises:
        InputError: a parameter or coefficient is missing.
    """
    from sciflow.problems import Case

    def read(names: Sequence[str]) -> dict[str, float]:
        lost = [name for name in names if name not in context.coords]
        if lost:
            raise InputError(f"The data set lacks '{lost[0]}', without which '{problem.name}' cannot be solved.")
        return {name: float(context[name].values[index]) for name in names}

    parameters = read([info.name for info in problem.parameters])
    coefficients = read([info.name for info in problem.coefficients])
    return Case(index, 0, parameters, coefficients)


def resampling(source: np.ndarray, target: np.ndarray, *, periodic: bool) -> np.ndarray:
    """Interpolation matrix [target, source] between the points of one axis.

    Periodic: the trigonometric interpolant, cut at the wave numbers that the target resolves; the points must be evenly
    spaced. Otherwise a cubic spline (not-a-knot), continued where the target reaches beyond the source.
    """
    if not periodic:
        from scipy.interpolate import CubicSpline

        return np.asarray(CubicSpline(source, np.eye(len(source)))(target))
    count = len(source)
    period = count * (source[1] - source[0])
    highest = (min(count, len(target)) - 1) // 2
    angles = 2 * np.pi * (target[:, None] - source[None]) / period
    waves = np.arange(1, highest + 1)
    kernel = 1.0 + 2.0 * np.cos(angles[..., None] * waves).sum(axis=-1)
    if len(target) >= count and count % 2 == 0:
        kernel = kernel + np.cos(angles * count / 2)  # the highest wave of an even grid
    return np.asarray(kernel / count)


def apply(matrices: Any, values: np.ndarray) -> np.ndarray:
    """One matrix for each of the trailing axes, in order."""
    matrices = list(matrices)
    for position, matrix in enumerate(matrices):
        axis = values.ndim - len(matrices) + position
        values = np.moveaxis(np.tensordot(matrix, values, axes=(1, axis)), 0, axis)
    return values
