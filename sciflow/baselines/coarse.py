"""The reference solver on a coarser grid, as a method: what a network has to beat at equal cost."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np
import xarray as xr

from sciflow.baselines.base import Baseline, field_names, last_frame
from sciflow.core import Forecast, InputError, Query
from sciflow.data.query_arrays import forecast_fields, input_array
from sciflow.data.schema import SPACE, space_of
from sciflow.problems.distributions import Distribution

if TYPE_CHECKING:
    from sciflow.data import Dataset
    from sciflow.problems import Case, Problem
    from sciflow.solvers import ReferenceSolver


@final
class CoarseSolver(Baseline):
    """The problem's reference solver on a coarser grid, asked what a network is asked.

    - Start frames given: it starts from the last one and its frames are read back.
    - None given, time-dependent problem: it starts from the problem's own initial condition at the beginning of the
      problem's time, if that is an expression.
    - Steady problem: it solves with the query's input fields.

    Fields pass between the query's grid and the solver's by trigonometric interpolation on periodic axes and by cubic
    splines on others, input fields differently, since they may jump: from cells to cells by the mean over each of the
    solver's cells (the arithmetic one, of a coefficient too, weighted by overlap where sizes do not divide), from nodes
    linearly on axes that are not periodic. The solver knows the equations and the coefficients of the signals, which
    learned methods are not shown; what it lacks is resolution. At the resolution that made the data its error is that
    of storing a coarse frame and starting anew from it.

    Args:
        resolution: points along each axis on which the solver takes and gives frames, one number or one per axis in the
            order x, y, z; None is the query's own grid, for solvers that compute on a grid of their own (such as the
            incompressible one: ``options={"solve_resolution": 32}``).
        solver: another solver than the one of the problem.
        options: its options, such as ``dt``; they win over those that the problem declares.
        precision: "float64" or "float32".

    Raises:
        InputError: the data set names no problem or lacks an evolving field of it, or there is no start frame and the
            problem draws its start from a distribution.
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
        """Nothing to learn; checks that there is a solver for the data set's problem.

        Raises:
            InputError: no solver takes the problem, or it has hidden parameters, which methods are not told.
        """
        if train.hidden:
            raise InputError(
                f"The parameter '{train.hidden[0]}' of '{train.problem}' is hidden from methods, and no solver can do "
                "without it; leave this baseline out."
            )
        engine = self._engine(train.problem, train.shape)
        self.state = {"points": engine.points(case_of(train.header, engine.problem, 0))}
        return self

    def cost(self) -> dict[str, float]:
        """No ``parameters``; once fitted, the number of ``points`` or cells that the first case is computed on."""
        return {"parameters": 0.0, **{name: float(value) for name, value in self.state.items()}}

    def forecast(self, query: Query) -> Forecast:
        """Solve each case, those that share their times and domain together."""
        sizes = tuple(query.context.sizes[axis] for axis in SPACE if axis in query.context.sizes)
        engine = self._engine(str(query.context.attrs.get("problem", "")), sizes)
        fields = field_names(query.context)
        given = self._given(engine.problem, query, fields)
        moments = _moments(engine.problem, query)
        if autonomous(engine.problem):  # cases that start at different times can then be solved together
            moments = moments - moments[:, :1]
        cases = [case_of(query.context, engine.problem, index) for index in range(query.cases)]
        # To nine digits of the latest time, so that rounding does not keep cases apart.
        keys = np.round(moments / (np.abs(moments).max() or 1.0), 9)
        groups: dict[Any, list[int]] = defaultdict(list)
        for index, case in enumerate(cases):
            bounds = tuple(engine.problem.bounds(case.parameters).values())
            groups[tuple(keys[index]), bounds].append(index)
        out = np.empty((query.cases, query.steps, len(fields), *sizes))
        for members in groups.values():
            chosen = [cases[index] for index in members]
            own = {name: values[members] for name, values in given.items()}
            ours = positions(query.context, members[0], engine.problem.bounds(chosen[0].parameters))
            solved = self._solve(engine, chosen, moments[members[0]], own, ours, query.context, fields)
            out[members] = solved[:, -query.steps :]
        return Forecast(forecast_fields(out, query, fields))

    def _given(self, problem: Problem, query: Query, fields: list[str]) -> dict[str, np.ndarray]:
        """What the query knows of the problem: start of every evolving field, and input fields, [case, *S] by name."""
        space = space_of(query.context)
        names = [info.name for info in problem.inputs]
        given = dict(zip(names, input_array(query.context, names, space).swapaxes(0, 1), strict=True))
        if problem.t is None:
            return given
        if not query.context.sizes["time"]:
            drawn = [name for name in problem.evolution if isinstance(problem.initial.get(name), Distribution)]
            if drawn:
                raise InputError(
                    f"The problem '{problem.name}' draws the start of '{drawn[0]}' at random, so that the method "
                    f"'{self.name}' needs start frames; ask for a forecast."
                )
            return given
        missing = [name for name in problem.evolution if name not in fields]
        if missing:
            raise InputError(
                f"The problem '{problem.name}' evolves '{missing[0]}', which the data set does not hold; a solver "
                "cannot start from its frames."
            )
        start = last_frame(query, list(problem.evolution), self.name)
        return given | dict(zip(problem.evolution, start.swapaxes(0, 1), strict=True))

    def _solve(
        self,
        engine: ReferenceSolver,
        cases: list[Case],
        moments: np.ndarray,
        given: dict[str, np.ndarray],
        ours: dict[str, np.ndarray],
        context: xr.Dataset,
        fields: Sequence[str],
    ) -> np.ndarray:
        """Frames [case, time, C, *S] at the points `ours` of the context, from fields [case, *S] by name."""
        problem = engine.problem
        grid = engine.grid(cases)
        cells = grid.kind == "cells" and context.attrs.get("grid") == "cells"
        there, known, back = [], [], []
        for axis, points in ours.items():
            target, periodic = grid.axes[axis], axis in problem.periodic
            there.append(resampling(points, target, periodic=periodic))
            back.append(resampling(target, points, periodic=periodic))
            if cells:
                known.append(averaging(len(points), len(target)))
            else:
                known.append(there[-1] if periodic else linear(points, target))
        evolving = problem.evolution
        initial = {name: apply(there if name in evolving else known, values) for name, values in given.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # under-resolved is what this method is meant to be
            solved = engine.run(cases, _evenly(moments), initial or None)
        frames = [solved[name].transpose("case", "time", *ours).values for name in fields]
        return np.stack([apply(back, frame) for frame in frames], axis=2)

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


def positions(context: xr.Dataset, index: int, bounds: dict[str, tuple[float, float]]) -> dict[str, np.ndarray]:
    """Points along each axis in metres, of one case; those of boundary data lie on the boundary."""
    places = {}
    for axis in space_of(context):
        own = f"{axis}_of_case"
        points = np.asarray(context[own].values[index] if own in context.coords else context[axis].values, np.float64)
        places[axis] = np.clip(points, *bounds[axis]) if "known" in context else points
    return places


def autonomous(problem: Problem) -> bool:
    """Whether only time differences matter: time enters neither equations, nor boundary and initial conditions."""
    import sympy

    if problem.t is None or problem.signals:
        return False
    given = [*problem.evolution.values(), *problem.constraints.values(), *problem.initial.values()]
    for sides in problem.boundary.values():
        given += [value for condition in sides.values() for value in getattr(condition, "value", ())]
    for expression in given:
        if isinstance(expression, sympy.Basic):
            # Fields and their derivatives are called with t; only what is left of the expression counts.
            parts = expression.atoms(sympy.Derivative, sympy.core.function.AppliedUndef)
            if problem.t in expression.xreplace({part: sympy.Dummy() for part in parts}).free_symbols:
                return False
    return True


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


def _moments(problem: Problem, query: Query) -> np.ndarray:
    """Times [case, ...] to solve for, from the start on; the last ones are those asked for.

    Raises:
        InputError: a time lies before the start of the problem.
    """
    if problem.t is None:
        return np.zeros((query.cases, 1))
    if query.context.sizes["time"]:
        return np.concatenate([query.context_times[:, -1:], query.times], axis=1)
    begin = problem.time[0] if problem.time else 0.0
    first = float(query.times.min())
    if first < begin:
        raise InputError(f"The query asks for the time {first:g}, but '{problem.name}' starts at {begin:g}.")
    at_start = query.times[:, 0] == begin
    if at_start.all():
        return query.times
    if at_start.any():
        raise InputError("Some cases of the query are asked for their start and others are not; ask for them apart.")
    return np.concatenate([np.full((query.cases, 1), begin), query.times], axis=1)


def _evenly(moments: np.ndarray) -> np.ndarray:
    """The same times, with more between the first two where that makes all evenly spaced, as some solvers want them."""
    gaps = np.diff(moments)
    if len(gaps) < 2 or np.ptp(gaps[1:]) > 1e-6 * gaps[1]:
        return moments
    steps = round(gaps[0] / gaps[1])
    if steps < 2 or abs(steps * gaps[1] - gaps[0]) > 1e-6 * gaps[0]:
        return moments
    return np.concatenate([np.linspace(moments[0], moments[1], steps + 1), moments[2:]])


def averaging(source: int, target: int) -> np.ndarray:
    """Matrix [target, source] of means over equal cells from means over other equal cells of the same interval."""
    edges, wanted = np.linspace(0, 1, source + 1), np.linspace(0, 1, target + 1)
    overlap = np.minimum(edges[1:], wanted[1:, None]) - np.maximum(edges[:-1], wanted[:-1, None])
    return np.asarray(np.maximum(overlap, 0.0) * target)


def linear(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Matrix [target, source] of linear interpolation, held beyond the ends."""
    return np.stack([np.interp(target, source, unit) for unit in np.eye(len(source))], axis=1)


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


def apply(matrices: Iterable[np.ndarray], values: np.ndarray) -> np.ndarray:
    """One matrix for each of the trailing axes, in order."""
    matrices = list(matrices)
    for position, matrix in enumerate(matrices):
        axis = values.ndim - len(matrices) + position
        values = np.moveaxis(np.tensordot(matrix, values, axes=(1, axis)), 0, axis)
    return values
