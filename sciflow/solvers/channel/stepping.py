r"""One step in time: Runge-Kutta of three stages, implicit viscosity, incremental pressure, exact flow rate.

Stage i of Spalart, Moser and Rogers (1991), J. Comput. Phys. 96, appendix (in the variant whose implicit weights are
equal), with convection N = -C(u) + subgrid force, L = nu laplacian, G = gradient, f the mean pressure gradient:

.. math:: (1 - a_i \Delta t L) u^* = u + \Delta t (g_i N + z_i N_{old} + a_i L u + 2 a_i (f e_x - G p))

    u = u^* - 2 a_i \Delta t G\phi, \qquad D G\phi = D u^* / (2 a_i \Delta t), \quad p \mathrel{+}= \phi - \nu D u^* / 2

Third order in convection, second in viscosity and velocity as a whole. With a constant flow rate, f of each stage is
the one that makes the bulk velocity exact; its mean over the step is what drives the flow, h f = u_tau^2 in the mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from sciflow.solvers.channel.convection import Velocity, convection, divergence, gradient
from sciflow.solvers.channel.fourier import Waves
from sciflow.solvers.channel.grid import HEIGHT, ChannelGrid
from sciflow.solvers.channel.walls import Across, solve

IMPLICIT = (4 / 15, 1 / 15, 1 / 6)
EXPLICIT = (8 / 15, 5 / 12, 3 / 4)
CARRIED = (0.0, -17 / 60, -5 / 12)


class State(NamedTuple):
    """What a run continues from: coefficients of velocity and kinematic pressure."""

    velocity: Velocity
    p: jax.Array


class Report(NamedTuple):
    """Of one step: the mean pressure gradient that drove it, and the rate that limits its length."""

    force: jax.Array
    rate: jax.Array


class Subgrid(Protocol):
    """A model of the scales that the grid leaves out."""

    def force(self, velocity: Velocity, waves: Waves) -> Velocity:
        """Coefficients of the acceleration by the subgrid stress."""


@dataclass(frozen=True, eq=False)
class Scheme:
    """Steps a channel flow.

    Args:
        nu: kinematic viscosity, m^2/s (half-height 1 m).
        bulk: bulk velocity that is kept, m/s; None for a constant pressure gradient.
        force: that gradient over density, m/s^2.
        subgrid: model of the small scales; None for none.
    """

    grid: ChannelGrid
    nu: float
    bulk: float | None = None
    force: float = 0.0
    subgrid: Subgrid | None = None

    @cached_property
    def waves(self) -> Waves:
        """Wave numbers of the grid."""
        return Waves(self.grid)

    @cached_property
    def across(self) -> Across:
        """Second differences along y."""
        return Across(self.grid)

    @cached_property
    def _inverse(self) -> np.ndarray:
        """1 / (m - k^2) of the pressure, 0 for the constant."""
        values = self.across.pressure.values[:, None, None] - self.waves.squared
        return np.divide(1.0, values, out=np.zeros_like(values), where=values != 0)

    def begin(self, velocity: Velocity) -> State:
        """State from a velocity that is made divergence-free, with the pressure that keeps it so."""
        phi = self._poisson(divergence(velocity, self.waves))
        velocity = self._minus(velocity, phi, 1.0)
        change, _ = self.rates(velocity)
        forces = Velocity(*(a + b for a, b in zip(change, self.viscous(velocity), strict=True)))
        return State(velocity, self._poisson(divergence(forces, self.waves)))

    def step(self, state: State, dt: Any) -> tuple[State, Report]:
        """One step of dt seconds."""
        velocity, p, old = state.velocity, state.p, None
        force, fastest = 0.0, 0.0
        for a, g, z in zip(IMPLICIT, EXPLICIT, CARRIED, strict=True):
            rates, rate = self.rates(velocity)
            star, driven = self._star(velocity, p, (rates, old or rates), (a, g, z), dt)
            source = divergence(star, self.waves)
            phi = self._poisson(source) / (2 * a * dt)
            velocity, p = self._minus(star, phi, 2 * a * dt), p + phi - 0.5 * self.nu * source
            force, fastest, old = force + 2 * a * driven, jnp.maximum(fastest, rate), rates
        return State(velocity, p), Report(force, fastest)

    def rates(self, velocity: Velocity) -> tuple[Velocity, jax.Array]:
        """Explicit part of the acceleration, and the rate that limits the step."""
        flux, rate = convection(velocity, self.waves)
        if self.subgrid is None:
            return Velocity(*(-part for part in flux)), rate
        extra = self.subgrid.force(velocity, self.waves)
        return Velocity(*(b - a for a, b in zip(flux, extra, strict=True))), rate

    def viscous(self, velocity: Velocity) -> Velocity:
        """nu laplacian(velocity)."""
        spectra = self.across.centres, self.across.faces, self.across.centres
        return Velocity(
            *(
                solve(s, self.nu * (s.values[:, None, None] - self.waves.squared), part)
                for s, part in zip(spectra, velocity, strict=True)
            )
        )

    def bulk_velocity(self, velocity: Velocity) -> jax.Array:
        """Mean of u over the channel."""
        return jnp.sum(self.grid.widths * velocity.u[:, 0, 0].real) / HEIGHT

    def _star(
        self, velocity: Velocity, p: jax.Array, rates: tuple[Velocity, Velocity], weights: Any, dt: Any
    ) -> tuple[Velocity, jax.Array]:
        """Velocity before the projection, and the mean pressure gradient.

        (1 - s L)^-1 ((1 + s L) u + r) = (1 - s L)^-1 (2 u + r) - u, so that each component takes one solve.
        """
        a, g, z = weights
        known = zip(velocity, gradient(p, self.waves), *rates, strict=True)
        right = Velocity(*(2 * u + dt * (g * n + z * m - 2 * a * slope) for u, slope, n, m in known))
        centres, faces = (self._factor(s.values, a * dt) for s in (self.across.centres, self.across.faces))
        columns = right.u.shape[2]
        pair = jnp.concatenate([right.u, right.w], 2)
        pair = solve(self.across.centres, jnp.concatenate([centres, centres], 2), pair)
        v = solve(self.across.faces, faces, right.v) - velocity.v
        u, w = pair[..., :columns] - velocity.u, pair[..., columns:] - velocity.w
        ones = 2 * a * dt * self.across.centres.left.sum(1)  # what a gradient of 1 does to the mean of u
        right_of_mean = centres[:, 0, 0] * ones
        response = jnp.matmul(self.across.centres.right, right_of_mean, precision=jax.lax.Precision.HIGHEST)
        force = jnp.asarray(self.force, response.dtype)
        if self.bulk is not None:
            missing = self.bulk - self.bulk_velocity(Velocity(u, v, w))
            force = missing / (jnp.sum(self.grid.widths * response) / HEIGHT)
        return Velocity(u + force * response[:, None, None] * (self.waves.squared == 0), v, w), force

    def _factor(self, values: np.ndarray, step: Any) -> jax.Array:
        return 1 / (1 - step * self.nu * (values[:, None, None] - self.waves.squared))

    def _poisson(self, source: jax.Array) -> jax.Array:
        return solve(self.across.pressure, jnp.asarray(self._inverse), source)

    def _minus(self, velocity: Velocity, phi: jax.Array, factor: Any) -> Velocity:
        slopes = gradient(phi, self.waves)
        return Velocity(*(part - factor * slope for part, slope in zip(velocity, slopes, strict=True)))
