r"""The eddy viscosity of Nicoud and Ducros (1999), Flow Turbul. Combust. 62, eq. 13.

.. math:: \nu_t = (C_w \Delta)^2 \frac{(S^d_{ij} S^d_{ij})^{3/2}}{(S_{ij} S_{ij})^{5/2} + (S^d_{ij} S^d_{ij})^{5/4}}

with :math:`S^d` the symmetric part of :math:`g^2` without its trace and g the velocity gradient. It vanishes in pure
shear and as y^3 at a wall.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from sciflow.solvers.channel.fourier import Waves
from sciflow.solvers.channel.subgrid.tensor import PAIRS, Tensor, contracted, deviator, strain


@dataclass(frozen=True)
class Wale:
    """WALE with C_w = 0.5, the value of the paper for homogeneous turbulence; 0.325 is in use for channels too."""

    constant: float = 0.5

    def viscosity(self, velocity: list[jax.Array], gradient: Tensor, waves: Waves) -> jax.Array:
        """nu_t at centres, m^2/s."""
        return wale(gradient, self.constant * waves.grid.spacing[:, None, None])


def wale(gradient: Tensor, length: jax.Array) -> jax.Array:
    """nu_t of a velocity gradient, with `length` = C_w Delta."""
    squared = [[sum(gradient[i][k] * gradient[k][j] for k in range(3)) for j in range(3)] for i in range(3)]
    curved = deviator({(i, j): 0.5 * (squared[i][j] + squared[j][i]) for i, j in PAIRS})
    strained = strain(gradient)
    a, b = contracted(curved, curved), contracted(strained, strained)
    below = b**2.5 + a**1.25
    return length**2 * jnp.where(below > 0, a**1.5 / jnp.where(below > 0, below, 1), 0)
