"""Diffusive fluxes as differences of the Kirchhoff potential, and the steps that they bear."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
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
_SAMPLES = 33  # of the values between the least and the largest, all of which may come up on the way


def stages_for(steps: jax.Array) -> jax.Array:
    """Stages of a Runge-Kutta-Legendre step as long as so many steps of Euler's method."""
    return jnp.maximum(jnp.ceil((jnp.sqrt(9 + 16 * steps / _SAFE) - 1) / 2), 3.0)


def _moments(state: jax.Array, time: jax.Array, end: jax.Array) -> jax.Array:
    return time + (end - time) * jnp.linspace(0, 1, _MOMENTS, dtype=state.dtype)


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

    def least(self, state: jax.Array, time: jax.Array, end: jax.Array, given: Values) -> tuple[jax.Array, jax.Array]:
        """The least and the largest D of each field [F] between its extreme values, those on the sides included."""
        moments = _moments(state, time, end)
        between = self._between(state, moments, given)

        def of_field(field: int, position: int, moment: jax.Array) -> jax.Array:
            return evaluate(self._diffusivity[position][field], between[field][None], {**given, "t": moment})

        found = [
            jnp.stack([jax.vmap(partial(of_field, field, place))(moments) for place in range(len(self._spacing))])
            for field in range(len(state))
        ]
        return jnp.stack([jnp.min(part) for part in found]), jnp.stack([jnp.max(jnp.abs(part)) for part in found])

    def pace(self, state: jax.Array, time: jax.Array, end: jax.Array, given: Values) -> jax.Array:
        """The sum over the axes of 2 D / h^2, until `end`: the inverse of the longest step of Euler's method.

        D is the largest of the cells, of the values given on the sides, of the means at faces, (change of Phi) /
        (change of U), and of a sample of what lies between the least and the largest value: it may vanish in all cells
        and not between them.
        """

        def steepest(fields: Iterable[tuple[int, jax.Array]], position: int, moment: jax.Array) -> jax.Array:
            rows, values = self._diffusivity[position], {**given, "t": moment}
            found = [evaluate(rows[i], array[None].astype(state.dtype), values) for i, array in fields]
            return jnp.max(jnp.stack([jnp.max(array) for array in found]))

        def beside(moment: jax.Array, position: int) -> jax.Array:
            return steepest(self._sides.given(position, moment, given), position, moment)

        total = jnp.zeros((), state.dtype)
        moments = _moments(state, time, end)
        between = self._between(state, moments, given)
        for position, h in enumerate(self._spacing):
            largest = jnp.maximum(*(steepest(enumerate(state), position, moment) for moment in (time, end)))
            sampled = jax.vmap(lambda moment, place=position: steepest(enumerate(between), place, moment))(moments)
            largest = jnp.maximum(largest, jnp.max(sampled))
            largest = jnp.maximum(largest, jnp.max(self._means(position, state, time, given)))
            if self._sides.given(position, time, given):
                largest = jnp.maximum(largest, jnp.max(jax.vmap(beside, (0, None))(moments, position)))
            total += 2 * largest / h**2
        return total

    def _between(self, state: jax.Array, moments: jax.Array, given: Values) -> jax.Array:
        """Values [F, samples] from the least to the largest of the state and of what is given on the sides."""
        low, high = (reach(state.reshape(len(state), -1), axis=1) for reach in (jnp.min, jnp.max))
        for position in range(len(self._spacing)):
            for field, values in self._beside(position, moments, given):
                low = low.at[field].min(jnp.min(values).astype(state.dtype))
                high = high.at[field].max(jnp.max(values).astype(state.dtype))
        share = jnp.linspace(0, 1, _SAMPLES, dtype=state.dtype)
        return low[:, None] + (high - low)[:, None] * share

    def _beside(self, position: int, moments: jax.Array, given: Values) -> list[tuple[int, jax.Array]]:
        """Values given on the sides of an axis at all moments, each with the number of its field."""
        fields = [field for field, _ in self._sides.given(position, moments[0], given)]
        arrays = jax.vmap(lambda moment: [part for _, part in self._sides.given(position, moment, given)])(moments)
        return list(zip(fields, arrays, strict=True))

    def _means(self, position: int, state: jax.Array, time: jax.Array, given: Values) -> jax.Array:
        """|change of Phi| / |change of U| at the faces along one array axis; 0 where U hardly changes."""
        padded = self._sides.pad(state, position, time, given)
        near = cut(padded, position + 1, GHOSTS - 1, 1 - GHOSTS)
        change = jnp.abs(cut(near, position + 1, 1, None) - cut(near, position + 1, 0, -1))
        moved = jnp.abs(self.fluxes(position, state, time, given)) * self._spacing[position]
        enough = change > jnp.sqrt(jnp.finfo(state.dtype).eps) * jnp.max(jnp.abs(near))  # else it is all rounding
        return jnp.where(enough, moved / jnp.where(enough, change, 1.0), 0.0)
