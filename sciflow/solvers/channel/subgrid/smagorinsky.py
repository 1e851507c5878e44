r"""The dynamic Smagorinsky model of Germano et al. (1991), Phys. Fluids A 3, with Lilly's least squares (1992).

.. math:: \nu_t = C \Delta^2 |S|, \qquad C = -\frac{\langle L^d_{ij} M_{ij}\rangle}{2\langle M_{ij} M_{ij}\rangle},
    \qquad L_{ij} = \widehat{u_i u_j} - \hat u_i \hat u_j, \qquad
    M_{ij} = \hat\Delta^2 |\hat S| \hat S_{ij} - \Delta^2 \widehat{|S| S_{ij}}

The test filter keeps half of the modes along x and z, with a ratio of widths of 2; averages are taken over planes, and
nu + nu_t is kept from becoming negative.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from sciflow.core.errors import InputError
from sciflow.solvers.channel.fourier import Modes, Waves
from sciflow.solvers.channel.subgrid.tensor import PAIRS, Tensor, contracted, deviator, stacked, strain

RATIO = 2.0  # of the test filter's width to the grid's


@dataclass(frozen=True)
class DynamicSmagorinsky:
    """The model for a fluid of viscosity `nu`."""

    nu: float

    def viscosity(self, velocity: list[jax.Array], gradient: Tensor, waves: Waves) -> jax.Array:
        """nu_t at centres, m^2/s."""
        strained = strain(gradient)
        size = jnp.sqrt(2 * contracted(strained, strained))
        factor = coefficient(velocity, gradient, waves)
        return jnp.maximum(factor[:, None, None] * waves.grid.spacing[:, None, None] ** 2 * size, -self.nu)


def coefficient(velocity: list[jax.Array], gradient: Tensor, waves: Waves) -> jax.Array:
    """C of each plane [ny]; 0 where the flow does not vary within the plane.

    Raises:
        InputError: the grid has too few modes for a test filter.
    """
    if min(waves.modes.nx, waves.modes.nz) < 6:
        raise InputError(
            f"The dynamic model needs at least 6 points along x and z to filter; the grid has {waves.modes.nx} and "
            f"{waves.modes.nz}."
        )
    strained = strain(gradient)
    size = jnp.sqrt(2 * contracted(strained, strained))
    products = [velocity[i] * velocity[j] for i, j in PAIRS]
    rates = [strained[pair] for pair in PAIRS]
    fields = [*velocity, *products, *rates, *(size * rate for rate in rates)]
    fields = jnp.split(half_filter(stacked(fields), waves.modes), len(fields))
    smooth, products, rates, sized = fields[:3], fields[3:9], fields[9:15], fields[15:]
    filtered = dict(zip(PAIRS, rates, strict=True))
    size = jnp.sqrt(2 * contracted(filtered, filtered))
    square = np.square(waves.grid.spacing)[:, None, None]
    resolved = deviator(
        {(i, j): product - smooth[i] * smooth[j] for (i, j), product in zip(PAIRS, products, strict=True)}
    )
    model = {
        pair: square * (RATIO**2 * size * filtered[pair] - moved) for pair, moved in zip(PAIRS, sized, strict=True)
    }
    return least_squares(resolved, model)


def least_squares(resolved: dict[tuple[int, int], jax.Array], model: dict[tuple[int, int], jax.Array]) -> jax.Array:
    """The C [ny] that makes L_ij + 2 C M_ij smallest over each plane; 0 where M vanishes."""
    above, below = (jnp.mean(contracted(first, model), (1, 2)) for first in (resolved, model))
    return jnp.where(below > 0, -0.5 * above / jnp.where(below > 0, below, 1), 0)


def half_filter(values: jax.Array, modes: Modes) -> jax.Array:
    """Values on the finer grid with half of the modes along x and z."""
    half = Modes(modes.nx // 2, modes.nz // 2)
    return half.values(half.coefficients(values), modes.fine)
