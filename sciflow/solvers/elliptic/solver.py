"""The reference solver for linear steady equations."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

import numpy as np

from sciflow.core.errors import InputError
from sciflow.problems.conditions import Dirichlet, Robin
from sciflow.solvers.assemble import assemble
from sciflow.solvers.base import Grid, ReferenceSolver, cell_grid, check_times
from sciflow.solvers.elliptic.direct import Factors
from sciflow.solvers.elliptic.equation import LinearEquation, reason_against
from sciflow.solvers.elliptic.matrix import Wall, assemble_matrix
from sciflow.solvers.initial import input_fields, on_grid

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.problems import Case, Problem

INCOMPATIBLE = 1e-2  # largest mean of the source, against its size, that is taken for an error of the grid


@final
class Elliptic(ReferenceSolver):
    r"""Cell-centred finite volumes of second order and a sparse direct solve, in 1-D and 2-D.

    .. math:: \nabla\cdot(a\nabla u) + c\,u = f

    The coefficients are read from the declared equation: `-div(a grad u) = f` (Darcy, Poisson), Helmholtz
    `laplacian(u) + k^2 u = f`. They are numbers, expressions of place and parameters, or input fields, and a may jump
    (harmonic means at faces). Sides are Dirichlet, Neumann, Robin or periodic. Where the solution is known up to a
    constant, the mean of the boundary's ``"gauge"`` entry fixes it. Computes on the CPU in float64 on any `device`.

    Args:
        oversample: odd number; solve on cells this many times smaller and store every `oversample`-th centre, which
            the two grids share. 3 suits random coefficients. Given input fields are solved on their own grid.

    Notes:
        A Helmholtz case whose k^2 is within the error of the grid of a resonance is reported and marked
        ``resolved = False``.

    Raises:
        InputError: oversample is even, a changes sign, or the solution needs a gauge.
        SciflowError: the linear system is singular.

    Source: LeVeque (2007), Finite Difference Methods, chapters 2 and 3, for the scheme.
    """

    name = "elliptic"

    def __init__(
        self,
        problem: Problem,
        resolution: int | Sequence[int],
        *,
        oversample: int = 1,
        precision: str = "float64",
        device: str | None = None,
    ) -> None:
        super().__init__(problem, resolution, precision=precision, device=device)
        if oversample < 1 or int(oversample) != oversample or oversample % 2 == 0:
            raise InputError(f"oversample is {oversample}; give an odd whole number, so that cell centres coincide.")
        self.oversample = int(oversample)
        self.equation = LinearEquation.of(problem)
        self._factors: Factors | None = None

    @classmethod
    def unsupported(cls, problem: Problem) -> str | None:
        return reason_against(problem)

    def grid(self, cases: Sequence[Case]) -> Grid:
        return cell_grid(self.problem, cases, self.resolution)

    def run(
        self, cases: Sequence[Case], times: np.ndarray, initial: Mapping[str, np.ndarray] | None = None
    ) -> xr.Dataset:
        times = check_times(times)
        if len(times) != 1:
            raise InputError(f"Problem '{self.problem.name}' is steady and has one frame, not {len(times)}; give [0].")
        finer = 1 if initial else self.oversample
        grid = cell_grid(self.problem, cases, self.resolution, finer)
        inputs = input_fields(self.problem, cases, grid, initial)
        answers, sound = [], []
        for index, case in enumerate(cases):
            solution, safe = self._solve(case, grid, {name: array[index] for name, array in inputs.items()})
            answers.append(solution)
            sound.append(safe)
        pick: tuple[Any, ...] = (..., *(slice(finer // 2, None, finer) for _ in grid.axes))
        stored = np.stack(answers)[:, None][pick].astype(self.precision)
        known = {name: array[pick].astype(self.precision) for name, array in inputs.items()}
        data = assemble(self.problem, cases, times, self.grid(cases), {self.equation.field: stored}, known)
        data = data.assign_coords(resolved=("case", np.array(sound)))
        data.attrs["solved_on"] = f"{' x '.join(map(str, reversed(grid.shape)))} cells"
        if not all(sound):
            worst = [case.index for case, safe in zip(cases, sound, strict=True) if not safe]
            warnings.warn(
                f"Problem '{self.problem.name}' is at a resonance in cases {worst}: the answer depends on the grid; "
                "change the wave number or raise the resolution.", UserWarning, stacklevel=2,
            )  # fmt: skip
        return data

    def _solve(self, case: Case, grid: Grid, inputs: dict[str, np.ndarray]) -> tuple[np.ndarray, bool]:
        """Solution [*cells] of one case, and whether it is away from resonances."""
        reaction = self._on(self.equation.reaction, case, grid, inputs)
        source = self._on(self.equation.source, case, grid, inputs)
        diffusion = [self._on(a, case, grid, inputs) for a in reversed(self.equation.diffusion)]
        signs = {float(sign) for a in diffusion for sign in np.unique(np.sign(a))}
        if len(signs) != 1 or 0.0 in signs:
            raise InputError(
                f"The coefficient of '{self.problem.name}' changes sign or vanishes in case {case.index}, so that the "
                "equation is not elliptic; keep it positive."
            )
        spacing = [float(points[1] - points[0]) for points in reversed(grid.axes.values())]
        walls = self._walls(case, grid)
        matrix, known = assemble_matrix(diffusion, reaction, spacing, walls)
        right = source.ravel() - known
        floating = not reaction.any() and not any(wall.alpha.any() for wall in walls.values())
        mean = self._gauge(case) if floating else 0.0
        if floating:
            right = self._compatible(right, source, case)
        factors = self._factorised(matrix, floating)
        solution = factors.solve(right).reshape(grid.shape) + mean
        # c of the sign of a: the operator may have eigenvalues on both sides of zero.
        square = float(np.max(reaction / diffusion[0]))
        if square <= 0:
            return solution, True
        error = float(np.abs(reaction).max()) * square * max(spacing) ** 2 / 12  # of an eigenvalue near k^2
        return solution, factors.smallest_eigenvalue() > error

    def _on(self, expression: Any, case: Case, grid: Grid, inputs: dict[str, np.ndarray] | None = None) -> np.ndarray:
        return on_grid(self.problem, expression, case, grid, 0.0, inputs)

    def _factorised(self, matrix: Any, floating: bool) -> Factors:
        """The factors of a matrix, kept for the next case, which often has the same."""
        last = self._factors
        same = last is not None and last.matrix.shape == matrix.shape and last.pinned == floating
        if last is None or not same or not np.array_equal(last.matrix.data, matrix.data):
            self._factors = last = Factors(matrix, floating)
        return last

    def _walls(self, case: Case, grid: Grid) -> dict[tuple[int, int], Wall]:
        """Conditions by (array axis, side)."""
        bounds = self.problem.bounds(case.parameters)
        axes = list(reversed(grid.axes))
        walls = {}
        for position, axis in enumerate(axes):
            for side, end in enumerate(bounds[axis]) if axis not in self.problem.periodic else ():
                condition = self.problem.boundary[self.equation.field][axis + "-+"[side]]
                edge = Grid({**grid.axes, axis: np.array([end])}, "nodes")
                if isinstance(condition, Robin):
                    factors = condition.a, condition.b
                else:
                    factors = (1, 0) if isinstance(condition, Dirichlet) else (0, 1)
                alpha, beta, value = (self._on(part, case, edge) for part in (*map(_number, factors), *condition.value))
                walls[position, side] = Wall(alpha, beta, value)
        return walls

    def _gauge(self, case: Case) -> float:
        name = self.equation.field
        gauge = self.problem.boundary.get(name, {}).get("gauge")
        if gauge is None:
            raise InputError(
                f"The solution of '{self.problem.name}' is known up to a constant in case {case.index}; fix its mean "
                f'with boundary={{{name}: {{"gauge": 0}}}}.'
            )
        return float(gauge)

    def _compatible(self, right: np.ndarray, source: np.ndarray, case: Case) -> np.ndarray:
        """The right-hand side without its mean, which must vanish but for the error of the grid."""
        surplus = float(right.mean())
        if abs(surplus) > INCOMPATIBLE * max(float(np.abs(source).max()), float(np.abs(right).mean())):
            raise InputError(
                f"Source and boundary fluxes of '{self.problem.name}' do not balance in case {case.index} (their sum "
                f"is {surplus:.1e} by volume), so that there is no steady state; make them balance."
            )
        return right - surplus


def _number(value: Any) -> Any:
    import sympy

    return sympy.sympify(value)
