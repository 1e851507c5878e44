"""What every reference solver offers, and how its answer becomes a data set."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sciflow.core.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.problems import Case, Problem

PRECISIONS = ("float32", "float64")


@dataclass(frozen=True)
class Grid:
    """A tensor grid: points by axis in the order (x, y, z), and whether they are nodes or cell centres."""

    axes: dict[str, np.ndarray]
    kind: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of points in tensor order: (z,) y, x."""
        return tuple(len(points) for points in reversed(self.axes.values()))


class ReferenceSolver(ABC):
    """Solves cases of one problem on one grid.

    Args:
        problem: the declaration.
        resolution: points along each axis, one number or one per axis in the order x, y, z.
        precision: ``"float64"`` or ``"float32"``, of the computation.
        device: JAX platform (``"cpu"``, ``"gpu"``); None takes JAX's default.

    Raises:
        InputError: the solver does not fit the problem, or an option is unknown or impossible.
    """

    name: str = ""
    varied: ClassVar[bool] = False  # whether `run` takes times [case, T] and cases whose domains differ
    automatic: ClassVar[bool] = True  # whether it is chosen where a problem names no solver

    def __init__(
        self,
        problem: Problem,
        resolution: int | Sequence[int],
        *,
        precision: str = "float64",
        device: str | None = None,
    ) -> None:
        reason = self.unsupported(problem)
        if reason:
            raise InputError(f"The solver '{self.name}' does not fit problem '{problem.name}': {reason}")
        if precision not in PRECISIONS:
            raise InputError(f"There is no precision {precision!r}; use 'float32' or 'float64'.")
        self.problem, self.precision, self.device = problem, precision, device
        self.resolution = resolution_of(problem, resolution)

    @classmethod
    @abstractmethod
    def unsupported(cls, problem: Problem) -> str | None:
        """Why the solver cannot take this problem, as a sentence, or None if it can."""

    @abstractmethod
    def grid(self, cases: Sequence[Case]) -> Grid:
        """The grid of the frames, which the cases share."""

    def points(self, case: Case) -> int:
        """How many grid points or cells the case is computed on."""
        return math.prod(self.resolution)

    @abstractmethod
    def run(
        self, cases: Sequence[Case], times: np.ndarray, initial: Mapping[str, np.ndarray] | None = None
    ) -> xr.Dataset:
        """Solve the cases.

        Args:
            cases: parameters and seeds.
            times: [T] increasing, in seconds; the first is the time of the initial fields and is part of the answer. A
                solver that is `varied` takes [case, T] as well; see `sciflow.solvers.groups.solve` for the others.
            initial: by name, arrays [case, (z,) y, x] of the evolving fields to start from and of the input fields;
                what is not given is drawn from the problem.

        Returns:
            Data set with dimensions (case, time, (z,) y, x) in the units of the problem; input fields are variables
            (case, (z,) y, x). A steady problem has one frame, at the single time given (0 by convention).
        """


def resolution_of(problem: Problem, resolution: int | Sequence[int]) -> tuple[int, ...]:
    """Points by axis in the order x, y, z."""
    numbers = (resolution,) * len(problem.axes) if isinstance(resolution, int | np.integer) else tuple(resolution)
    if len(numbers) != len(problem.axes) or any(int(number) != number or number < 4 for number in numbers):
        raise InputError(
            f"The resolution {resolution} does not fit '{problem.name}'; give one whole number of at least 4, or one "
            f"for each of {list(problem.axes)}."
        )
    return tuple(int(number) for number in numbers)


def same_bounds(problem: Problem, cases: Sequence[Case]) -> bool:
    """Whether the domain is the same box in all cases."""
    bounds = problem.bounds(cases[0].parameters)
    return all(problem.bounds(case.parameters) == bounds for case in cases[1:])


def shared_bounds(problem: Problem, cases: Sequence[Case]) -> dict[str, tuple[float, float]]:
    """Bounds of the domain, which the cases of one run must share."""
    if not same_bounds(problem, cases):
        raise InputError(f"The domain of '{problem.name}' differs between cases; solve them in separate runs.")
    return problem.bounds(cases[0].parameters)


def common_bounds(problem: Problem, cases: Sequence[Case]) -> dict[str, tuple[float, float]]:
    """Bounds of the grid's coordinates: those of the domain, or 0 to 1 along every axis where cases differ in them."""
    return shared_bounds(problem, cases) if same_bounds(problem, cases) else dict.fromkeys(problem.axes, (0.0, 1.0))


def cell_grid(problem: Problem, cases: Sequence[Case], resolution: Sequence[int], finer: int = 1) -> Grid:
    """Centres of equal cells between `common_bounds`, `finer` of them for each of the resolution along every axis."""
    axes = {}
    for (axis, (low, high)), cells in zip(common_bounds(problem, cases).items(), resolution, strict=True):
        points = low + (high - low) * (np.arange(cells * finer) + 0.5) / (cells * finer)
        axes[axis] = points if same_bounds(problem, cases) else np.round(points, 12)
    return Grid(axes, "cells")


def node_grid(problem: Problem, cases: Sequence[Case], resolution: Sequence[int], finer: int = 1) -> Grid:
    """Nodes x_j = low + j (high - low) / (n - 1), both ends included; low + j (high - low) / n along periodic axes.

    With `finer`, every interval is divided into so many.
    """
    axes = {}
    for (axis, (low, high)), points in zip(shared_bounds(problem, cases).items(), resolution, strict=True):
        if axis in problem.periodic:
            axes[axis] = low + (high - low) * np.arange(points * finer) / (points * finer)
        else:
            axes[axis] = np.linspace(low, high, (points - 1) * finer + 1)
    return Grid(axes, "nodes")


def check_times(times: Any) -> np.ndarray:
    """Increasing, finite times [T] as float64."""
    array = np.atleast_1d(np.asarray(times, dtype=np.float64))
    if array.ndim != 1 or not np.all(np.isfinite(array)) or np.any(np.diff(array) <= 0):
        raise InputError("The times of a solution must be finite and increasing, as in np.linspace(0, 1, 41).")
    return array


def times_by_case(times: Any, cases: int) -> np.ndarray:
    """Increasing, finite times [case, T] from those that all cases share, or from one row for each."""
    array = np.asarray(times, dtype=np.float64)
    if array.ndim < 2:
        return np.tile(check_times(array), (cases, 1))
    if array.ndim != 2 or len(array) != cases:
        raise InputError(f"Times by case need one row for each of the {cases} cases; they have shape {array.shape}.")
    return np.stack([check_times(row) for row in array])


def jax_device(name: str | None) -> Any:
    """JAX's first device of a platform; None for None."""
    import jax

    if name is None:
        return None
    try:
        return jax.devices(name)[0]
    except RuntimeError as error:
        raise InputError(f"JAX has no device '{name}' here; available: {jax.default_backend()}.") from error
