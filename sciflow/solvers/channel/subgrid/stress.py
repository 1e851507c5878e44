"""The acceleration by an eddy viscosity, div(2 nu_t S), staggered as the viscous term is, so that it dissipates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp

from sciflow.solvers.channel.convection import Velocity
from sciflow.solvers.channel.fourier import Waves, along
from sciflow.solvers.channel.subgrid.tensor import Tensor, velocity_gradient
from sciflow.solvers.channel.walls import difference, to_faces, with_walls


class ViscosityModel(Protocol):
    """Gives an eddy viscosity."""

    def viscosity(self, velocity: list[jax.Array], gradient: Tensor, waves: Waves) -> jax.Array:
        """nu_t at centres [y, z, x], m^2/s, of velocity and gradient there."""


@dataclass(frozen=True)
class EddyViscosity:
    """Subgrid force of a model; the eddy viscosity of a wall is zero."""

    model: ViscosityModel

    def force(self, velocity: Velocity, waves: Waves) -> Velocity:
        """Coefficients of div(2 nu_t S)."""
        values, gradient = velocity_gradient(velocity, waves)
        viscosity = self.model.viscosity(values, gradient, waves)
        at_faces = to_faces(viscosity)
        grid, modes = waves.grid, waves.modes
        shears = jnp.split(
            modes.values(
                jnp.concatenate(
                    [
                        difference(velocity.u, grid.gaps) + along(waves.x, velocity.v),
                        difference(velocity.w, grid.gaps) + along(waves.z, velocity.v),
                    ]
                )
            ),
            2,
        )
        centred = [2 * gradient[i][i] for i in range(3)] + [gradient[0][2] + gradient[2][0]]
        xx, yy, zz, xz = jnp.split(modes.coefficients(jnp.concatenate([viscosity * part for part in centred])), 4)
        xy, yz = jnp.split(modes.coefficients(jnp.concatenate([at_faces * part for part in shears])), 2)
        x, z = waves.x, waves.z
        return Velocity(
            along(x, xx) + difference(with_walls(xy), grid.widths) + along(z, xz),
            along(x, xy) + difference(yy, grid.gaps) + along(z, yz),
            along(x, xz) + difference(with_walls(yz), grid.widths) + along(z, zz),
        )
