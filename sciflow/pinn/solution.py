"""What a physics-informed solver returns: fields anywhere, and an honest account of how they came about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from sciflow.core.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.pinn.training import Record
    from sciflow.problems import Case, Problem
    from sciflow.solvers.base import Grid

UNRESOLVED = 1e-3  # a smaller Jacobian of the paths is not trusted
_AT_ONCE = 65536  # points


@dataclass(frozen=True, eq=False)
class Solution:
    """Fields of one case as functions of time and space.

    Attributes:
        time: the interval solved on; None for a steady problem.
        loss: the last one. A small loss is no evidence of a small error: compare with `sciflow.simulate`.
        converged: see `sciflow.pinn.training.Trained`; of no stage that failed.
        reasons: why each phase of training ended.
        seconds, compile_seconds: of training, and of compilation before it.
        weights: trainable numbers.
        smallest_jacobian: of a Lagrangian solution; particles' paths cross where it is not positive.
    """

    problem: Problem
    case: Case
    method: str
    time: tuple[float, float] | None
    loss: float
    converged: bool
    reasons: tuple[str, ...]
    history: tuple[Record, ...]
    seconds: float
    compile_seconds: float
    weights: int
    fields: Callable[[np.ndarray], Mapping[str, np.ndarray]]
    smallest_jacobian: float | None = None

    @property
    def resolved(self) -> bool:
        """False where a Lagrangian solution's Jacobian falls below 1e-3: its fields are then not to be trusted."""
        return self.smallest_jacobian is None or self.smallest_jacobian >= UNRESOLVED

    @cached_property
    def _gauged(self) -> Callable[[np.ndarray], Mapping[str, np.ndarray]]:
        from sciflow.pinn.model import gauged

        return gauged(self.problem, self.case, self.fields)

    def evaluate(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """Fields (N,) at points (D, N), time first; those known up to a constant have their declared mean, or zero.

        Raises:
            InputError: the points have another number of coordinates, or lie outside of the domain or the interval.
        """
        points = np.asarray(points, dtype=np.float64)
        names = [symbol.name for symbol in self.problem.coordinates]
        if points.ndim != 2 or len(points) != len(names):
            raise InputError(f"Points of '{self.problem.name}' have the rows {', '.join(names)}; got {points.shape}.")
        bounds = self.problem.bounds(self.case.parameters)
        ends = {**bounds, **({} if self.time is None else {"t": self.time})}
        for name, row in zip(names, points, strict=True):
            low, high = ends[name]
            slack = 1e-9 * (high - low)
            outside = ~((row >= low - slack) & (row <= high + slack))
            if outside.any():
                raise InputError(
                    f"The point {name} = {row[outside][0]:g} lies outside of {low:g} to {high:g}, on which "
                    f"'{self.problem.name}' was solved."
                )
        size = max(high - low for low, high in bounds.values())
        places = points[-len(bounds) :]
        covered = self.problem.domain.distance(places.T, self.problem.values(self.case.values)) > 1e-9 * size
        if covered.any():
            first = ", ".join(f"{name} = {row[covered][0]:g}" for name, row in zip(bounds, places, strict=True))
            raise InputError(f"The point {first} lies in an obstacle of '{self.problem.name}'; leave it out.")
        return self._values(points)

    def _values(self, points: np.ndarray) -> dict[str, np.ndarray]:
        parts = [self._gauged(points[:, k : k + _AT_ONCE]) for k in range(0, points.shape[1], _AT_ONCE)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def frames(self, grid: Grid, times: np.ndarray) -> dict[str, np.ndarray]:
        """Fields [time, (z,) y, x] on a grid."""
        axes = [np.asarray(times, dtype=np.float64)] if self.time is not None else []
        axes += list(reversed(grid.axes.values()))
        mesh = np.meshgrid(*axes, indexing="ij")
        first = 1 if self.time is not None else 0
        points = np.stack(
            [*(part.ravel() for part in mesh[:first]), *(part.ravel() for part in reversed(mesh[first:]))]
        )
        shape = (len(times), *grid.shape)
        return {name: values.reshape(shape) for name, values in self._values(points).items()}

    def dataset(self, resolution: int | Sequence[int] = 128, frames: int = 41) -> xr.Dataset:
        """The solution on the grid of the problem's reference solver, in the form of `sciflow.simulate`."""
        from sciflow.solvers import build
        from sciflow.solvers.assemble import assemble

        grid = build(self.problem, resolution).grid([self.case])
        times = np.zeros(1) if self.time is None else np.linspace(*self.time, frames)
        found = {name: values[None] for name, values in self.frames(grid, times).items()}
        data = assemble(self.problem, [self.case], times, grid, found)
        data.attrs.update(self.report())
        return data

    def report(self) -> dict[str, str]:
        """How the solution came about, as attributes of a data set."""
        found = {
            "solved_by": self.method,
            "loss": f"{self.loss:.3e}",
            "converged": str(self.converged),
            "stopped": "; ".join(self.reasons),
            "training_seconds": f"{self.seconds:.1f}",
        }
        if self.smallest_jacobian is not None:
            found |= {"smallest_jacobian": f"{self.smallest_jacobian:.3g}", "resolved": str(self.resolved)}
        return found
