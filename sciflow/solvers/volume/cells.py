"""What the finite-volume solvers share: options, grid, marching, means over finer cells."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from sciflow.core.errors import InputError, SciflowError, near
from sciflow.solvers.assemble import assemble
from sciflow.solvers.base import Grid, ReferenceSolver, cell_grid, check_times, jax_device
from sciflow.solvers.initial import initial_fields, input_fields
from sciflow.solvers.volume.faces import LIMITERS
from sciflow.solvers.volume.march import MOST_STEPS, Scheme, march

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.problems import Case, Problem


class CellSolver(ReferenceSolver):
    """Explicit finite volumes on equal cells; a subclass gives the scheme.

    Args:
        cfl: Courant number, at most 0.5 for positive depths and bounded solutions.
        limiter: ``"van-leer"``, or ``"minmod"``, which smears more and is the most careful.
        oversample: solve on cells this many times smaller and store means over `oversample` of them along each axis,
            which conserves. Given fields are solved on their own grid.
    """

    def __init__(
        self,
        problem: Problem,
        resolution: int | Sequence[int],
        *,
        cfl: float = 0.4,
        limiter: str = "van-leer",
        oversample: int = 1,
        precision: str = "float64",
        device: str | None = None,
    ) -> None:
        super().__init__(problem, resolution, precision=precision, device=device)
        if not 0 < cfl <= 0.5:
            raise InputError(f"cfl is {cfl}; give a number above 0 and at most 0.5.")
        if limiter not in LIMITERS:
            raise InputError(f"There is no limiter {limiter!r}.{near(limiter, LIMITERS)}")
        if oversample < 1 or int(oversample) != oversample:
            raise InputError(f"oversample is {oversample}; give a whole number of at least 1.")
        self.cfl, self.limiter, self.oversample = float(cfl), LIMITERS[limiter], int(oversample)
        self._schemes: dict[Any, Scheme] = {}

    @property
    @abstractmethod
    def evolving(self) -> tuple[str, ...]:
        """Names of the evolving fields in the order of the state."""

    @abstractmethod
    def scheme(self, grid: Grid) -> Scheme:
        """The semi-discrete system on a grid."""

    def require_posed(self, grid: Grid, states: jax.Array, values: Mapping[str, jax.Array], times: np.ndarray) -> None:
        """Look at the values that cases [case, F, *cells] begin with.

        Raises:
            InputError: the equation has no solution that depends continuously on them.
        """

    def grid(self, cases: Sequence[Case]) -> Grid:
        return cell_grid(self.problem, cases, self.resolution)

    def run(
        self, cases: Sequence[Case], times: np.ndarray, initial: Mapping[str, np.ndarray] | None = None
    ) -> xr.Dataset:
        times = check_times(times)
        finer = 1 if initial else self.oversample
        grid = cell_grid(self.problem, cases, self.resolution, finer)
        start = initial_fields(self.problem, cases, grid, float(times[0]), initial)
        inputs = input_fields(self.problem, cases, grid, initial)
        device = jax_device(self.device)
        with jax.enable_x64(self.precision == "float64"), jax.default_device(device):
            together = (device.platform if device else jax.default_backend()) != "cpu"
            states = jnp.stack([jnp.asarray(start[name]) for name in self.evolving], axis=1)
            values = {name: jnp.asarray([case.values[name] for case in cases]) for name in self.problem.values()}
            arrays = {name: jnp.asarray(array) for name, array in inputs.items()}
            case = {"values": values, "inputs": arrays}
            self.require_posed(grid, states, values, times)
            frames, counts = march(self._scheme(grid), together, states, case, jnp.asarray(times))
            frames, counts = np.asarray(frames), np.asarray(counts)
        self._check(cases, times, frames, counts)
        fields = {name: _means(frames[:, :, i], finer, len(grid.axes)) for i, name in enumerate(self.evolving)}
        known = {name: _means(array, finer, len(grid.axes)) for name, array in inputs.items()}
        data = assemble(self.problem, cases, times, self.grid(cases), fields, known)
        data.attrs["solved_on"] = f"{' x '.join(map(str, reversed(grid.shape)))} cells, {int(counts.sum())} steps"
        return data

    def _scheme(self, grid: Grid) -> Scheme:
        key = tuple((axis, points.tobytes()) for axis, points in grid.axes.items()), self.precision
        if key not in self._schemes:
            self._schemes[key] = self.scheme(grid)
        return self._schemes[key]

    def _check(self, cases: Sequence[Case], times: np.ndarray, frames: np.ndarray, counts: np.ndarray) -> None:
        finite = np.isfinite(frames).all(axis=tuple(range(2, frames.ndim)))
        stuck = np.concatenate([np.zeros((len(cases), 1), bool), counts >= MOST_STEPS], axis=1)
        if (stuck | ~finite).any():
            case, frame = np.argwhere(stuck | ~finite)[0]
            raise SciflowError(
                f"Case {cases[case].index} of '{self.problem.name}' stopped being finite before time "
                f"{times[frame]:g}; check its initial fields, or give a smaller cfl or the limiter 'minmod'."
            )


def _means(array: np.ndarray, finer: int, dims: int) -> np.ndarray:
    """Means over blocks of `finer` cells along each of the last `dims` axes."""
    if finer == 1:
        return array
    lead, cells = array.shape[:-dims], array.shape[-dims:]
    split = [size for count in cells for size in (count // finer, finer)]
    return array.reshape(*lead, *split).mean(axis=tuple(len(lead) + 2 * i + 1 for i in range(dims)))
