r"""Time stepping: incremental projection in rotational form with second-order backward differences (SBDF2).

.. math::
    \frac{3u^* - 4u^n + u^{n-1}}{2\Delta t} + 2N^n - N^{n-1} = -\nabla p^n + \nu\nabla^2 u^*, \quad
    \nabla^2\varphi = \frac{3}{2\Delta t}\nabla\cdot u^*, \quad
    u^{n+1} = u^* - \frac{2\Delta t}{3}\nabla\varphi, \quad
    p^{n+1} = p^n + \varphi - \nu\nabla\cdot u^*

(Guermond, Minev and Shen, Comput. Methods Appl. Mech. Eng. 195, 2006, section 3.6). Convection `N` is explicit, so the
step is bound by the CFL number (about 0.9 in the smallest cell, see `time_step`), never by viscosity. The first step is
first order (one local error of second order) from a pressure that satisfies the discrete Poisson equation of the
initial state, which keeps the whole run second order. All quantities are in units of a length L, a speed U and L/U.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from sciflow.solvers.incompressible.boundary import Walls, balanced
from sciflow.solvers.incompressible.grid import StaggeredGrid
from sciflow.solvers.incompressible.operators import (
    Convection,
    Metric,
    convection,
    divergence,
    gradient,
    laplacian,
    wall_diffusion,
)
from sciflow.solvers.incompressible.solve import DirectSolver, inverse_laplacian, pressure_solver, velocity_solver


class State(NamedTuple):
    """Flow at step `count`: velocities at inner faces, kinematic pressure at centres and the history SBDF2 needs."""

    v: jax.Array
    u: jax.Array
    p: jax.Array
    past_v: jax.Array  # v^{n-1} / (2 dt) - N^{n-1}
    past_u: jax.Array
    count: jax.Array  # steps taken; the first one has no history


class Flow(NamedTuple):
    """What one case adds to the grid, all traced: viscosity, step, start time and lengths (ly, lx)."""

    nu: Any
    dt: Any
    start: Any
    lengths: tuple[Any, Any]


@dataclass(frozen=True, eq=False)
class Stepper:
    """The scheme on one grid; its methods are pure functions of traced arrays, for the caller to jit and vmap."""

    grid: StaggeredGrid
    scheme: Convection
    dtype: Any
    solve_p: DirectSolver
    solve_v: DirectSolver
    solve_u: DirectSolver

    @classmethod
    def on(cls, grid: StaggeredGrid, scheme: Convection, dtype: Any) -> Stepper:
        """Decompose the operators of `grid` (milliseconds up to 256 cells an axis)."""
        velocity = [velocity_solver(grid, axis, dtype) for axis in (0, 1)]
        return cls(grid, scheme, dtype, pressure_solver(grid, dtype), *velocity)

    def begin(self, v: jax.Array, u: jax.Array, flow: Flow, walls: Callable[[Any], Walls]) -> State:
        """State at the start: velocities made divergence-free, and the pressure that keeps them so."""
        metric = self.grid.metric(flow.lengths, self.dtype)
        inverse = inverse_laplacian(self.solve_p.eigenvalues(flow.lengths))

        def arrays(t: jax.Array) -> Walls:
            return jax.tree.map(lambda value: jnp.asarray(value, self.dtype), balanced(walls(t), metric))

        now, rate = jax.jvp(arrays, (flow.start,), (jnp.ones_like(flow.start),))
        phi = self.solve_p.apply(divergence(v, u, now, metric), inverse)
        v, u = v - gradient(phi, metric, 0), u - gradient(phi, metric, 1)
        forces = [
            flow.nu * laplacian(w, now[k], metric, k) - convection((v, u), now, self.grid, metric, k, self.scheme)
            for k, w in enumerate((v, u))
        ]
        p = self.solve_p.apply(divergence(forces[0], forces[1], rate, metric), inverse)
        return State(v, u, p, jnp.zeros_like(v), jnp.zeros_like(u), jnp.zeros((), jnp.int32))

    def advance(self, state: State, steps: Any, flow: Flow, walls: Callable[[Any], Walls]) -> State:
        """Take `steps` (may be traced) steps of `flow.dt`."""
        metric = self.grid.metric(flow.lengths, self.dtype)
        spectra = [solver.eigenvalues(flow.lengths) for solver in (self.solve_v, self.solve_u)]
        inverse = inverse_laplacian(self.solve_p.eigenvalues(flow.lengths))

        def step(_: Any, state: State) -> State:
            return self._step(state, flow, walls, metric, spectra, inverse)

        return jax.lax.fori_loop(0, steps, step, state)

    def _step(
        self,
        state: State,
        flow: Flow,
        walls: Callable[[Any], Walls],
        metric: Metric,
        spectra: list[jax.Array],
        inverse: jax.Array,
    ) -> State:
        time = flow.start + state.count.astype(self.dtype) * flow.dt
        now, later = balanced(walls(time), metric), balanced(walls(time + flow.dt), metric)
        rate = 1 / flow.dt
        first = state.count == 0
        lead, carried = jnp.where(first, rate, 1.5 * rate), jnp.where(first, rate, 2 * rate)
        explicit = jnp.where(first, 1.0, 2.0).astype(self.dtype)
        star, past = [], []
        solvers, histories = (self.solve_v, self.solve_u), (state.past_v, state.past_u)
        for axis, w in enumerate((state.v, state.u)):
            flux = convection((state.v, state.u), now, self.grid, metric, axis, self.scheme)
            right = carried * w - explicit * flux - histories[axis] - gradient(state.p, metric, axis)
            right = right + flow.nu * wall_diffusion(later[axis], metric, axis)
            star.append(solvers[axis].apply(right, 1 / (lead - flow.nu * spectra[axis])))
            past.append(0.5 * rate * w - flux)
        source = divergence(star[0], star[1], later, metric)
        phi = self.solve_p.apply(source, lead * inverse)
        v, u = (w - gradient(phi, metric, axis) / lead for axis, w in enumerate(star))
        return State(v, u, state.p + phi - flow.nu * source, past[0], past[1], state.count + 1)
