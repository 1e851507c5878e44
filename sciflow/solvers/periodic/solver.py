"""The generic solver: any evolution equation on a periodic box, straight from its declaration."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp
import numpy as np

from sciflow.core.errors import InputError, SciflowError
from sciflow.solvers.assemble import assemble
from sciflow.solvers.base import Grid, ReferenceSolver, check_times, jax_device, shared_bounds
from sciflow.solvers.initial import initial_fields
from sciflow.solvers.periodic import etdrk
from sciflow.solvers.periodic.comoving import Comoving
from sciflow.solvers.periodic.system import System, Values

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.problems import Case, Problem

FIRST_STEPS = 4  # per frame, where the step is chosen automatically
MOST_STEPS = 65536
MOST_AT_ONCE = 4  # factor between trials
CHECKED_FRAMES = 8
RESOLVED = 1e-2  # largest share of the amplitude in the upper third of the spectrum; measured error there: below 0.5 %


@final
class Periodic(ReferenceSolver):
    """Fourier pseudo-spectral in space, ETDRK4 in time, dealiased; 1-D, 2-D and 3-D, systems, linear constraints.

    u_t = L u + N(u, t), where L holds the linear terms with constant coefficients, coupling between fields included,
    and is integrated exactly. Nodes are x_j = low + j (high - low) / n, the right end excluded.

    A constraint that does not hold its own field, such as div(velocity) = 0 for the pressure, is kept by its time
    derivative, which determines that field. Initial fields are projected onto it (the nearest ones in L2), so that the
    first frame of a velocity field with divergence differs from what was given.

    Args:
        dt: time step; frames are reached in whole steps, so the step used is at most this. None chooses it: the step
            is halved until one frame computed with half the step differs by less than `tolerance` (relative L2),
            wherever it is tried along the trajectory.
        tolerance: see `dt`; the error of a frame is about 1/15 of it.
        oversample: solve on a grid that is this many times finer and store every `oversample`-th node.
        spin_up: time that passes between the initial condition and the first frame, such as that to reach an attractor;
            fields that are given to `run` are the first frame all the same.
        comoving: solve in the frame that moves with the `galilean` velocities and move the frames back, so that cases
            which differ by a boost alone differ by that shift to rounding errors; see `Comoving`.

    Notes:
        A case whose spectrum does not decay (more than 1e-2 of the amplitude in the upper third) is reported and
        marked ``resolved = False``. Frames are evenly spaced.

    Source: Cox and Matthews (2002), Kassam and Trefethen (2005).
    """

    name = "periodic"

    def __init__(
        self,
        problem: Problem,
        resolution: int | Sequence[int],
        *,
        dt: float | None = None,
        tolerance: float = 1e-6,
        oversample: int = 1,
        spin_up: float = 0.0,
        comoving: bool = False,
        precision: str = "float64",
        device: str | None = None,
    ) -> None:
        super().__init__(problem, resolution, precision=precision, device=device)
        if dt is not None and not dt > 0:
            raise InputError(f"dt is {dt}; give a positive time step, or None to have it chosen.")
        if oversample < 1 or tolerance <= 0:
            raise InputError("oversample must be a whole number of at least 1 and tolerance positive.")
        self.dt, self.tolerance, self.oversample = dt, tolerance, int(oversample)
        if not 0 <= spin_up < np.inf:
            raise InputError(f"spin_up is {spin_up}; give the time before the first frame, 0 or more.")
        self.spin_up = float(spin_up)
        self._comoving = Comoving(problem) if comoving else None
        self._systems: dict[Any, System] = {}

    @classmethod
    def unsupported(cls, problem: Problem) -> str | None:
        return System.unsupported(problem)

    def grid(self, cases: Sequence[Case]) -> Grid:
        return self._nodes(cases, 1)

    def _nodes(self, cases: Sequence[Case], factor: int) -> Grid:
        bounds = shared_bounds(self.problem, cases)
        axes = {}
        for (axis, (low, high)), points in zip(bounds.items(), self.resolution, strict=True):
            axes[axis] = low + (high - low) * np.arange(points * factor) / (points * factor)
        return Grid(axes, "nodes")

    def run(
        self, cases: Sequence[Case], times: np.ndarray, initial: Mapping[str, np.ndarray] | None = None
    ) -> xr.Dataset:
        times = check_times(times)
        spacing = np.diff(times)
        if len(times) > 2 and not np.allclose(spacing, spacing[0], rtol=1e-6):
            raise InputError("The periodic solver gives evenly spaced frames; make the times evenly spaced.")
        fine = 1 if initial is not None else self.oversample
        grid = self._nodes(cases, fine)
        before = 0.0 if initial is not None else self.spin_up
        start = initial_fields(self.problem, cases, grid, float(times[0]) - before, initial)
        values = {name: np.array([case.values[name] for case in cases]) for name in self.problem.values()}
        speeds: dict[str, np.ndarray] = {}
        if self._comoving is not None:
            speeds, values, start = self._comoving.at_rest(values, start)
        with jax.enable_x64(self.precision == "float64"), jax.default_device(jax_device(self.device)):
            frames, tails, steps = self._solve(cases, grid, times, start, values, before)
        if self._comoving is not None:
            frames = self._comoving.moved(frames, speeds, times, grid)
        pick: tuple[Any, ...] = (..., *(slice(None, None, fine) for _ in grid.axes))
        arrays = {name: array[pick] for name, array in frames.items()}
        data = assemble(self.problem, cases, times, self.grid(cases), arrays)
        resolved = tails <= RESOLVED
        if not resolved.all():
            worst = [case.index for case, good in zip(cases, resolved, strict=True) if not good]
            warnings.warn(
                f"Problem '{self.problem.name}' is under-resolved at {self.resolution} points x{fine} in cases "
                f"{worst}: raise the resolution, or oversample.", UserWarning, stacklevel=2,
            )  # fmt: skip
        data = data.assign_coords(resolved=("case", resolved))
        data.attrs["steps_per_frame"] = steps
        return data

    def _solve(
        self,
        cases: Sequence[Case],
        grid: Grid,
        times: np.ndarray,
        start: dict[str, np.ndarray],
        numbers: dict[str, np.ndarray],
        before: float,
    ) -> tuple[dict[str, np.ndarray], np.ndarray, int]:
        """Fields by name [case, time, ...], largest spectral tail by case, steps per frame; `before` is spin-up."""
        system = self._system(cases, grid)
        values = {name: jnp.asarray(array) for name, array in numbers.items()}
        state = system.modes.forward(np.stack([start[name] for name in system.fields], axis=1))
        state = _start(system, state, values, jnp.asarray(times[0] - before))
        if before:
            spacing = float(times[1] - times[0]) if len(times) > 1 else before
            early = np.linspace(times[0] - before, times[0], max(2, round(np.ceil(before / spacing)) + 1))
            state = self._march(system, state, values, early)[0][:, -1]
        spectra, steps = self._march(system, state, values, times)
        finite = np.asarray(_finite(spectra))
        if not finite.all():
            case, frame = np.argwhere(~finite)[0]
            raise SciflowError(
                f"The solution of '{self.problem.name}' stopped being finite in case {cases[case].index} at time "
                f"{times[frame]:g}; use a smaller dt or a higher resolution."
            )
        moments = jnp.asarray(times)
        every = _complete(system, spectra, values, moments)
        tails = np.asarray(system.modes.tail(spectra)).max(axis=(1, 2))
        return {name: np.asarray(system.modes.backward(every[name])) for name in every}, tails, steps

    def _march(self, system: System, state: jax.Array, values: Values, times: np.ndarray) -> tuple[jax.Array, int]:
        """Spectra of all frames [case, time, field, ...] and the steps taken for each."""
        spacing = float(times[1] - times[0]) if len(times) > 1 else 1.0
        if system.linear_only:
            steps = 1  # the exponential of L is exact at any step
        elif self.dt is not None:
            steps = max(1, round(np.ceil(spacing / self.dt - 1e-9)))
        else:
            return self._march_adaptively(system, state, values, times, spacing)
        return _advance(system, len(times) - 1, steps, state, values, jnp.asarray(times[0]), spacing), steps

    def _march_adaptively(
        self, system: System, state: jax.Array, values: Values, times: np.ndarray, spacing: float
    ) -> tuple[jax.Array, int]:
        steps = FIRST_STEPS
        while steps <= MOST_STEPS:
            spectra = _advance(system, len(times) - 1, steps, state, values, jnp.asarray(times[0]), spacing)
            error = 0.0
            for frame in (
                np.unique(np.linspace(0, len(times) - 2, CHECKED_FRAMES).astype(int)) if len(times) > 1 else []
            ):
                begin = jnp.asarray(times[frame])
                better = _advance(system, 1, 2 * steps, _frame(spectra, frame), values, begin, spacing)
                error = max(error, float(_relative(_frame(spectra, frame + 1), _frame(better, 1))))
            if error <= self.tolerance:
                return spectra, steps
            # Fourth order says how many more steps are needed, once they are small enough; before that it overshoots.
            wanted = (error / self.tolerance) ** 0.25 if np.isfinite(error) else MOST_AT_ONCE
            steps *= int(2 ** np.ceil(np.log2(min(max(wanted, 2), MOST_AT_ONCE))))
        raise SciflowError(
            f"No time step down to {spacing / MOST_STEPS:.1e} solves '{self.problem.name}' to a tolerance of "
            f"{self.tolerance:g}; check the parameters, raise the resolution, or give dt."
        )

    def _system(self, cases: Sequence[Case], grid: Grid) -> System:
        bounds = shared_bounds(self.problem, cases)
        key = (grid.shape, tuple(bounds.items()), self.precision)
        if key not in self._systems:
            self._systems[key] = System(self.problem, grid, bounds)
        return self._systems[key]


def _over_cases(system: System, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of one case for all: batched, but on a CPU one after the other in 2-D and 3-D (cache)."""
    if len(system.modes.shape) == 1 or jax.default_backend() != "cpu":
        return jax.vmap(function)
    return lambda *cases: jax.lax.map(lambda case: function(*case), cases)


