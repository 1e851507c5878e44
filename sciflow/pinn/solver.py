"""Physics-informed networks as solvers, so that suites compare them with operators and reference solvers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sciflow.core.errors import InputError
from sciflow.solvers.assemble import assemble
from sciflow.solvers.base import Grid, ReferenceSolver, check_times

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.pinn.solution import Solution
    from sciflow.problems import Case, Problem


class PinnSolver(ReferenceSolver):
    """Ordinary physics-informed networks, one for each case, on the grid of the problem's own solver.

    Args:
        strategy, engine: see `sciflow.pinn.solve`.
        settings: of network, points and optimisers, by name.

    Source: Raissi, Perdikaris and Karniadakis (2019), J. Comput. Phys. 378, 686.
    """

    name = "pinn"
    automatic: ClassVar[bool] = False  # nobody's first choice: orders of magnitude slower than the others

    def __init__(
        self,
        problem: Problem,
        resolution: int | Sequence[int],
        *,
        strategy: str | Mapping[str, Any] | None = None,
        engine: str = "jax",
        label_space: bool = False,
        settings: Mapping[str, Any] | None = None,
        precision: str = "float64",
        device: str | None = None,
    ) -> None:
        super().__init__(problem, resolution, precision=precision, device=device)
        self._options: dict[str, Any] = {"strategy": strategy, "engine": engine, "label_space": label_space}
        self._settings = {"precision": precision, **(settings or {})}
        self.solutions: list[Solution] = []

    @classmethod
    def unsupported(cls, problem: Problem) -> str | None:
        if not problem.equations:
            return "it declares no equations."
        return "it has input fields, which have no formula." if problem.inputs else None

    def grid(self, cases: Sequence[Case]) -> Grid:
        from sciflow.solvers.simulation import build

        return build(self.problem, self.resolution).grid(cases)

    def points(self, case: Case) -> int:
        """Collocation points."""
        from sciflow.pinn.defaults import settings_for

        return settings_for(self.problem, self.name, self._settings).points

    def run(
        self, cases: Sequence[Case], times: np.ndarray, initial: Mapping[str, np.ndarray] | None = None
    ) -> xr.Dataset:
        """Train a network for each case; see `ReferenceSolver.run`.

        Raises:
            InputError: fields to start from are given; the networks start from the problem's own formula.
        """
        from sciflow.pinn.solving import solve

        if initial:
            raise InputError(
                f"The solver '{self.name}' starts from the formula that '{self.problem.name}' declares; it cannot "
                "start from frames. Ask for fields from parameters and time (the parametric task)."
            )
        moments = check_times(times)
        grid = self.grid(cases)
        interval = None if self.problem.t is None else (float(moments[0]), float(moments[-1]))
        if interval is not None and interval[0] == interval[1]:
            raise InputError(f"The solver '{self.name}' needs at least two times.")
        self.solutions = [
            solve(self.problem, method=self.name, case=case, time=interval, settings=self._settings, **self._options)
            for case in cases
        ]
        frames = [solution.frames(grid, moments) for solution in self.solutions]
        fields = {name: np.stack([part[name] for part in frames]) for name in frames[0]}
        data = assemble(self.problem, cases, moments, grid, fields)
        data.attrs["solved_on"] = f"{self._settings.get('points', self.points(cases[0]))} collocation points"
        return data


class LagrangianSolver(PinnSolver):
    """Lagrangian physics-informed networks, one for each case.

    Source: Mojgani, Balajewicz and Hassanzadeh (2023), Comput. Methods Appl. Mech. Eng. 404, 115810.
    """

    name = "lpinn"

    @classmethod
    def unsupported(cls, problem: Problem) -> str | None:
        from sciflow.pinn.lagrangian import transport_of

        try:
            transport_of(problem)
        except InputError as error:
            return str(error)
        return None
