"""The reference solver for incompressible flow through a channel past solid bodies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import ceil, prod
from typing import TYPE_CHECKING, NamedTuple, final

import jax
import numpy as np

from sciflow.core.errors import InputError, SciflowError
from sciflow.solvers.assemble import assemble
from sciflow.solvers.base import Grid, ReferenceSolver, cell_grid, jax_device, times_by_case
from sciflow.solvers.immersed.channel import channel_of, reason_against
from sciflow.solvers.immersed.grid import channel_grid
from sciflow.solvers.immersed.obstacle import solid_fractions
from sciflow.solvers.immersed.program import Program
from sciflow.solvers.immersed.start import Setting, declared_start, inlet_speed
from sciflow.solvers.immersed.stepping import Solid
from sciflow.solvers.incompressible import cases as setup
from sciflow.solvers.incompressible.frames import Frame
from sciflow.solvers.incompressible.grid import Axis, StaggeredGrid
from sciflow.solvers.incompressible.operators import Convection
from sciflow.solvers.initial import initial_fields

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.problems import Case, Problem

CFL = 0.4  # cells that the start, an inviscid flow, crosses in a step
DAMPING = 0.8  # of the largest step with which Adams-Bashforth damps the finest mode, by viscosity and upwinding
PROGRAMS = 8  # grids whose compiled programs are kept


class Forces(NamedTuple):
    """Force on the bodies of a case over time: in N per metre of their length, `(steps,)`; times in s are the middles
    of the steps."""

    time: np.ndarray
    drag: np.ndarray
    lift: np.ndarray


class _Run(NamedTuple):
    """Frames of a case in its units, its forces, and for each frame the step that led to it."""

    frames: list[Frame]
    forces: Forces
    last: np.ndarray


@final
class Immersed(ReferenceSolver):
    r"""Finite volumes on a staggered grid that is graded around the bodies, volume-fraction forcing, direct pressure
    solves.

    .. math:: u_t + u\cdot\nabla u = -\nabla p/\rho + \nu\nabla^2 u, \qquad \nabla\cdot u = 0

    in a rectangle with bodies cut out, where the velocity is prescribed on the sides x-, y- and y+ (it may depend on
    place, time and the case) and leaves freely on x+. Velocities vanish in the bodies, by a forcing that scales them
    with the share of fluid in their control volumes. Explicit second-order steps (Adams-Bashforth) in units of the
    case, with a step fixed by its start; the divergence is round-off. Frames are means over the stored cells, the
    pressure is 0 on average at the outlet. The variables `drag` and `lift` (case, time) are the forces on the bodies.

    A case starts, `spin_up` before the first of the times, from the problem's initial velocity made divergence-free,
    with a small swirl behind each body so that symmetric flows shed vortices too; or, at the first of the times, from
    given frames. Cases are solved one after the other and share a compiled program where their grids are equal.

    Args:
        solve_resolution: cells across the smallest body, normal to the flow. A cylinder at Re 100 (DFG 2D-2) has its
            Strouhal number within 0.2 % and its drag within 0.7 % at 32 cells, within 2 % and 4 % at 16.
        stretch: how many times wider cells may grow away from the bodies, 1 (uniform) to 16.
        convection: ``"quick"`` is upwind-biased and the better one on grids that barely hold the boundary layers of the
            bodies; ``"central"`` conserves energy, and at 32 cells has 8 % less lift.
        spin_up: time computed before the first frame, in units of the problem's characteristic time.
        perturbation: speed of the swirl over the problem's characteristic speed.
        dt: longest step in seconds; None takes what convection and viscosity bear.

    Raises:
        InputError: an option is impossible.
        SciflowError: a run blew up; the message names the case and the time.

    Sources: Harlow and Welch (1965) for the grid; Kajishima et al. (2001) for the forcing; Schaefer and Turek (1996)
    for the benchmark that it is tested with.
    """

    name = "immersed"
    varied = True

    def __init__(
        self,
        problem: Problem,
        resolution: int | Sequence[int],
        *,
        solve_resolution: int = 24,
        stretch: float = 4.0,
        convection: Convection = "quick",
        spin_up: float = 0.0,
        perturbation: float = 0.01,
        dt: float | None = None,
        precision: str = "float64",
        device: str | None = None,
    ) -> None:
        super().__init__(problem, resolution, precision=precision, device=device)
        if convection not in ("central", "quick"):
            raise InputError(f"There is no convection scheme {convection!r}; use 'central' or 'quick'.")
        if not (solve_resolution >= 4 and 1 <= stretch <= 16):
            raise InputError(
                f"solve_resolution is {solve_resolution} and stretch {stretch}; give at least 4 cells across a body "
                "and a stretch of 1 (uniform) to 16."
            )
        if not (spin_up >= 0 and perturbation >= 0) or (dt is not None and not dt > 0):
            raise InputError("spin_up and perturbation must not be negative, and dt must be positive (or None).")
        self.solve_resolution, self.stretch, self.convection = solve_resolution, stretch, convection
        self.spin_up, self.perturbation, self.dt = spin_up, perturbation, dt
        self._channel = channel_of(problem)
        self._dtype = np.dtype(precision)
        self._program = lru_cache(PROGRAMS)(self._compile)

    @classmethod
    def unsupported(cls, problem: Problem) -> str | None:
        return reason_against(problem)

    def grid(self, cases: Sequence[Case]) -> Grid:
        return cell_grid(self.problem, cases, self.resolution)

    def points(self, case: Case) -> int:
        return prod(self._grid_of(case).shape)

    def run(
        self, cases: Sequence[Case], times: np.ndarray, initial: Mapping[str, np.ndarray] | None = None
    ) -> xr.Dataset:
        return self.run_with_forces(cases, times, initial)[0]

    def run_with_forces(
        self, cases: Sequence[Case], times: np.ndarray, initial: Mapping[str, np.ndarray] | None = None
    ) -> tuple[xr.Dataset, list[Forces]]:
        """As `run`, with the forces on the bodies of each case in every step, the spin-up included."""
        rows = times_by_case(times, len(cases))
        given = None
        if initial is not None:
            given = initial_fields(self.problem, cases, self.grid(cases), float(rows[0, 0]), initial)
        solved = []
        with jax.enable_x64(self.precision == "float64"), jax.default_device(jax_device(self.device)):
            for index, (case, row) in enumerate(zip(cases, rows, strict=True)):
                start = None if given is None else [given[w][index] for w in reversed(self._channel.momentum.velocity)]
                solved.append(self._solve(self._setting(case), row, start))
        return self._dataset(cases, rows, solved), [run.forces for run in solved]

    def _setting(self, case: Case) -> Setting:
        unit, own = setup.units_of(self.problem, self._channel.momentum, case), self._grid_of(case)
        program = self._program(*(tuple(np.round(axis.faces, 12)) for axis in own.axes))
        shapes, values = self._channel.obstacles, self.problem.values(case.values)
        fractions = solid_fractions(shapes, values, program.grid, unit.bounds)
        if max(part.max() for part in fractions) == 0:
            raise InputError(f"The bodies of '{self.problem.name}' lie outside the channel in case {case.index}.")
        return Setting(case, unit, program, Solid(*(part.astype(self._dtype) for part in fractions)))

    def _grid_of(self, case: Case) -> StaggeredGrid:
        """Cells of equal width around the bodies, growing towards the sides."""
        (x0, x1), (y0, y1) = self.problem.bounds(case.parameters).values()
        shapes, values = self._channel.obstacles, self.problem.values(case.values)
        boxes = [list(shape.box(values).values()) for shape in shapes]
        diameter = min(high - low for _, (low, high) in boxes)
        spans = [(min(box[k][0] for box in boxes), max(box[k][1] for box in boxes)) for k in (1, 0)]
        spans = [(low - origin, high - origin) for (low, high), origin in zip(spans, (y0, x0), strict=True)]
        return channel_grid(
            (y1 - y0, x1 - x0), (spans[0], spans[1]), diameter / self.solve_resolution, diameter, self.stretch
        )

    def _compile(self, y: tuple[float, ...], x: tuple[float, ...]) -> Program:
        grid = StaggeredGrid(Axis(np.array(y)), Axis(np.array(x)))
        shape = self.resolution[1], self.resolution[0]
        return Program(grid, self.convection, shape, self._dtype, setup.sides_of(self.problem, self._channel.sides))

    def _solve(self, setting: Setting, times: np.ndarray, given: Sequence[np.ndarray] | None) -> _Run:
        unit, program, solid = setting.unit, setting.program, setting.solid
        spin_up = 0.0 if given is not None else self.spin_up * self.problem.scale("t", setting.case.values)
        longest = self._longest_step(setting, times[0] - spin_up, times[-1])
        dt, between = setup.whole_steps(times, longest) if len(times) > 1 else (longest, np.zeros(0, np.int64))
        before = ceil(spin_up / dt * (1 - 1e-9))
        start = float(times[0] - before * dt)
        arrays = unit.arrays(self.problem, setting.case, dt, start, self._dtype)
        state, _ = program.begin(arrays, solid, *self._start(setting, start, given))
        frames, forces = [], []
        for count, time in zip([before, *between], times, strict=True):
            state, force = program.advance(arrays, solid, state, int(count))
            forces.append(force)
            frames.append(program.frame(arrays, state))
            if not np.isfinite(frames[-1].u).all():
                raise SciflowError(
                    f"Case {setting.case.index} of '{self.problem.name}' blew up before time {time:g} s with steps of "
                    f"{dt:.2g} s; give a smaller dt, such as {dt / 2:.2g}."
                )
        history = np.concatenate(forces) * unit.pressure * unit.length
        last = np.maximum(before + np.concatenate([[0], np.cumsum(between)]) - 1, 0)
        return _Run(frames, Forces(start + dt * (np.arange(len(history)) + 0.5), *history.T), last)

    def _start(
        self, setting: Setting, time: float, given: Sequence[np.ndarray] | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Velocities (v, u) at the inner faces that a case starts from, in its units."""
        if given is None:
            return declared_start(self.problem, self._channel, setting, time, self.perturbation)
        v, u = setting.program.fill(*given)
        return v / setting.unit.speed, u / setting.unit.speed

    def _longest_step(self, setting: Setting, start: float, end: float) -> float:
        """Seconds that a step may take: the inviscid flow past the bodies at the largest speed of the inlet sets it."""
        if self.dt is not None:
            return self.dt
        unit, program = setting.unit, setting.program
        times = np.linspace(start, end, 257)
        time = float(times[np.argmax(inlet_speed(self.problem, self._channel, setting, times))])
        arrays = unit.arrays(self.problem, setting.case, 1.0, time, self._dtype)
        zeros = [np.zeros(shape.shape) for shape in setting.solid]
        _, fastest = program.begin(arrays, setting.solid, *zeros)
        squares = sum(
            1 / (axis.widths.min() * length) ** 2
            for axis, length in zip(program.grid.axes, arrays.flow.lengths, strict=True)
        )
        damped = DAMPING / (4 * float(arrays.flow.nu) * squares + fastest)
        return unit.time * min(damped, CFL / fastest if fastest > 0 else damped)

    def _dataset(self, cases: Sequence[Case], times: np.ndarray, solved: Sequence[_Run]) -> xr.Dataset:
        """Fields [case, time, y, x] in the units of the problem, and the forces at the frames."""
        momentum = self._channel.momentum
        units = [setup.units_of(self.problem, momentum, case) for case in cases]
        pairs = list(zip(solved, units, strict=True))
        u, v = momentum.velocity
        fields = {
            u: np.stack([np.stack([frame.u for frame in run.frames]) * unit.speed for run, unit in pairs]),
            v: np.stack([np.stack([frame.v for frame in run.frames]) * unit.speed for run, unit in pairs]),
            momentum.pressure: np.stack(
                [np.stack([frame.p for frame in run.frames]) * unit.pressure for run, unit in pairs]
            ),
        }
        fields = {name: array.astype(self._dtype) for name, array in fields.items()}
        data = assemble(self.problem, cases, times, self.grid(cases), fields)
        for name in ("drag", "lift"):
            values = [_at(getattr(run.forces, name), run.last) for run in solved]
            attrs = {"units": "N/m", "long_name": f"{name} on the bodies per length", "role": "boundary"}
            data[name] = (("case", "time"), np.stack(values), attrs)
        data.attrs["solved_on"] = (
            f"staggered cells, {self.solve_resolution} across a body, up to {self.stretch:g} times wider away from it, "
            f"{self.convection} convection"
        )
        return data


def _at(history: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Values after the given steps; zeros where none was taken."""
    return history[steps] if len(history) else np.zeros(len(steps))