@partial(jax.jit, static_argnums=0)
def _start(system: System, state: jax.Array, values: Values, time: jax.Array) -> jax.Array:
    """The initial spectra, made to satisfy the constraints that hold no field of their own."""

    def one(state: jax.Array, values: Values) -> jax.Array:
        return system.project(state, time, values, system.operators(values))

    return _over_cases(system, one)(state, values)


@partial(jax.jit, static_argnums=0)
def _complete(system: System, spectra: jax.Array, values: Values, moments: jax.Array) -> Values:
    """Spectra of all fields from those of the evolving ones, [case, time, ...] by name."""

    def one(spectra: jax.Array, values: Values) -> Values:
        operators = system.operators(values)
        return jax.vmap(lambda state, time: system.complete(state, time, values, operators))(spectra, moments)

    return _over_cases(system, one)(spectra, values)


@partial(jax.jit, static_argnums=(0, 1))
def _advance(
    system: System, frames: int, steps: int, state: jax.Array, values: Values, begin: jax.Array, spacing: float
) -> jax.Array:
    """Spectra at begin, begin + spacing, ...: [case, frames + 1, field, ...]; `steps` steps between frames.

    The number of steps is traced, so that another one compiles nothing.
    """
    dt = spacing / steps

    def one(state: jax.Array, values: Values) -> jax.Array:
        operators = system.operators(values)
        exponential = etdrk.matrix_coefficients if system.equations.coupled else etdrk.coefficients
        c = exponential(operators.linear, dt)

        def nonlinear(spectrum: jax.Array, time: jax.Array) -> jax.Array:
            return system.nonlinear(spectrum, time, values, operators)

        def frame(state: jax.Array, index: jax.Array) -> tuple[jax.Array, jax.Array]:
            start = begin + index * spacing

            def body(i: jax.Array, state: jax.Array) -> jax.Array:
                return etdrk.step(c, nonlinear, state, start + i * dt, dt)

            state = c.times("full", state) if system.linear_only else jax.lax.fori_loop(0, steps, body, state)
            return state, state

        _, later = jax.lax.scan(frame, state, jnp.arange(frames))
        return jnp.concatenate([state[None], later])

    return _over_cases(system, one)(state, values)


@jax.jit
def _frame(spectra: jax.Array, index: int) -> jax.Array:
    """One frame of all; compiled once for all indices."""
    return jax.lax.dynamic_index_in_dim(spectra, index, 1, keepdims=False)


@jax.jit
def _finite(spectra: jax.Array) -> jax.Array:
    """[case, time] whether all values are finite."""
    return jnp.isfinite(jnp.sum(jnp.abs(spectra), axis=tuple(range(2, spectra.ndim))))


@jax.jit
def _relative(first: jax.Array, second: jax.Array) -> jax.Array:
    """Largest relative difference over the cases, infinite where one is not finite."""
    axes = tuple(range(1, first.ndim))
    difference = jnp.sqrt(jnp.sum(jnp.abs(first - second) ** 2, axes))
    size = jnp.sqrt(jnp.sum(jnp.abs(second) ** 2, axes))
    ratio = difference / jnp.maximum(size, jnp.finfo(size.dtype).tiny)
    return jnp.max(jnp.where(jnp.isfinite(ratio), ratio, jnp.inf))
