r"""Time stepping of flow through a channel past solid bodies: explicit projection with volume-fraction forcing.

.. math::
    u^* = u^n + \Delta t\,(\tfrac32 R^n - \tfrac12 R^{n-1}), \quad
    u^{**} = (1 - \chi)\,u^*, \quad
    \nabla^2 p = \frac{\nabla\cdot u^{**}}{\Delta t}, \quad
    u^{n+1} = u^{**} - \Delta t\,\nabla p

with :math:`R = \nu\nabla^2 u - \nabla\cdot(uu)` and the share :math:`\chi` of solid in a velocity's control volume. The
momentum that the forcing takes away in a step is the force on the bodies (volume-fraction forcing: Kajishima et al.,
JSME Int. J. B 44, 2001). In the bodies the pressure gradient of one step is left as a velocity, of the order of the
step; with a fixed CFL number this is an error of first order in the cell width, against which that of the forcing
works. At the outlet x+ the velocity is carried out with the mean speed, and the normal component is shifted so that
exactly as much volume leaves as enters. All quantities are in units of a length L, a speed U and L/U.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from sciflow.solvers.incompressible.boundary import Sides, Value, Walls, walls_at
from sciflow.solvers.incompressible.grid import StaggeredGrid
from sciflow.solvers.incompressible.operators import (
    Convection,
    Metric,
    along,
    convection,
    divergence,
    gradient,
    laplacian,
)
from sciflow.solvers.incompressible.solve import DirectSolver, inverse_laplacian, pressure_solver
from sciflow.solvers.incompressible.stepping import Flow

SETTLING = 20  # projections that make the start divergence-free and the bodies nearly impermeable


class State(NamedTuple):
    """Flow at step `count`: velocities at inner faces, kinematic pressure at centres, velocities at the outlet (normal
    `(ny,)`, tangential `(ny - 1,)`) and the rates R of the step before."""

    v: jax.Array
    u: jax.Array
    p: jax.Array
    out_v: jax.Array
    out_u: jax.Array
    past_v: jax.Array
    past_u: jax.Array
    count: jax.Array


class Solid(NamedTuple):
    """Share of solid in the control volumes of v `(ny - 1, nx)` and of u `(ny, nx - 1)`."""

    v: Any
    u: Any


@dataclass(frozen=True, eq=False)
class Stepper:
    """The scheme on one grid; its methods are pure functions of traced arrays."""

    grid: StaggeredGrid
    scheme: Convection
    dtype: Any
    solve_p: DirectSolver

    @classmethod
    def on(cls, grid: StaggeredGrid, scheme: Convection, dtype: Any) -> Stepper:
        """Decompose the pressure operator of `grid`."""
        return cls(grid, scheme, dtype, pressure_solver(grid, dtype))

    def begin(self, v: jax.Array, u: jax.Array, flow: Flow, sides: Sides, solid: Solid) -> State:
        """State at the start: velocities at inner faces made divergence-free and nearly zero in the bodies."""
        metric = self.grid.metric(flow.lengths, self.dtype)
        inverse = inverse_laplacian(self.solve_p.eigenvalues(flow.lengths))
        given = walls_at(sides, self.grid, flow.lengths, flow.start)
        out_u, out_v = self._balanced(u[:, -1], given, metric), v[:, -1]
        walls = _with_outlet(given, out_v, out_u)

        def settle(_: Any, fields: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            v, u = fields[0] * (1 - solid.v), fields[1] * (1 - solid.u)
            phi = self.solve_p.apply(divergence(v, u, walls, metric), inverse)
            return v - gradient(phi, metric, 0), u - gradient(phi, metric, 1)

        v, u = jax.lax.fori_loop(0, SETTLING, settle, (v, u))
        p, count = jnp.zeros(self.grid.shape, self.dtype), jnp.zeros((), jnp.int32)
        return State(v, u, p, out_v, out_u, jnp.zeros_like(v), jnp.zeros_like(u), count)

    def walls(self, state: State, flow: Flow, sides: Sides) -> Walls:
        """Velocities on all sides at the state's time, the outlet included."""
        t = flow.start + state.count.astype(self.dtype) * flow.dt
        return _with_outlet(walls_at(sides, self.grid, flow.lengths, t), state.out_v, state.out_u)

    def fastest(self, state: State, flow: Flow, sides: Sides) -> jax.Array:
        """Largest :math:`|u|/\\Delta x + |v|/\\Delta y` of a cell, whose inverse is the time that a particle takes to
        cross it."""
        metric = self.grid.metric(flow.lengths, self.dtype)
        walls = self.walls(state, flow, sides)
        v = jnp.abs(jnp.concatenate([state.v[:1], state.v], 0)) * along(metric[0].inverse_widths, 0)
        u = jnp.abs(jnp.concatenate([state.u, walls.u[1][1][:, None]], 1)) * along(metric[1].inverse_widths, 1)
        return jnp.max(u + v)

    def step(
        self, state: State, flow: Flow, sides: Sides, solid: Solid, metric: Metric, inverse: jax.Array
    ) -> tuple[State, jax.Array]:
        """One step of `flow.dt`, and the force (x, y) on the bodies during it, per density."""
        now = self.walls(state, flow, sides)
        later = self._outlet(state, flow, sides, now, metric)
        first = state.count == 0
        new, past = jnp.where(first, 1.0, 1.5).astype(self.dtype), jnp.where(first, 0.0, 0.5).astype(self.dtype)
        forced, rates, force = [], [], []
        for axis, (w, old) in enumerate(((state.v, state.past_v), (state.u, state.past_u))):
            flux = convection((state.v, state.u), now, self.grid, metric, axis, self.scheme)
            rate = flow.nu * laplacian(w, now[axis], metric, axis) - flux
            star = w + flow.dt * (new * rate - past * old)
            lost = solid[axis] * star
            rows, columns = (1 / m.inverse_inner_gaps if k == axis else m.widths for k, m in enumerate(metric))
            force.append(rows @ lost @ columns / flow.dt)
            forced.append(star - lost)
            rates.append(rate)
        phi = self.solve_p.apply(divergence(forced[0], forced[1], later, metric), inverse) / flow.dt
        v, u = (w - flow.dt * gradient(phi, metric, axis) for axis, w in enumerate(forced))
        after = State(v, u, phi, later.v[1][1], later.u[1][1], rates[0], rates[1], state.count + 1)
        return after, jnp.stack([force[1], force[0]])

    def _outlet(self, state: State, flow: Flow, sides: Sides, now: Walls, metric: Metric) -> Walls:
        """Walls one step later: what is at the outlet moves out with the mean speed."""
        given = walls_at(sides, self.grid, flow.lengths, flow.start + (state.count + 1).astype(self.dtype) * flow.dt)
        dy, dx = metric[0].widths, metric[1]
        speed = flow.dt * jnp.sum(state.out_u * dy) / jnp.sum(dy)
        out_u = state.out_u - speed * dx.inverse_widths[-1] * (state.out_u - state.u[:, -1])
        out_v = state.out_v - speed * dx.inverse_gaps[-1] * (state.out_v - state.v[:, -1])
        return _with_outlet(given, out_v, self._balanced(out_u, given, metric))

    def _balanced(self, out_u: jax.Array, given: Walls, metric: Metric) -> jax.Array:
        """The normal velocity at the outlet, shifted so that what enters through the other sides leaves."""
        dy, dx = metric[0].widths, metric[1].widths
        (south, north), (west, _) = given.v[0], given.u[1]
        inflow = jnp.sum((south - north) * dx) + jnp.sum(west * dy)
        return out_u + (inflow - jnp.sum(out_u * dy)) / jnp.sum(dy)


def _with_outlet(given: Walls, out_v: Value, out_u: Value) -> Walls:
    """The sides with the velocity at the outlet x+ put in."""
    return Walls(v=(given.v[0], (given.v[1][0], out_v)), u=(given.u[0], (given.u[1][0], out_u)))
