"""The velocity gradient at cell centres, and what is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import jax
import jax.numpy as jnp

from sciflow.solvers.channel.convection import Velocity
from sciflow.solvers.channel.fourier import Waves, along
from sciflow.solvers.channel.walls import difference, wall_slope, with_walls

Tensor: TypeAlias = list[list[jax.Array]]  # [i][j] = d u_i / d x_j, axes in the order x, y, z

PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


def centred_velocity(velocity: Velocity) -> list[jax.Array]:
    """Coefficients of u, v, w, all at centres."""
    v = with_walls(velocity.v)
    return [velocity.u, 0.5 * (v[1:] + v[:-1]), velocity.w]


def velocity_gradient(velocity: Velocity, waves: Waves) -> tuple[list[jax.Array], Tensor]:
    """Values of the velocity and of its gradient at centres [y, z, x], on the finer grid."""
    parts, grid = centred_velocity(velocity), waves.grid
    a, b = wall_slope(grid)

    def normal(field: jax.Array) -> jax.Array:
        low, high = (a * field[0] - b * field[1])[None], (b * field[-2] - a * field[-1])[None]
        slopes = jnp.concatenate([low, difference(field, grid.gaps), high])
        return 0.5 * (slopes[1:] + slopes[:-1])

    across = [normal(velocity.u), difference(with_walls(velocity.v), grid.widths), normal(velocity.w)]
    rows = [[along(waves.x, part), slope, along(waves.z, part)] for part, slope in zip(parts, across, strict=True)]
    values = jnp.split(waves.modes.values(jnp.concatenate([*parts, *rows[0], *rows[1], *rows[2]])), 12)
    return values[:3], [values[3:6], values[6:9], values[9:]]


def strain(gradient: Tensor) -> dict[tuple[int, int], jax.Array]:
    """Symmetric part S_ij for i <= j."""
    return {(i, j): 0.5 * (gradient[i][j] + gradient[j][i]) for i, j in PAIRS}


def contracted(a: dict[tuple[int, int], jax.Array], b: dict[tuple[int, int], jax.Array]) -> jax.Array:
    """a_ij b_ij of two symmetric tensors."""
    return sum((1 if i == j else 2) * a[i, j] * b[i, j] for i, j in PAIRS)


def deviator(tensor: dict[tuple[int, int], jax.Array]) -> dict[tuple[int, int], jax.Array]:
    """The tensor without its trace."""
    third = sum(tensor[i, i] for i in range(3)) / 3
    return {(i, j): value - third if i == j else value for (i, j), value in tensor.items()}


def stacked(fields: Sequence[jax.Array]) -> jax.Array:
    """Fields [y, z, x] one after the other along y, for one transform."""
    return jnp.concatenate(list(fields))
