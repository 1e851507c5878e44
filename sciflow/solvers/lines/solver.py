"""The generic solver between walls: any evolution equation on a box that is not periodic along all axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp
import numpy as np

from sciflow.core.errors import InputError, SciflowError, near
from sciflow.solvers.assemble import assemble
from sciflow.solvers.base import Grid, ReferenceSolver, check_times, jax_device, node_grid, shared_bounds
from sciflow.solvers.initial import initial_fields
from sciflow.solvers.lines.system import Numbers, System

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.problems import Case, Problem
    from sciflow.solvers.lines.march import Stepping

METHODS = ("auto", "explicit", "implicit")
ACCURACIES = (2, 4)
TOLERANCES = {"float64": (1e-7, 1e-9), "float32": (1e-4, 1e-6)}
MOST_IMPLICIT = 3000  # unknowns; the dense factors of an implicit step then take about a second on one core


@final
class Lines(ReferenceSolver):
    """Method of lines: finite differences on nodes, adaptive steps in time; 1-D and 2-D systems between walls.

    Along an axis with walls the nodes are x_j = low + j (high - low) / (n - 1), both ends included; along a periodic
    one x_j = low + j (high - low) / n. Dirichlet nodes follow their datum, in the first frame too; Neumann and Robin
    conditions are part of the differences (`sciflow.problems.differences.Line`). A side may be without a condition
    for fields that are differentiated once only (outflow).

    Args:
        accuracy: order of the differences, 2 or 4, up to the walls. None takes 4 in 1-D, and in 2-D 2, whose narrow
            stencils stay monotone where data meet in a corner and allow larger explicit steps. (Sixth order is left
            out: with walls its second derivative has complex eigenvalues, and waves would grow.)
        method: ``"explicit"`` (Tsit5), ``"implicit"`` (Kvaerno5, stiffly accurate, dense Newton) or ``"auto"``:
            implicit where diffusion would limit explicit steps so much that it is cheaper, judged by the spectral
            radius of the Jacobian at the start. The choice is stored as attribute ``time_method``.
        rtol, atol: tolerances of a step, atol in units of the declared scale of a field; None takes 1e-7 and 1e-9 in
            float64, 1e-4 and 1e-6 in float32.
        max_steps: the most steps for one case.
        oversample: solve on a grid with this many times as many intervals and store every `oversample`-th node.

    Raises:
        InputError: an option is impossible, or an implicit run would have more than 3000 unknowns.
        SciflowError: the end was not reached in `max_steps` steps.

    Notes:
        Good values: 65 to 513 nodes in 1-D, 33 to 129 in 2-D. In 2-D diffusion on finer grids is slow, since the
        implicit method is for small systems only. Shocks need another method: nothing here limits slopes.

    Source: Tsitouras (2011), Kvaerno (2004), both as in diffrax (Kidger 2021).
    """

    name = "lines"

    def __init__(
        self,
        problem: Problem,
        resolution: int | Sequence[int],
        *,
        accuracy: int | None = None,
        method: str = "auto",
        rtol: float | None = None,
        atol: float | None = None,
        max_steps: int = 100_000,
        oversample: int = 1,
        precision: str = "float64",
        device: str | None = None,
    ) -> None:
        super().__init__(problem, resolution, precision=precision, device=device)
        if method not in METHODS:
            raise InputError(f"There is no time method {method!r}.{near(method, METHODS)}")
        if accuracy is not None and accuracy not in ACCURACIES:
            raise InputError(f"The accuracy of the method of lines is {accuracy!r}; use 2 or 4.")
        self.accuracy = accuracy or (4 if len(problem.axes) == 1 else 2)
        usual = TOLERANCES[precision]
        self.rtol, self.atol = (usual[0] if rtol is None else rtol), (usual[1] if atol is None else atol)
        if not (self.rtol > 0 and self.atol > 0):
            raise InputError(f"rtol is {self.rtol} and atol {self.atol}; both must be positive, as 1e-7 and 1e-9.")
        if int(oversample) != oversample or oversample < 1 or int(max_steps) != max_steps or max_steps < 1:
            raise InputError("oversample and max_steps must be whole numbers of at least 1.")
        self.method, self.max_steps, self.oversample = method, int(max_steps), int(oversample)
        self._systems: dict[Any, System] = {}

    @classmethod
    def unsupported(cls, problem: Problem) -> str | None:
        return System.unsupported(problem)

    def grid(self, cases: Sequence[Case]) -> Grid:
        return self._nodes(cases, 1)

    def _nodes(self, cases: Sequence[Case], factor: int) -> Grid:
        return node_grid(self.problem, cases, self.resolution, factor)

    def run(
        self, cases: Sequence[Case], times: np.ndarray, initial: Mapping[str, np.ndarray] | None = None
    ) -> xr.Dataset:
        times = check_times(times)
        fine = 1 if initial is not None else self.oversample
        grid = self._nodes(cases, fine)
        start = initial_fields(self.problem, cases, grid, float(times[0]), initial)
        with jax.enable_x64(self.precision == "float64"), jax.default_device(jax_device(self.device)):
            frames, stepping, steps = self._solve(cases, grid, times, start)
        pick: tuple[Any, ...] = (..., *(slice(None, None, fine) for _ in grid.axes))
        arrays = {name: frames[:, :, index][pick] for index, name in enumerate(self.problem.evolution)}
        data = assemble(self.problem, cases, times, self.grid(cases), arrays)
        data.attrs.update(time_method=stepping.method, accuracy=self.accuracy, steps=steps)
        return data

    def _solve(
        self, cases: Sequence[Case], grid: Grid, times: np.ndarray, start: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, Stepping, int]:
        """Frames [case, time, fields, (y,) x], how they were stepped, and the most steps that a case took."""
        from sciflow.solvers.lines.march import march

        system, bounds = self._system(grid), shared_bounds(self.problem, cases)
        numbers = [system.numbers(case.values, bounds) for case in cases]
        moments = jnp.asarray(times)
        states = list(jnp.asarray(np.stack([start[name] for name in system.fields], axis=1)))
        stepping = self._stepping(system, states, numbers, times)
        frames, most = [], 0
        for case, state, own in zip(cases, states, numbers, strict=True):
            if len(times) == 1:
                frames.append(np.asarray(system.impose(moments[0], state, own))[None])
                continue
            sizes = [self.problem.scale(name, case.values) for name in system.fields]
            scale = jnp.asarray(sizes).reshape(-1, *(1 for _ in grid.axes))
            found, steps, reached = march(system, stepping, state, scale, moments, own)
            frames.append(np.asarray(found))
            most = max(most, int(steps))
            if not reached or not np.all(np.isfinite(frames[-1])):
                raise self._failure(case, frames[-1], times, int(steps), stepping)
        return np.stack(frames), stepping, most

    def _stepping(
        self, system: System, states: Sequence[jax.Array], numbers: Sequence[Numbers], times: np.ndarray
    ) -> Stepping:
        from sciflow.solvers.lines.march import Stepping, pays_implicit, stiffness

        method, unknowns, begin = self.method, states[0].size, jnp.asarray(times[0])
        if method == "implicit" and unknowns > MOST_IMPLICIT:
            raise InputError(
                f"An implicit run of '{self.problem.name}' would have {unknowns} unknowns and dense factors; use at "
                f"most {MOST_IMPLICIT}, or method='explicit'."
            )
        if method == "auto":
            rates = [stiffness(system, state, begin, own) for state, own in zip(states, numbers, strict=True)]
            duration = float(times[-1] - times[0])
            stiff = any(pays_implicit(float(rate), float(decay), duration, unknowns) for rate, decay in rates)
            method = "implicit" if stiff and unknowns <= MOST_IMPLICIT else "explicit"
        return Stepping(method, self.rtol, self.atol, self.max_steps)

    def _failure(
        self, case: Case, frames: np.ndarray, times: np.ndarray, steps: int, stepping: Stepping
    ) -> SciflowError:
        finite = np.isfinite(frames).all(axis=tuple(range(1, frames.ndim)))
        last = times[np.flatnonzero(finite)[-1]] if finite.any() else times[0]
        other = "implicit" if stepping.method == "explicit" else "explicit"
        return SciflowError(
            f"The solution of '{self.problem.name}' in case {case.index} got to a frame at time {last:g} but not to "
            f"the next in {steps} {stepping.method} steps; it may grow without bound or be stiff: try "
            f"method='{other}', another resolution, or more max_steps."
        )

    def _system(self, grid: Grid) -> System:
        key = (grid.shape, tuple((points[0], points[-1]) for points in grid.axes.values()), self.precision)
        if key not in self._systems:
            self._systems[key] = System(self.problem, grid, self.accuracy)
        return self._systems[key]
