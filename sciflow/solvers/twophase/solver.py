"""The reference solver for water and air."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np

from sciflow.core.errors import InputError, SciflowError
from sciflow.solvers.assemble import assemble
from sciflow.solvers.base import Grid, ReferenceSolver, cell_grid, jax_device, resolution_of, times_by_case
from sciflow.solvers.twophase import cases as setup
from sciflow.solvers.twophase.frames import cell_means, spread, to_cells, to_faces
from sciflow.solvers.twophase.layout import Fluids, Layout
from sciflow.solvers.twophase.pressure import PressureSolver
from sciflow.solvers.twophase.stepping import Setting, State, Stepper

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.problems import Case, Problem

PROJECTIONS = {"split": 1e-3, "pcg": 1e-9}  # tolerance of the velocity
STEPS = 1_000_000  # in one case


class _Programs(NamedTuple):
    """The compiled parts, shared by all cases."""

    solver: PressureSolver
    begin: Any
    advance: Any


@final
class TwoPhase(ReferenceSolver):
    r"""Incompressible water and air with a sharp interface, by geometric volume of fluid on a uniform staggered grid.

    .. math:: \rho(u_t + u\cdot\nabla u) = -\nabla p + \nabla\cdot\mu(\nabla u + \nabla u^T) + (\rho - \rho_a) g,\qquad
       \nabla\cdot u = 0,\qquad \alpha_t + u\cdot\nabla\alpha = 0

    in a rectangle, which may have a rectangle cut out, without surface tension. Water enters through x- at the declared
    velocity; x+ is a wall or open: there `p = 0`, and what is drawn in is air from rest, at the price of its dynamic
    pressure. The other sides are walls, no-slip or slip (`Neumann` for u). Second order in space (limited), first
    order in time with steps chosen by the Courant number and gravity; friction is implicit. Stored velocities are
    those of the mixture, means over the stored cells; `p` is measured from the hydrostatic pressure of the air.
    The histories `water_entered` and `water_left` hold the water (m^2) that has passed x- and x+.

    What converges: water is resolved long before the air beside it, whose shear layers are thinner than a cell, and
    air films under water on a no-slip wall are as thick as a cell; see the catalogue for figures. Fast air is real: a
    gap of height h that closes at the speed V over a length L drives its air out at V L / h. Where a heavy jet lands
    this passes 10 m/s for a few hundredths of a second, also with the pressure to 1e-9 and with smaller steps.

    Args:
        solve_resolution: cells along x and y to solve on; frames are means over the stored cells.
        projection: ``"split"`` (fast) or ``"pcg"`` (to verify: the pressure of every step to 1e-9); see `stepping`.
        courant: largest Courant number, (|u|/hx + |v|/hy) dt; at most 0.5.
        gravity: acceleration along -y, m/s^2.
        air_density, air_viscosity: kg/m^3 and Pa s.

    Raises:
        InputError: an option is impossible.
        SciflowError: a run blew up or takes too many steps; the message names the case and the time.

    Sources: Weymouth and Yue (2010) for the interface, Rudman (1998) for momentum, Dodd and Ferrante (2014) for the
    pressure.
    """

    name = "two-phase"
    varied: ClassVar[bool] = True

    def __init__(
        self,
        problem: Problem,
        resolution: int | Sequence[int],
        *,
        solve_resolution: int | Sequence[int] = (128, 64),
        projection: str = "split",
        courant: float = 0.25,
        gravity: float = 9.81,
        air_density: float = 1.225,
        air_viscosity: float = 1.8e-5,
        precision: str = "float64",
        device: str | None = None,
    ) -> None:
        super().__init__(problem, resolution, precision=precision, device=device)
        if precision != "float64":
            raise InputError("The solver 'two-phase' keeps volumes in float64 only; leave the precision at 'float64'.")
        if projection not in PROJECTIONS:
            raise InputError(f"There is no projection {projection!r}; use 'split' or 'pcg'.")
        if not 0 < courant <= 0.5:
            raise InputError(
                f"courant is {courant}; the interface stays bounded up to 0.5, so give 0 < courant <= 0.5."
            )
        if gravity < 0 or air_density <= 0 or air_viscosity <= 0:
            raise InputError("gravity must be at least 0, air_density and air_viscosity positive; check the options.")
        nx, ny = resolution_of(problem, solve_resolution)
        self._shape, self._courant, self._tolerance = (ny, nx), courant, PROJECTIONS[projection]
        self._gravity, self._air = gravity, (air_density, air_viscosity)
        self.projection = projection
        self._names = [info.name for info in problem.fields]

    @classmethod
    def unsupported(cls, problem: Problem) -> str | None:
        return setup.reason_against(problem)

    def grid(self, cases: Sequence[Case]) -> Grid:
        return cell_grid(self.problem, cases, self.resolution)

    def points(self, case: Case) -> int:
        return math.prod(self._shape)

    @cached_property
    def _programs(self) -> _Programs:
        solver = PressureSolver(self._shape, outlet=setup.is_open(self.problem), dtype=np.float64)
        inlet = setup.inlet_of(self.problem)
        stepper = Stepper(solver, inlet, courant=self._courant, tolerance=self._tolerance)
        return _Programs(solver, jax.jit(stepper.begin), jax.jit(stepper.advance))

    def run(
        self, cases: Sequence[Case], times: np.ndarray, initial: Mapping[str, np.ndarray] | None = None
    ) -> xr.Dataset:
        rows = times_by_case(times, len(cases))
        starts = self._given(cases, initial)
        with jax.enable_x64(True), jax.default_device(jax_device(self.device)):
            solved = [self._case(*item) for item in zip(cases, rows, starts, strict=True)]
        fields = {name: np.stack([case[name] for case in solved]) for name in self._names}
        data = assemble(self.problem, cases, np.asarray(times, dtype=np.float64), self.grid(cases), fields)
        for name, side in (("water_entered", "x-"), ("water_left", "x+")):
            attrs = {"units": "m^2", "long_name": f"water that has passed {side}", "role": "boundary"}
            data[name] = (("case", "time"), np.stack([case[name] for case in solved]), attrs)
        data.attrs["solved_on"] = f"{self._shape[1]} x {self._shape[0]} staggered cells, projection {self.projection}"
        data.attrs["velocity"] = "of the mixture (CFDBench's tube stores that of the water)"
        return data

    def _given(
        self, cases: Sequence[Case], initial: Mapping[str, np.ndarray] | None
    ) -> list[tuple[np.ndarray, ...] | None]:
        """Fields (alpha, u, v) to start each case from, at stored cells; None for those of the problem."""
        if initial is None:
            return [None] * len(cases)
        shape = (len(cases), *self.grid(cases).shape)
        arrays = []
        for name in ("alpha", "u", "v"):
            if name not in initial or np.shape(initial[name]) != shape:
                raise InputError(f"The initial fields need '{name}' of shape {shape} (case, y, x).")
            arrays.append(np.asarray(initial[name], dtype=np.float64))
            if not np.all(np.isfinite(arrays[-1])):
                raise InputError(f"The initial field '{name}' holds NaN or infinite values; give finite ones.")
        return list(zip(*arrays, strict=True))

    def _case(self, case: Case, times: np.ndarray, given: tuple[np.ndarray, ...] | None) -> dict[str, np.ndarray]:
        """Frames of one case."""
        programs, layout = self._programs, setup.layout_of(self.problem, case, self._shape)
        if given is None:
            start = setup.start_of(self.problem, case, self._shape, float(times[0]))
        else:
            alpha, *velocity = (spread(values, self._shape) for values in given)
            start = (np.clip(alpha, 0, 1), *to_faces(*velocity))
        rho, mu = (float(case.parameters[name]) for name in setup.PARAMETERS)
        fluids = Fluids(rho, mu, *self._air, self._gravity)
        numbers = (layout, fluids, programs.solver.links(layout), setup.values_of(self.problem, case))
        setting = Setting(*jax.tree.map(jnp.asarray, numbers))
        alpha, u, v = (jnp.asarray(part) for part in start)
        state = programs.begin(alpha * layout.fluid, u, v, jnp.asarray(times[0]), setting)
        frames = [self._frame(state, layout)]
        for end in times[1:]:
            state = programs.advance(state, jnp.asarray(end), STEPS, setting)
            if not float(state.time) >= end:
                raise SciflowError(
                    f"Case {case.index} of '{self.problem.name}' stopped at {float(state.time):.4g} s, before its "
                    f"frame at {end:.4g} s, after {int(state.count)} steps; give a smaller courant or a coarser grid."
                )
            frames.append(self._frame(state, layout))
        return {name: np.stack([frame[name] for frame in frames]) for name in frames[0]}

    def _frame(self, state: State, layout: Layout) -> dict[str, np.ndarray]:
        shape = (self.resolution[1], self.resolution[0])
        host = jax.tree.map(np.asarray, state)
        u, v = to_cells(host.u, host.v)
        cells = {"u": u, "v": v, "p": host.p, "alpha": host.alpha, "u_water": host.alpha * u, "v_water": host.alpha * v}
        frame = {name: cell_means(cells[name], layout.fluid, shape) for name in self._names}
        return {**frame, "water_entered": host.entered, "water_left": host.left}
