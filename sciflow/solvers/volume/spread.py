"""Diffusive fluxes as differences of the Kirchhoff potential, and the steps that they bear."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, final

import jax
import jax.numpy as jnp

from sciflow.solvers.volume.faces import cut
from sciflow.solvers.volume.rows import compiled, evaluate
from sciflow.solvers.volume.sides import GHOSTS, Sides, Values

if TYPE_CHECKING:
    from sciflow.problems import Problem
    from sciflow.solvers.volume.laws import Laws

_MOST_STAGES = 10
_SAFE = 0.9  # of the step at which a method is no longer stable
STRETCH = _SAFE * (_MOST_STAGES**2 + _MOST_STAGES - 2) / 4  # steps of Euler's method in one of Runge-Kutta-Legendre
_MOMENTS = 9  # at which the values given on the sides are looked at: diffusion may set in with them


def stages_for(steps: jax.Array) -> jax.Array:
    """Stages of a Runge-Kutta-Legendre step as long as so many steps of Euler's method."""
    return jnp.maximum(jnp.ceil((jnp.sqrt(9 + 16 * steps / _SAFE) - 1) / 2), 3.0)


@final
class Spread:
    r"""The fluxes :math:`-\partial_i \Phi_i(U)`, of second order in the spacing."""

    def __init__(self, problem: Problem, laws: Laws, sides: Sides, spacing: Sequence[float]) -> None:
        self._sides, self._spacing = sides, spacing
        # By array axis, then by field.
        self._potential, self._diffusivity = (
            [
                [compiled(problem, [name], [part]) for name, part in zip(laws.fields, row, strict=True)]
                for row in reversed(rows)
            ]
            for rows in (laws.potential, laws.diffusivity)
        )

    def fluxes(self, position: int, state: jax.Array, time: jax.Array, given: Values) -> jax.Array:
        """[F, *faces] along one array axis of the cells."""
        values = {**given, "t": time}

        def change(field: int, array: jax.Array) -> jax.Array:
            return evaluate(self._potential[position][field], array[None].astype(state.dtype), values)[0]

        axis = position + 1
        padded = self._sides.pad(state, position, time, given, change)
        near = cut(padded, axis, GHOSTS - 1, 1 - GHOSTS)
        return (cut(near, axis, 0, -1) - cut(near, axis, 1, None)) / self._spacing[position]

    def pace(self, state: jax.Array, time: jax.Array, end: jax.Array, given: Values) -> jax.Array:
        """The sum over the axes of 2 D / h^2, until `end`: the inverse of the longest step of Euler's method."""

        def steepest(fields: Iterable[tuple[int, jax.Array]], position: int, moment: jax.Array) -> jax.Array:
            rows, values = self._diffusivity[position], {**given, "t": moment}
            found = [evaluate(rows[i], array[None].astype(state.dtype), values) for i, array in fields]
            return jnp.max(jnp.stack([jnp.max(array) for array in found]))

        def beside(moment: jax.Array, position: int) -> jax.Array:
            return steepest(self._sides.given(position, moment, given), position, moment)

        total = jnp.zeros((), state.dtype)
        moments = time + (end - time) * jnp.linspace(0, 1, _MOMENTS, dtype=state.dtype)
        for position, h in enumerate(self._spacing):
            largest = jnp.maximum(*(steepest(enumerate(state), position, moment) for moment in (time, end)))
            if self._sides.given(position, time, given):
                largest = jnp.maximum(largest, jnp.max(jax.vmap(beside, (0, None))(moments, position)))
            total += 2 * largest / h**2
        return total
