"""The reference solver for first-order conservation laws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp
import sympy

from sciflow.problems.compile import numeric
from sciflow.solvers.volume.cells import CellSolver
from sciflow.solvers.volume.faces import Limiter, at_faces, cut, hll
from sciflow.solvers.volume.laws import Laws, reason_against
from sciflow.solvers.volume.sides import Sides, reason_against_sides

if TYPE_CHECKING:
    from sciflow.problems import Problem
    from sciflow.solvers.base import Grid


@final
class Volume(CellSolver):
    r"""Second-order finite volumes for conservation laws in 1-D and 2-D, with shocks.

    .. math:: U_t + \sum_i \partial_i F_i(U) = S(U)

    The evolving fields are the densities of the declared conservation laws, whose fluxes are differenced; wave speeds
    are the eigenvalues of the fluxes' Jacobians. Linear reconstruction with a limiter (MUSCL), HLL fluxes, Heun's
    method, steps by the Courant number. Integrals are conserved to rounding on periodic axes. Sides are periodic,
    Dirichlet, Neumann(0) (a mirror) or Outflow; a wall is Dirichlet(0) for the normal momentum and Neumann(0) for the
    rest.

    Args:
        cfl, limiter, oversample: see `CellSolver`.

    Raises:
        InputError: an option is impossible.
        SciflowError: the solution stopped being finite.

    Sources: van Leer (1979); Harten, Lax and van Leer (1983); Shu and Osher (1988).
    """

    name = "volume"

    @classmethod
    def unsupported(cls, problem: Problem) -> str | None:
        return reason_against(problem) or reason_against_sides(problem, list(problem.evolution))

    @property
    def evolving(self) -> tuple[str, ...]:
        return tuple(self.problem.evolution)

    def scheme(self, grid: Grid) -> LawScheme:
        return LawScheme(self.problem, grid, self.limiter, self.cfl)


@final
class LawScheme:
    """Fluxes through the faces of equal cells; state [F, *cells]."""

    def __init__(self, problem: Problem, grid: Grid, limiter: Limiter, cfl: float) -> None:
        laws = Laws.of(problem)
        self._limiter, self._cfl = limiter, cfl
        self._sides = Sides(problem, laws.fields, grid)
        self._places = _mesh(grid)
        self._spacing = [float(points[1] - points[0]) for points in reversed(grid.axes.values())]
        # By array axis: the last axis of the arrays is x.
        self._flux = [_compiled(problem, laws.fields, row) for row in reversed(laws.flux)]
        self._waves = [_compiled(problem, laws.fields, row) for row in reversed(laws.waves)]
        self._source = None if not any(laws.source) else _compiled(problem, laws.fields, laws.source)

    def rate(self, state: jax.Array, time: jax.Array, case: dict[str, Any]) -> jax.Array:
        values = {**case["values"], "t": time}
        total = jnp.zeros_like(state)
        for position, h in enumerate(self._spacing):
            axis = position + 1
            padded = self._sides.pad(state, position, time, case["values"])
            left, right = at_faces(padded, axis, self._limiter)
            speeds = [*self._speeds(position, left, values), *self._speeds(position, right, values)]
            slow, fast = reduce(jnp.minimum, speeds), reduce(jnp.maximum, speeds)
            before, after = (self._evaluate(self._flux[position], side, values) for side in (left, right))
            flux = hll(left, right, before, after, slow, fast)
            total -= (cut(flux, axis, 1, None) - cut(flux, axis, 0, -1)) / h
        if self._source is not None:
            total += self._evaluate(self._source, state, {**values, **self._places})
        return total

    def longest_step(self, state: jax.Array, time: jax.Array, case: dict[str, Any]) -> jax.Array:
        values = {**case["values"], "t": time}
        pace = jnp.zeros(())
        for position, h in enumerate(self._spacing):
            padded = self._sides.pad(state, position, time, case["values"])
            speeds = self._speeds(position, padded, values)
            pace += reduce(jnp.maximum, [jnp.max(jnp.abs(speed)) for speed in speeds]) / h
        return self._cfl / pace

    def _speeds(self, position: int, state: jax.Array, values: Mapping[str, Any]) -> list[jax.Array]:
        return list(self._evaluate(self._waves[position], state, values))

    @staticmethod
    def _evaluate(compiled: Any, state: jax.Array, values: Mapping[str, Any]) -> jax.Array:
        function, names = compiled
        rows = function(*state, *(values[name] for name in names))
        return jnp.stack([jnp.broadcast_to(jnp.asarray(row, state.dtype), state.shape[1:]) for row in rows])


def _compiled(problem: Problem, fields: Sequence[str], row: Sequence[sympy.Expr]) -> tuple[Any, list[str]]:
    """A function of the fields and of the symbols named."""
    stand_in = {problem.field(name).symbol: sympy.Dummy(real=True) for name in fields}
    plain = [expression.xreplace(stand_in) for expression in row]
    free = set().union(*(expression.free_symbols for expression in plain)) - set(stand_in.values())
    symbols = sorted(free, key=lambda symbol: symbol.name)
    return numeric([*stand_in.values(), *symbols], plain, "jax"), [symbol.name for symbol in symbols]


def _mesh(grid: Grid) -> dict[str, jax.Array]:
    names = list(reversed(grid.axes))
    arrays = jnp.meshgrid(*(jnp.asarray(grid.axes[name]) for name in names), indexing="ij")
    return dict(zip(names, arrays, strict=True))
