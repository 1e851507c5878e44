"""The reference solver for steady incompressible flow between walls: it marches the flow in time until it rests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, final

import numpy as np
import sympy

from sciflow.core.errors import InputError
from sciflow.problems import Field, Parameter, Problem
from sciflow.problems.symbols import TIME
from sciflow.solvers.assemble import assemble
from sciflow.solvers.base import Grid, ReferenceSolver, cell_grid, check_times
from sciflow.solvers.incompressible.momentum import reason_against
from sciflow.solvers.incompressible.operators import Convection
from sciflow.solvers.incompressible.solver import Incompressible

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.problems import Case


@final
class SteadyIncompressible(ReferenceSolver):
    r"""Steady flow in a rectangle whose sides prescribe the velocity, by `Incompressible.steady`.

    .. math:: u\cdot\nabla u + \nabla p/\rho - \nu\nabla^2 u = 0, \qquad \nabla\cdot u = 0

    The problem declares these under ``steady``, each momentum equation with the convection on the left. The march
    starts from rest.

    Args:
        convection, stretch, solve_resolution, dt: as for `Incompressible`.
        rate: largest rate of change that counts as steady, in units of speed squared over length.

    Raises:
        InputError: an option is impossible, or `run` is asked for more than one time or given a start.
        SciflowError: a flow does not become steady, as the cavity above Re 8000 or so.
    """

    name = "incompressible-steady"

    def __init__(
        self,
        problem: Problem,
        resolution: int | Sequence[int],
        *,
        convection: Convection = "central",
        stretch: float = 1.6,
        solve_resolution: int | Sequence[int] = 64,
        dt: float | None = None,
        rate: float = 1e-6,
        precision: str = "float64",
        device: str | None = None,
    ) -> None:
        super().__init__(problem, resolution, precision=precision, device=device)
        if not rate > 0:
            raise InputError(f"rate is {rate}; give a positive rate of change, such as 1e-6.")
        self.rate = rate
        self._march = Incompressible(
            unsteady(problem), resolution, convection=convection, stretch=stretch, solve_resolution=solve_resolution,
            dt=dt, precision=precision, device=device,
        )  # fmt: skip

    @classmethod
    def unsupported(cls, problem: Problem) -> str | None:
        if problem.t is not None or len(problem.steady) != 3 or len(problem.fields) != 3:
            return "it takes steady problems with two momentum equations and a continuity equation."
        if problem.inputs or problem.signals:
            return "it takes no input fields and no signals."
        return reason_against(unsteady(problem))

    def grid(self, cases: Sequence[Case]) -> Grid:
        return cell_grid(self.problem, cases, self.resolution)

    def points(self, case: Case) -> int:
        return self._march.points(case)

    def run(
        self, cases: Sequence[Case], times: np.ndarray, initial: Mapping[str, np.ndarray] | None = None
    ) -> xr.Dataset:
        times = check_times(times)
        if len(times) != 1 or initial:
            raise InputError(f"'{self.problem.name}' is steady: ask for one time, 0, and give no initial fields.")
        # The problem in time has no lists that cases could be from.
        solved = self._march.steady([replace(case, subset="") for case in cases], rate=self.rate)
        fields = {info.name: solved[info.name].values for info in self.problem.fields}
        data = assemble(self.problem, cases, times, self.grid(cases), fields)
        data.attrs["solved_on"] = solved.attrs["solved_on"]
        return data


def unsteady(problem: Problem) -> Problem:
    """The problem in time whose steady states solve a steady one: residuals become rates, ``u_t = -(left - right)``.

    The equation without a second derivative is continuity and stays a constraint.
    """
    time = sympy.Symbol(TIME, real=True)
    fields = {i.name: Field(i.name, i.unit, long_name=i.long_name)(time, *problem.space) for i in problem.fields}
    moved = {info.symbol: fields[info.name] for info in problem.fields}
    evolution, constraints = {}, {}
    for name, equation in problem.steady.items():
        residual = sympy.expand((equation.lhs - equation.rhs).doit())
        orders = [int(n) for d in residual.atoms(sympy.Derivative) for _, n in d.variable_count]
        if max(orders, default=0) > 1:
            evolution[fields[name]] = -residual.subs(moved)
        else:
            constraints[fields[name]] = sympy.Eq(residual.subs(moved), 0)
    vectors = {info.name: info.vector for info in problem.fields}
    sizes = {key: problem.scales[key] for key in problem.axes if key in problem.scales}
    for name, vector in vectors.items():
        found = problem.scales.get(name, problem.scales.get(vector))
        if found is not None:
            sizes[name] = found
    return Problem(
        name=problem.name,
        fields=list(fields.values()),
        parameters=[
            Parameter(i.name, i.default, i.low, i.high, scale=i.scale, unit=i.unit) for i in problem.parameters
        ],
        scales=sizes,
        domain=problem.domain,
        periodic=problem.periodic,
        evolution=evolution,
        constraints=constraints,
        boundary={fields[name]: sides for name, sides in problem.boundary.items()},
    )
