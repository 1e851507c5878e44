"""The reference solver for shallow water over a bed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp

from sciflow.problems.compile import numeric
from sciflow.solvers.volume.cells import CellSolver
from sciflow.solvers.volume.depth import ShallowWaterForm, reason_against
from sciflow.solvers.volume.faces import Limiter, at_faces, cut, hll
from sciflow.solvers.volume.march import heun
from sciflow.solvers.volume.sides import Sides, reason_against_sides

if TYPE_CHECKING:
    from sciflow.problems import Problem
    from sciflow.solvers.base import Grid

DRY = 1e-6  # in metres: where water is shallower its velocity is damped to zero, so that q / h stays bounded


@final
class ShallowWater(CellSolver):
    r"""Well-balanced finite volumes of second order for shallow water in 1-D and 2-D, with bores and dry beds.

    .. math:: h_t + \nabla\cdot q = 0, \qquad q_t + \nabla\cdot(q\,q/h) + g h\nabla(h + b) = 0

    with depth h in m, momentum q in m^2/s and the bed b in m, an input field (or none). Depth, surface and velocity are
    reconstructed with a limiter; at each face the bed is the higher one of both sides (hydrostatic reconstruction), so
    that a lake at rest stays at rest to rounding over any bed, and depths stay positive. HLL fluxes, Heun's method.
    Mass is conserved to rounding between walls and on periodic axes. A wall is Dirichlet(0) for the normal momentum and
    Neumann(0) for the rest.

    Args:
        cfl, limiter, oversample: see `CellSolver`.

    Raises:
        InputError: an option is impossible.
        SciflowError: the solution stopped being finite.

    Source: Audusse, Bouchut, Bristeau, Klein and Perthame (2004), SIAM J. Sci. Comput. 25, 2050-2065.
    """

    name = "shallow-water"

    @classmethod
    def unsupported(cls, problem: Problem) -> str | None:
        return reason_against(problem) or reason_against_sides(problem, list(problem.evolution))

    @property
    def evolving(self) -> tuple[str, ...]:
        form = ShallowWaterForm.of(self.problem)
        return (form.depth, *form.momentum)

    def scheme(self, grid: Grid) -> LakeScheme:
        return LakeScheme(self.problem, grid, self.limiter, self.cfl)


@final
class LakeScheme:
    """State [h, qx, (qy), *cells]."""

    def __init__(self, problem: Problem, grid: Grid, limiter: Limiter, cfl: float) -> None:
        form = ShallowWaterForm.of(problem)
        self._limiter, self._cfl, self._bed = limiter, cfl, form.bed
        self._sides = Sides(problem, (form.depth, *form.momentum), grid)
        self._spacing = [float(points[1] - points[0]) for points in reversed(grid.axes.values())]
        self._symbols = sorted(form.gravity.free_symbols, key=lambda symbol: symbol.name)
        self._gravity = numeric(self._symbols, form.gravity, "jax")

    def rate(self, state: jax.Array, time: jax.Array, case: dict[str, Any]) -> jax.Array:
        gravity, bed = self._known(state, case)
        total = jnp.zeros_like(state)
        for position, h in enumerate(self._spacing):
            padded = self._sides.pad(state, position, time, case["values"])
            ground = self._sides.pad_bed(bed, position, 0)
            total += self._along(padded, ground, position, gravity) / h
        return total

    def step(self, state: jax.Array, time: jax.Array, dt: jax.Array, case: dict[str, Any]) -> jax.Array:
        return heun(lambda now, moment: self.rate(now, moment, case), state, time, dt)

    def longest_step(self, state: jax.Array, time: jax.Array, end: jax.Array, case: dict[str, Any]) -> jax.Array:
        gravity, _ = self._known(state, case)
        pace = jnp.zeros(())
        for position, h in enumerate(self._spacing):
            padded = self._sides.pad(state, position, time, case["values"])
            speed = jnp.abs(velocity(padded[0], padded[self._normal(position)])) + celerity(gravity, padded[0])
            pace += jnp.max(speed) / h
        return self._cfl / pace

    def _along(self, padded: jax.Array, ground: jax.Array, position: int, gravity: jax.Array) -> jax.Array:
        """What flows in along one axis and the push of the bed, times the cell size."""
        depth, normal = padded[0], self._normal(position)
        speeds = jax.vmap(lambda q: velocity(depth, q))(padded[1:])
        left_depth, right_depth = at_faces(depth, position, self._limiter)
        left_level, right_level = at_faces(depth + ground, position, self._limiter)
        left_speed, right_speed = at_faces(speeds, position + 1, self._limiter)
        sill = jnp.maximum(left_level - left_depth, right_level - right_depth)
        ends = []
        for level, own, speed in ((left_level, left_depth, left_speed), (right_level, right_depth, right_speed)):
            # What stands above the sill; never more than the side's own depth, which rounding might exceed.
            over = jnp.clip(level - sill, 0.0, own)
            ends.append(jnp.concatenate([over[None], over * speed]))
        flux = self._flux(ends[0], ends[1], left_speed[normal - 1], right_speed[normal - 1], normal, gravity)
        # Each side of a face feels the pressure on the step between its own bed and the sill.
        leaving = flux.at[normal].add(gravity / 2 * (left_depth**2 - ends[0][0] ** 2))
        entering = flux.at[normal].add(gravity / 2 * (right_depth**2 - ends[1][0] ** 2))
        total = cut(entering, position + 1, 0, -1) - cut(leaving, position + 1, 1, None)
        # Inside a cell the bed is linear: its push is the mean depth times the drop.
        low, high = cut(right_depth, position, 0, -1), cut(left_depth, position, 1, None)
        rise = cut(left_level - left_depth, position, 1, None) - cut(right_level - right_depth, position, 0, -1)
        return total.at[normal].add(-gravity * (low + high) / 2 * rise)

    def _flux(
        self, left: jax.Array, right: jax.Array, left_speed: jax.Array, right_speed: jax.Array, normal: int,
        gravity: jax.Array,
    ) -> jax.Array:  # fmt: skip
        c_left, c_right = celerity(gravity, left[0]), celerity(gravity, right[0])
        slow = jnp.minimum(left_speed - c_left, right_speed - c_right)
        fast = jnp.maximum(left_speed + c_left, right_speed + c_right)
        # A front on a dry bed runs at u + 2 c (Ritter 1892).
        slow = jnp.where(left[0] <= DRY, jnp.minimum(slow, right_speed - 2 * c_right), slow)
        fast = jnp.where(right[0] <= DRY, jnp.maximum(fast, left_speed + 2 * c_left), fast)
        before, after = (
            (end * speed).at[normal].add(gravity / 2 * end[0] ** 2)
            for end, speed in ((left, left_speed), (right, right_speed))
        )
        return hll(left, right, before, after, slow, fast)

    def _known(self, state: jax.Array, case: dict[str, Any]) -> tuple[jax.Array, jax.Array]:
        """Gravity and bed of a case."""
        gravity = jnp.asarray(self._gravity(*(case["values"][symbol.name] for symbol in self._symbols)), state.dtype)
        return gravity, jnp.zeros_like(state[0]) if self._bed is None else case["inputs"][self._bed]

    def _normal(self, position: int) -> int:
        """Component of the state that is the momentum along an array axis; the last axis is x."""
        return len(self._spacing) - position


def velocity(depth: jax.Array, momentum: jax.Array) -> jax.Array:
    """q / h, and less where there is hardly any water; Kurganov and Petrova (2007), equation (2.17)."""
    fourth = depth**4
    return jnp.sqrt(2.0) * depth * momentum / jnp.sqrt(fourth + jnp.maximum(fourth, DRY**4))


def celerity(gravity: jax.Array, depth: jax.Array) -> jax.Array:
    """Speed of long waves."""
    return jnp.sqrt(gravity * jnp.maximum(depth, 0.0))
