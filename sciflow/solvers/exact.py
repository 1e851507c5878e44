"""The exact solution on a grid, as a reference solver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, final

import numpy as np
import sympy
from sympy.core.function import AppliedUndef

from sciflow.core.errors import InputError
from sciflow.problems.compile import numeric
from sciflow.solvers.assemble import assemble
from sciflow.solvers.base import Grid, ReferenceSolver, check_times, node_grid

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.problems import Case, Problem


@final
class Exact(ReferenceSolver):
    """Evaluates the exact solution that a problem declares, in float64.

    The grid has nodes: both ends of an axis included, or without its upper end where the axis is periodic. It is chosen
    by its name alone: the declared solution need not be the one that the initial conditions lead to.

    Raises:
        InputError: a field has no exact solution, or initial fields are given.
    """

    name = "exact"
    automatic = False

    @classmethod
    def unsupported(cls, problem: Problem) -> str | None:
        missing = [info.name for info in problem.fields if info.name not in problem.exact]
        if missing:
            return f"it declares no exact solution for '{missing[0]}'."
        given = {info.symbol for info in problem.inputs}
        if any(problem.drive(solution).atoms(AppliedUndef) & given for solution in problem.exact.values()):
            return "its exact solution depends on an input field."
        return None

    def grid(self, cases: Sequence[Case]) -> Grid:
        return node_grid(self.problem, cases, self.resolution)

    def run(
        self, cases: Sequence[Case], times: np.ndarray, initial: Mapping[str, np.ndarray] | None = None
    ) -> xr.Dataset:
        if initial:
            raise InputError("The solver 'exact' starts from the exact solution alone; leave the initial fields out.")
        times, grid = check_times(times), self.grid(cases)
        fields = {
            info.name: np.stack([self._values(self.problem.exact[info.name], case, times, grid) for case in cases])
            for info in self.problem.fields
        }
        return assemble(self.problem, cases, times, grid, fields)

    def _values(self, solution: sympy.Expr, case: Case, times: np.ndarray, grid: Grid) -> np.ndarray:
        """[time, (z,) y, x]"""
        names = ["t", *reversed(grid.axes)]
        mesh = np.meshgrid(times, *reversed(grid.axes.values()), indexing="ij")
        solution = self.problem.drive(solution)
        symbols = sorted(solution.free_symbols, key=lambda symbol: symbol.name)
        known = {**self.problem.values(case.values), **dict(zip(names, mesh, strict=True))}
        found = numeric(symbols, solution)(*(known[symbol.name] for symbol in symbols))
        return np.broadcast_to(np.asarray(found, np.float64), mesh[0].shape)
