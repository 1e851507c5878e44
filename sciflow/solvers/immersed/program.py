"""The compiled programs of one grid: start, steps with the force of each, frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from sciflow.solvers.immersed.frames import Averager
from sciflow.solvers.immersed.stepping import Solid, State, Stepper
from sciflow.solvers.incompressible.boundary import Sides
from sciflow.solvers.incompressible.cases import CaseArrays
from sciflow.solvers.incompressible.frames import Frame
from sciflow.solvers.incompressible.grid import StaggeredGrid
from sciflow.solvers.incompressible.operators import Convection
from sciflow.solvers.incompressible.solve import inverse_laplacian

CHUNK = 1024  # most steps that are taken at once, so that one program fits any number


@final
class Program:
    """Runs on one grid in units of a case; a case changes no shape and compiles nothing anew.

    Args:
        grid: to solve on.
        convection: scheme of the momentum flux.
        shape: stored cells (ry, rx).
        dtype: of the computation.
        bind: velocities on the sides of a case.
    """

    def __init__(
        self,
        grid: StaggeredGrid,
        convection: Convection,
        shape: tuple[int, int],
        dtype: Any,
        bind: Callable[[CaseArrays], Sides],
    ) -> None:
        self.grid, self._dtype, self._bind = grid, dtype, bind
        self._stepper, self._averager = Stepper.on(grid, convection, dtype), Averager(grid, shape, dtype)
        self._begin, self._read = jax.jit(self._start), jax.jit(self._frame)
        self._march = jax.jit(self._steps)

    def begin(self, case: CaseArrays, solid: Solid, v: np.ndarray, u: np.ndarray) -> tuple[State, float]:
        """State at the start from velocities at inner faces, and the largest number of cells that the flow crosses in a
        unit of time."""
        state, fastest = self._begin(case, solid, np.asarray(v, self._dtype), np.asarray(u, self._dtype))
        return state, float(fastest)

    def fill(self, v: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Velocities at inner faces from stored cells."""
        return self._averager.fill(v, u)

    def advance(self, case: CaseArrays, solid: Solid, state: State, steps: int) -> tuple[State, np.ndarray]:
        """Take `steps` steps; also the force (x, y) on the bodies in each, `(steps, 2)`, per density."""
        forces = [np.zeros((0, 2))]
        for first in range(0, steps, CHUNK):
            count = min(CHUNK, steps - first)
            state, force = self._march(case, solid, state, count)
            forces.append(np.asarray(force[:count]))
        return state, np.concatenate(forces)

    def frame(self, case: CaseArrays, state: State) -> Frame:
        """Means over the stored cells."""
        return jax.tree.map(np.asarray, self._read(case, state))

    def _start(self, case: CaseArrays, solid: Solid, v: jax.Array, u: jax.Array) -> tuple[State, jax.Array]:
        sides = self._bind(case)
        state = self._stepper.begin(v, u, case.flow, sides, solid)
        return state, self._stepper.fastest(state, case.flow, sides)

    def _steps(self, case: CaseArrays, solid: Solid, state: State, steps: Any) -> tuple[State, jax.Array]:
        sides, stepper = self._bind(case), self._stepper
        metric = self.grid.metric(case.flow.lengths, self._dtype)
        inverse = inverse_laplacian(stepper.solve_p.eigenvalues(case.flow.lengths))

        def step(k: Any, now: tuple[State, jax.Array]) -> tuple[State, jax.Array]:
            state, force = stepper.step(now[0], case.flow, sides, solid, metric, inverse)
            return state, now[1].at[k].set(force)

        return jax.lax.fori_loop(0, steps, step, (state, jnp.zeros((CHUNK, 2), self._dtype)))

    def _frame(self, case: CaseArrays, state: State) -> Frame:
        walls = self._stepper.walls(state, case.flow, self._bind(case))
        return self._averager.read(state.v, state.u, state.p, walls)
