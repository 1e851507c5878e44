"""The reference solver for flow between two walls, laminar or turbulent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, final

import jax
import numpy as np

from sciflow.core.errors import InputError
from sciflow.problems.compile import numeric
from sciflow.problems.geometry import evaluate
from sciflow.solvers.assemble import assemble
from sciflow.solvers.base import Grid, ReferenceSolver, check_times, resolution_of, shared_bounds
from sciflow.solvers.channel.convection import Velocity
from sciflow.solvers.channel.equations import channel_equations
from sciflow.solvers.channel.frames import Filter, Frames
from sciflow.solvers.channel.grid import HEIGHT, channel_grid, wall_nodes
from sciflow.solvers.channel.run import LIMIT, Run, computing
from sciflow.solvers.channel.start import disturbance, from_profile
from sciflow.solvers.channel.stepping import Scheme, State
from sciflow.solvers.channel.subgrid import SubgridName, subgrid_model
from sciflow.solvers.incompressible.cases import whole_steps
from sciflow.solvers.initial import initial_fields

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.problems import Case, Problem

DRIVES = ("flow-rate", "pressure-gradient")
FRACTION = 0.55  # of the stability limit, for the centre velocity of the laminar profile


@final
class Channel(ReferenceSolver):
    r"""Fourier modes along x and z, finite volumes on a stretched staggered grid along y, Runge-Kutta of three stages.

    .. math:: u_t + u\cdot\nabla u = -\nabla p + \nu\nabla^2 u + f e_x, \qquad \nabla\cdot u = 0

    for 0 < y < 2 m. Products are free of aliases and conserve energy; viscosity is implicit, pressure and viscosity
    are solved directly, and the divergence is round-off. Second order in y and in time. Frames lie on nodes that are
    equally spaced along x and z and refined towards the walls along y (`wall_nodes`).

    Args:
        solve_resolution: cells along x, y, z to solve on; 32 x 64 x 32 over pi x 2 x 0.4 pi resolves Re_tau 180.
        stretch: refinement towards the walls of `tanh_centres`.
        dt: step in seconds, shortened to meet the frames; None takes 0.55 of the limit of stability for the centre
            velocity of the start. A step that proves unstable is halved with a warning.
        drive: ``"flow-rate"`` keeps the bulk velocity of the problem's start exactly (f adjusts itself, and its mean
            over the frames is the coordinate ``mean_force``); ``"pressure-gradient"`` keeps the declared f.
        disturbance: rms, in bulk velocities, of random large eddies that are added to the start, by the case's seed.
        spin_up: seconds that the flow runs before the first frame; about 10 half-heights over friction velocity forget
            the start.
        subgrid: ``"none"``, ``"smagorinsky"`` (dynamic, averaged over planes) or ``"wale"``.
        filter: what stored modes keep, ``"cutoff"`` or ``"box"`` (`Frames`).

    Raises:
        InputError: an option is impossible.
        SciflowError: the step is still unstable after four halvings.

    Sources: Kim, Moin and Moser (1987), J. Fluid Mech. 177; Spalart, Moser and Rogers (1991), J. Comput. Phys. 96.
    """

    name = "channel"

    def __init__(
        self,
        problem: Problem,
        resolution: int | Sequence[int],
        *,
        solve_resolution: int | Sequence[int] = (32, 64, 32),
        stretch: float = 2.0,
        dt: float | None = None,
        drive: Literal["flow-rate", "pressure-gradient"] = "flow-rate",
        disturbance: float = 0.0,
        spin_up: float = 0.0,
        subgrid: SubgridName = "none",
        filter: Filter = "cutoff",
        precision: str = "float64",
        device: str | None = None,
    ) -> None:
        super().__init__(problem, resolution, precision=precision, device=device)
        if dt is not None and not dt > 0:
            raise InputError(f"dt is {dt}; give a positive time step in seconds, or None to have it chosen.")
        if drive not in DRIVES:
            raise InputError(f"A channel has no drive {drive!r}; use 'flow-rate' or 'pressure-gradient'.")
        if disturbance < 0 or spin_up < 0:
            raise InputError(f"disturbance and spin_up are {disturbance} and {spin_up}; they must not be negative.")
        subgrid_model(subgrid, 1.0)
        nx, ny, nz = resolution_of(problem, solve_resolution)
        self.cells, self.stretch, self.dt, self.drive = (nx, ny, nz), stretch, dt, drive
        self.disturbance, self.spin_up, self.subgrid, self.filter = disturbance, spin_up, subgrid, filter
        self._equations = channel_equations(problem)
        self._schemes: dict[tuple[float, ...], Scheme] = {}

    @classmethod
    def unsupported(cls, problem: Problem) -> str | None:
        try:
            channel_equations(problem)
        except InputError as error:
            return str(error)
        return None

    def grid(self, cases: Sequence[Case]) -> Grid:
        (x, (x0, x1)), (y, _), (z, (z0, z1)) = shared_bounds(self.problem, cases).items()
        nx, ny, nz = self.resolution
        axes = {x: x0 + (x1 - x0) * np.arange(nx) / nx, y: wall_nodes(ny), z: z0 + (z1 - z0) * np.arange(nz) / nz}
        return Grid(axes, "nodes")

    def points(self, case: Case) -> int:
        return math.prod(self.cells)

    def scheme(self, case: Case) -> Scheme:
        """The scheme of a case; cases with equal parameters share one, and its compiled program.

        Raises:
            InputError: the viscosity is not positive, or the walls do not lie at y = 0 and y = 2.
        """
        values = self.problem.values(case.values)
        (x0, x1), walls, (z0, z1) = self.problem.bounds(case.parameters).values()
        found = self._equations
        nu, force, bulk = (float(evaluate(part, values)) for part in (found.viscosity, found.force, found.bulk))
        if nu <= 0 or walls != (0.0, HEIGHT):
            raise InputError(
                f"Case {case.index} of '{self.problem.name}' has viscosity {nu:g} and walls at y = {walls[0]:g} and "
                f"{walls[1]:g}; a channel needs a positive viscosity and walls at 0 and 2."
            )
        key = nu, force, bulk, x1 - x0, z1 - z0
        if key not in self._schemes:
            grid = channel_grid(self.cells, (x1 - x0, z1 - z0), self.stretch)
            kept = bulk if self.drive == "flow-rate" else None
            self._schemes[key] = Scheme(grid, nu, kept, force, subgrid_model(self.subgrid, nu))
        return self._schemes[key]

    def start(self, case: Case, *, time: float = 0.0, longest: float = math.inf) -> Run:
        """A run from the declared profile and the disturbance, before any spin-up.

        Args:
            time: of the start, in seconds.
            longest: bound on the step in seconds.
        """
        scheme = self.scheme(case)
        y = next((s for s in self._equations.profile.free_symbols if s.name == "y"), self.problem.space[1])
        names = [info.symbol for info in (*self.problem.parameters, *self.problem.coefficients)]
        values = self.problem.values(case.values)
        function = numeric([y, *names], self._equations.profile)
        centres = scheme.grid.centres
        profile = np.broadcast_to(function(centres, *(values[symbol.name] for symbol in names)), centres.shape)
        with computing(self.precision, self.device):
            velocity = from_profile(profile, scheme.waves)
            if self.disturbance:
                bulk = float(evaluate(self._equations.bulk, values))
                eddies = disturbance(scheme.waves, self.disturbance * bulk, case.rng(0))
                velocity = Velocity(*(a + b for a, b in zip(velocity, eddies, strict=True)))
            state = jax.jit(scheme.begin)(velocity)
        return self._from(scheme, state, time, min(self._longest(scheme, case), longest))

    def run(
        self, cases: Sequence[Case], times: np.ndarray, initial: Mapping[str, np.ndarray] | None = None
    ) -> xr.Dataset:
        moments = check_times(times)
        grid, solved, forces = self.grid(cases), [], []
        given = None
        if initial is not None:
            given = initial_fields(self.problem, cases, grid, float(moments[0]), initial)
        for index, case in enumerate(cases):
            scheme = self.scheme(case)
            frames = Frames(scheme.waves, self.resolution, self.filter)  # type: ignore[arg-type]
            longest = self._longest(scheme, case)
            dt, counts = whole_steps(moments, longest) if len(moments) > 1 else (longest, np.zeros(0, np.int64))
            if given is None:
                run = self._spun_up(case, float(moments[0]), dt)
            else:
                with computing(self.precision, self.device):
                    filled = frames.fill(*(given[name][index] for name in self._equations.velocity))
                    state = jax.jit(scheme.begin)(filled)
                run = self._from(scheme, state, float(moments[0]), dt)
            rows, force = self._frames(run, frames, moments, counts * dt)
            solved.append(rows)
            forces.append(force)
        fields = {
            name: np.stack([[row[short] for row in rows] for rows in solved])
            for name, short in zip((*self._equations.velocity, self._equations.pressure), "uvwp", strict=True)
        }
        data = assemble(self.problem, cases, moments, grid, fields)
        attrs = {"role": "number", "units": "m/s^2", "long_name": "mean pressure gradient over density"}
        data.attrs["solved_on"] = f"{' x '.join(map(str, self.cells))} cells, subgrid model {self.subgrid}"
        return data.assign_coords(mean_force=("case", np.array(forces), attrs))

    def _spun_up(self, case: Case, time: float, dt: float) -> Run:
        """The run at the first frame. Spin-up takes whole steps, a little longer than asked for at most."""
        run = self.start(case, time=time, longest=dt)
        if self.spin_up:
            run.cross(math.ceil(self.spin_up / run.dt) * run.dt)
            run.time, run.dt = time, dt  # the disturbance of the start may have needed shorter steps
        return run

    @staticmethod
    def _frames(
        run: Run, frames: Frames, moments: np.ndarray, spacings: np.ndarray
    ) -> tuple[list[dict[str, np.ndarray]], float]:
        """The frames, and the mean pressure gradient between the first and the last."""
        read = jax.jit(frames.read)

        def frame() -> dict[str, np.ndarray]:
            with computing(run.precision, run.device):
                return {name: np.asarray(part) for name, part in read(run.state).items()}

        rows, pushed = [frame()], 0.0
        for spacing in spacings:
            pushed += run.cross(float(spacing)) * float(spacing)
            rows.append(frame())
        length = float(moments[-1] - moments[0])
        return rows, pushed / length if length else run.force

    def _from(self, scheme: Scheme, state: State, time: float, dt: float) -> Run:
        return Run(scheme, state, dt, time=time, precision=self.precision, device=self.device)

    def _longest(self, scheme: Scheme, case: Case) -> float:
        """Seconds that a step may take."""
        if self.dt is not None:
            return self.dt
        bulk = float(evaluate(self._equations.bulk, self.problem.values(case.values)))
        rate = math.pi * scheme.grid.nx / scheme.grid.lx * 1.5 * abs(bulk)
        return FRACTION * LIMIT / rate if rate else 0.01
