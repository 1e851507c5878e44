r"""One time step of the two-phase flow, and the march to a given time.

Interface and momentum are advected together (`interface`, `momentum`); then friction, gravity and the extrapolated
pressure :math:`\hat p = 2p^n - p^{n-1}` act implicitly (`viscosity`), which leaves a divergence that two corrections
remove:

.. math:: u^{n+1} = u^{**} - \Delta t\,(\rho^{-1}\nabla q + \nabla r),\qquad p^{n+1} = \hat p + q + \rho_0 r

`r` is the constant-coefficient correction with the smaller density :math:`\rho_0` (Dodd and Ferrante, J. Comput. Phys.
273, 2014): one direct solve that leaves no divergence at all, but acts on water as if it were air. `q` are as many
steps of conjugate gradients for the variable density, preconditioned by the same direct solve, as it takes to make `r`
small: none or a few in smooth flow, tens when water hits a wall, where the splitting alone overshoots. Pressures are
measured from the hydrostatic pressure of the air.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from sciflow.solvers.twophase.interface import advect
from sciflow.solvers.twophase.layout import Fluids, Layout, face_means
from sciflow.solvers.twophase.momentum import transport
from sciflow.solvers.twophase.pressure import Links, PressureSolver, divergence, gradient, variable
from sciflow.solvers.twophase.viscosity import friction, respond, viscosity

GROWTH = 1.2  # of the step from one to the next
EXACT = 1e-13  # tolerance of the pressure at the start
MOST = 2000


class State(NamedTuple):
    """The flow at one time."""

    alpha: Any  # (ny, nx) volume fraction of water
    u: Any  # (ny, nx + 1) m/s
    v: Any  # (ny + 1, nx)
    p: Any  # (ny, nx) Pa, and the one before
    p_old: Any
    time: Any  # s
    dt: Any  # last step, s
    count: Any  # steps so far
    entered: Any  # water that came in through x- so far, m^2
    left: Any  # water that went out through x+ so far, m^2


class Setting(NamedTuple):
    """What a case needs besides its state."""

    layout: Layout
    fluids: Fluids
    links: Links
    values: Any  # (P,) of the inlet


Inlet: TypeAlias = Callable[[Any, Layout, Any], jax.Array]  # values, layout, time -> (ny,) mean velocity of each face


class Stepper:
    """Steps on one grid.

    Args:
        solver: of the constant-coefficient Laplacian.
        inlet: the velocity on x-.
        courant: largest Courant number, at most 1/2.
        tolerance: of the pressure, as an error of the velocity relative to the largest speed; see the module.
    """

    def __init__(self, solver: PressureSolver, inlet: Inlet, *, courant: float, tolerance: float) -> None:
        self.solver, self.inlet, self.courant, self.tolerance = solver, inlet, courant, tolerance

    def begin(self, alpha: jax.Array, u: jax.Array, v: jax.Array, time: Any, setting: Setting) -> State:
        """State at `time` from a volume fraction and a velocity, which is made free of divergence by an impulse."""
        layout, fluids = setting.layout, setting.fluids
        factors = self.solver.factors(layout)
        rho = self._face_density(alpha, setting)
        u = (u * layout.free_u).at[:, 0].set(self.inlet(setting.values, layout, time))
        v = v * layout.free_v

        def solve(f: jax.Array) -> jax.Array:
            return self.solver.solve(f, factors, setting.links)

        impulse = self._balance(divergence(u, v, layout), rho, layout, solve)
        x, y = gradient(impulse, 0.0, layout)
        u, v = u - x / rho[0], v - y / rho[1]
        fall = -fluids.gravity * (1 - fluids.rho_air / rho[1]) * layout.free_v
        p = self._balance(divergence(jnp.zeros_like(u), fall, layout), rho, layout, solve)
        zero = jnp.zeros((), alpha.dtype)
        start = jnp.asarray(time, alpha.dtype)
        return State(alpha, u, v, p, p, start, jnp.full_like(zero, jnp.inf), jnp.zeros((), int), zero, zero)

    def longest_step(self, state: State, setting: Setting) -> jax.Array:
        """Step that the Courant number, gravity and the last step allow."""
        layout = setting.layout
        across = jnp.maximum(jnp.abs(state.u[:, 1:]), jnp.abs(state.u[:, :-1])) / layout.hx
        along = jnp.maximum(jnp.abs(state.v[1:]), jnp.abs(state.v[:-1])) / layout.hy
        inlet = jnp.max(jnp.abs(self.inlet(setting.values, layout, state.time))) / layout.hx
        fall = jnp.sqrt(setting.fluids.gravity / layout.hy)
        rate = jnp.maximum(jnp.maximum(jnp.max(across + along), inlet), fall)
        return jnp.minimum(self.courant / rate, GROWTH * state.dt)

    def advance(self, state: State, end: Any, most: Any, setting: Setting) -> State:
        """March to the time `end`; stops early after `most` steps in all or when the velocity is no number."""

        def unfinished(state: State) -> jax.Array:
            return (state.time < end) & (state.count < most) & jnp.isfinite(state.u[0, -1] + state.p[0, 0])

        def improve(state: State) -> State:
            remaining = end - state.time
            steps = jnp.maximum(jnp.ceil(remaining / self.longest_step(state, setting) - 1e-9), 1)
            moved = self.step(state, remaining / steps, setting)
            return moved._replace(time=jnp.where(steps <= 1, end, moved.time))

        return jax.lax.while_loop(unfinished, improve, state)

    def step(self, state: State, dt: jax.Array, setting: Setting) -> State:
        """One step of length `dt`."""
        layout, fluids = setting.layout, setting.fluids
        courant = state.u * dt / layout.hx, state.v * dt / layout.hy
        alpha, *swept = advect(state.alpha, *courant, layout, state.count % 2 == 0)
        excess = fluids.rho_water - fluids.rho_air
        mass = (fluids.rho_air * courant[0] + excess * swept[0], fluids.rho_air * courant[1] + excess * swept[1])
        u, v = transport(state.u, state.v, self._density(state.alpha, fluids), mass, courant, layout)
        time = state.time + dt
        u = u.at[:, 0].set(self.inlet(setting.values, layout, time))
        rho = self._face_density(alpha, setting)
        u, v, guess = self._accelerate(u, v, alpha, rho, state, dt, setting)
        u, v, change = self._project(u, v, rho, dt, setting)
        cell = layout.hx * layout.hy
        return State(
            alpha, u, v, guess + change, state.p, time, dt, state.count + 1,
            state.entered + cell * jnp.sum(swept[0][:, 0]), state.left + cell * jnp.sum(swept[0][:, -1]),
        )  # fmt: skip

    def _accelerate(
        self,
        u: jax.Array,
        v: jax.Array,
        alpha: jax.Array,
        rho: tuple[jax.Array, jax.Array],
        state: State,
        dt: jax.Array,
        setting: Setting,
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """(u, v) after friction, gravity and the guessed pressure, and that guess."""
        layout, fluids = setting.layout, setting.fluids
        guess = 2 * state.p - state.p_old
        # What is drawn in through the open side comes from rest, at the price of its dynamic pressure.
        back = jnp.minimum(state.u[:, -1], 0)
        x, y = gradient(guess, -0.5 * rho[0][:, -1] * back**2, layout)
        mu = viscosity(alpha, fluids, layout)
        rub = friction(u, v, mu, layout)
        weight = fluids.gravity * (rho[1] - fluids.rho_air)
        du, dv = respond((rub[0] - x, rub[1] - weight - y), rho, mu, layout, dt)
        return u + du, v + dv, guess

    def _project(
        self, u: jax.Array, v: jax.Array, rho: tuple[jax.Array, jax.Array], dt: jax.Array, setting: Setting
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """(u, v) free of divergence, and the change of pressure that makes them so."""
        layout, factors = setting.layout, self.solver.factors(setting.layout)

        def solve(f: jax.Array) -> jax.Array:
            return self.solver.solve(f, factors, setting.links)

        speed = jnp.maximum(jnp.max(jnp.abs(u)), jnp.max(jnp.abs(v)))
        enough = (self.tolerance * (speed + 1e-6 * layout.hy / dt) / dt) ** 2 * u.size
        change, rest = variable(divergence(u, v, layout) / dt, rho, layout, solve, enough, MOST)
        lightest = jnp.minimum(setting.fluids.rho_air, setting.fluids.rho_water)
        (x, y), (x_rest, y_rest) = gradient(change, 0.0, layout), gradient(rest, 0.0, layout)
        u, v = u - dt * (x / rho[0] + x_rest), v - dt * (y / rho[1] + y_rest)
        return u, v, change + lightest * rest

    @staticmethod
    def _balance(
        f: jax.Array, rho: tuple[jax.Array, jax.Array], layout: Layout, solve: Callable[[jax.Array], jax.Array]
    ) -> jax.Array:
        """Pressure to rounding."""
        size = jnp.sum(f * solve(f))
        return variable(f, rho, layout, solve, EXACT**2 * jnp.abs(size), MOST)[0]

    @staticmethod
    def _density(alpha: jax.Array, fluids: Fluids) -> jax.Array:
        return fluids.rho_air + (fluids.rho_water - fluids.rho_air) * alpha

    def _face_density(self, alpha: jax.Array, setting: Setting) -> tuple[jax.Array, jax.Array]:
        return face_means(self._density(alpha, setting.fluids), jnp)
