"""The reference solver for incompressible flow between walls."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, final

import jax
import numpy as np

from sciflow.core.errors import InputError, SciflowError
from sciflow.solvers.assemble import assemble
from sciflow.solvers.base import Grid, ReferenceSolver, cell_grid, jax_device, resolution_of, times_by_case
from sciflow.solvers.incompressible import cases as setup
from sciflow.solvers.incompressible.cases import Units
from sciflow.solvers.incompressible.frames import Frame
from sciflow.solvers.incompressible.grid import StaggeredGrid, tanh_axis
from sciflow.solvers.incompressible.march import time_step
from sciflow.solvers.incompressible.momentum import momentum_coefficients, reason_against, wall_velocities
from sciflow.solvers.incompressible.operators import Convection
from sciflow.solvers.incompressible.program import Program
from sciflow.solvers.initial import initial_fields

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.problems import Case, Problem

HALVINGS = 4  # of a step that proves unstable on the way to a steady state


@final
class Incompressible(ReferenceSolver):
    r"""Finite volumes on a stretched staggered grid, direct pressure and diffusion solves, SBDF2 projection.

    .. math:: u_t + u\cdot\nabla u = -\nabla p/\rho + \nu\nabla^2 u, \qquad \nabla\cdot u = 0

    in a rectangle whose four sides prescribe the velocity, which may depend on time, place and the case (signals).
    Second order in space and time; the divergence is round-off. Frames are resampled by cubic splines to `resolution`
    uniform cells, or to means over them where the grid is finer. A case starts at the first of the times from the
    problem's initial velocity (rest, if it declares none) or from given frames, which are made divergence-free. All
    cases share one compiled program; a CPU takes them one after the other, a GPU those in batches whose frames are at
    equal times in units of length over speed.

    Args:
        convection: ``"central"`` conserves energy and suits Re up to 1000; ``"quick"`` is upwind-biased and better
            above.
        stretch: refinement towards the walls, 0 (uniform) to 5; 1.6 halves the cells an accurate cavity needs on each
            axis.
        solve_resolution: cells along each axis to solve on, one number or one per axis in the order x, y. At Re 2000
            the lid-driven cavity on 64 stretched cells differs from 96 by 0.2 % (normalised squared error); take 96 to
            128 up to Re 10,000.
        dt: longest step in seconds; None takes what the convection bears at the largest wall speed (`march.time_step`).

    Raises:
        InputError: an option is impossible.
        SciflowError: a run blew up; the message names the case and the time.

    Sources: Harlow and Welch (1965) for the grid; Guermond, Minev and Shen (2006) for the projection.
    """

    name = "incompressible"
    varied = True

    def __init__(
        self,
        problem: Problem,
        resolution: int | Sequence[int],
        *,
        convection: Convection = "central",
        stretch: float = 1.6,
        solve_resolution: int | Sequence[int] = 64,
        dt: float | None = None,
        precision: str = "float64",
        device: str | None = None,
    ) -> None:
        super().__init__(problem, resolution, precision=precision, device=device)
        if convection not in ("central", "quick"):
            raise InputError(f"There is no convection scheme {convection!r}; use 'central' or 'quick'.")
        if dt is not None and not dt > 0:
            raise InputError(f"dt is {dt}; give a positive time step in seconds, or None to have it chosen.")
        nx, ny = resolution_of(problem, solve_resolution)
        self.dt, self.convection = dt, convection
        self.staggered = StaggeredGrid(tanh_axis(ny, stretch), tanh_axis(nx, stretch))
        self._momentum = momentum_coefficients(problem)
        self._walls = wall_velocities(problem, self._momentum.velocity)
        self._dtype = np.dtype(precision)

    @cached_property
    def _program(self) -> Program:
        shape = self.resolution[1], self.resolution[0]
        return Program(self.staggered, self.convection, shape, self._dtype, setup.sides_of(self.problem, self._walls))

    @classmethod
    def unsupported(cls, problem: Problem) -> str | None:
        return reason_against(problem)

    def grid(self, cases: Sequence[Case]) -> Grid:
        return cell_grid(self.problem, cases, self.resolution)

    def points(self, case: Case) -> int:
        return math.prod(self.staggered.shape)

    def run(
        self, cases: Sequence[Case], times: np.ndarray, initial: Mapping[str, np.ndarray] | None = None
    ) -> xr.Dataset:
        rows = times_by_case(times, len(cases))
        starts = self._starts(cases, rows[:, 0], initial)
        units = [setup.units_of(self.problem, self._momentum, case) for case in cases]
        longest = [self._longest_step(*item) for item in zip(cases, units, starts, rows, strict=True)]
        device = jax_device(self.device)
        with jax.enable_x64(self.precision == "float64"), jax.default_device(device):
            own = np.array([unit.time for unit in units])
            alike = bool(np.allclose(rows / own[:, None], rows[0] / own[0], rtol=1e-12))
            together = alike and (device.platform if device else jax.default_backend()) != "cpu"
            if together:
                longest = list(min(np.array(longest) / own) * own)
            plans = [self._plan(row, step) for row, step in zip(rows, longest, strict=True)]
            arrays = [
                unit.arrays(self.problem, case, dt, float(row[0]), self._dtype)
                for case, unit, row, (dt, _) in zip(cases, units, rows, plans, strict=True)
            ]
            steps = [counts for _, counts in plans]
            stored = initial is not None
            program = self._program
            solved = (
                program.run_together(arrays, starts, steps[0], stored)
                if together
                else program.run(arrays, starts, steps, stored)
            )
        self._check_finite(cases, rows, [dt for dt, _ in plans], solved)
        return self._dataset(cases, units, rows, solved)

    def steady(self, cases: Sequence[Case], *, rate: float = 1e-6, longest: float = 1000.0) -> xr.Dataset:
        """March each case to its steady state, from the problem's initial velocity at time 0.

        Args:
            cases: parameters; walls whose velocity never settles have no steady state.
            rate: largest rate of change of a velocity component that counts as steady, in units of speed squared over
                length.
            longest: give up after this many times length over speed.

        Returns:
            Data set as from `run` with one time, that of the case that took longest.

        Raises:
            SciflowError: no steady state was reached.
        """
        starts = self._starts(cases, np.zeros(len(cases)), None)
        units = [setup.units_of(self.problem, self._momentum, case) for case in cases]
        with jax.enable_x64(self.precision == "float64"), jax.default_device(jax_device(self.device)):
            found = [self._settle(*item, rate, longest) for item in zip(cases, units, starts, strict=True)]
        return self._dataset(cases, units, np.array([max(end for _, end in found)]), [frame for frame, _ in found])

    def _settle(
        self, case: Case, unit: Units, start: tuple[np.ndarray, np.ndarray], rate: float, longest: float
    ) -> tuple[Frame, float]:
        """Steady frame of a case (with a leading axis of time) and when it was reached."""
        end = longest * unit.time
        # A steady state needs no accuracy in time, and most flows bear 2.5 times the step that all of them bear.
        dt = self.dt or 2.5 * self._longest_step(case, unit, start, np.array([0.0, end]))
        for _ in range(HALVINGS):
            arrays = unit.arrays(self.problem, case, dt, 0.0, self._dtype)
            frame, last, count = self._program.steady(arrays, start, rate, int(end / dt))
            if last <= rate:
                return Frame(*(field[None] for field in frame)), count * dt
            if np.isfinite(last):
                break
            dt /= 2
        raise SciflowError(
            f"Case {case.index} of '{self.problem.name}' did not become steady: its rate of change was {last:.1e} "
            f"after {count} steps of {dt:.2g} s; allow a longer time or a larger rate, or give a smaller dt."
        )

    def _starts(
        self, cases: Sequence[Case], times: np.ndarray, initial: Mapping[str, np.ndarray] | None
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Velocities (v, u) of each case in m/s: at stored cells if frames are given, else at the faces of the grid."""
        u, v = self._momentum.velocity
        if initial is not None:
            given = initial_fields(self.problem, cases, self.grid(cases), float(times[0]), initial)
            return list(zip(given[v], given[u], strict=True))
        return [self._start(case, float(time)) for case, time in zip(cases, times, strict=True)]

    def _start(self, case: Case, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Velocities (v, u) that the problem declares, at the faces of the grid."""
        (x, (x0, x1)), (y, (y0, y1)) = self.problem.bounds(case.parameters).items()
        grid, fields = self.staggered, []
        u, v = self._momentum.velocity
        places = {v: (grid.x.centres, grid.y.faces[1:-1]), u: (grid.x.faces[1:-1], grid.y.centres)}
        for name, (xs, ys) in places.items():
            lines = Grid({x: x0 + (x1 - x0) * xs, y: y0 + (y1 - y0) * ys}, "nodes")
            fields.append(initial_fields(self.problem, [case], lines, time)[name][0])
        return fields[0], fields[1]

    def _longest_step(self, case: Case, unit: Units, start: tuple[np.ndarray, np.ndarray], times: np.ndarray) -> float:
        """Seconds that a step may take."""
        walls = setup.largest_wall_speed(self.problem, self._walls, unit, case, times)
        speed = max(walls, *(float(np.abs(component).max()) for component in start))
        (x0, x1), (y0, y1) = (unit.bounds[axis] for axis in self.problem.axes)
        stable = time_step(self.staggered, (y1 - y0, x1 - x0), speed) if speed > 0 else unit.time
        return self.dt or stable

    @staticmethod
    def _plan(times: np.ndarray, longest: float) -> tuple[float, np.ndarray]:
        """Step in seconds and the steps before each frame."""
        if len(times) == 1:
            return longest, np.zeros(1, np.int64)
        dt, steps = setup.whole_steps(times, longest)
        return dt, np.concatenate([[0], steps])

    def _check_finite(self, cases: Sequence[Case], rows: np.ndarray, steps: list[float], solved: list[Frame]) -> None:
        for case, times, dt, frame in zip(cases, rows, steps, solved, strict=True):
            finite = np.isfinite(frame.u).all(axis=(1, 2)) & np.isfinite(frame.v).all(axis=(1, 2))
            if not finite.all():
                raise SciflowError(
                    f"Case {case.index} of '{self.problem.name}' blew up before time {times[np.argmin(finite)]:g} s "
                    f"with steps of {dt:.2g} s; give a smaller dt, such as {dt / 2:.2g}."
                )

    def _dataset(self, cases: Sequence[Case], units: list[Units], times: np.ndarray, solved: list[Frame]) -> xr.Dataset:
        """Fields [case, time, y, x] in the units of the problem."""
        u, v = self._momentum.velocity
        pressure = [frame.p * unit.pressure for frame, unit in zip(solved, units, strict=True)]
        fields = {
            u: np.stack([frame.u for frame in solved]),
            v: np.stack([frame.v for frame in solved]),
            self._momentum.pressure: np.stack(pressure).astype(self._dtype),
        }
        data = assemble(self.problem, cases, times, self.grid(cases), fields)
        data.attrs["solved_on"] = (
            f"{self.staggered.x.cells} x {self.staggered.y.cells} staggered cells, {self.convection} convection"
        )
        return data
