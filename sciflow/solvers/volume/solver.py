"""The reference solver for conservation laws with and without diffusion."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp
import numpy as np

from sciflow.core.errors import InputError
from sciflow.solvers.volume.cells import CellSolver
from sciflow.solvers.volume.faces import Limiter, at_faces, cut, hll
from sciflow.solvers.volume.laws import Laws, reason_against
from sciflow.solvers.volume.march import heun, legendre
from sciflow.solvers.volume.rows import compiled, evaluate
from sciflow.solvers.volume.sides import Sides, Values, reason_against_sides
from sciflow.solvers.volume.spread import STRETCH, Spread, stages_for

if TYPE_CHECKING:
    from sciflow.problems import Problem
    from sciflow.solvers.base import Grid

_ROUNDING = 1e-6  # of the largest diffusivity: how far one may come out below 0, in single precision too


@final
class Volume(CellSolver):
    r"""Second-order finite volumes for conservation laws in 1-D and 2-D, with shocks and degenerate diffusion.

    .. math:: U_t + \sum_i \partial_i (F_i(U) - D_i(U)\,\partial_i U) = S(U)

    The evolving fields are the densities of the declared conservation laws, whose fluxes are differenced; wave speeds
    are the eigenvalues of the Jacobians of F. Linear reconstruction with a limiter (MUSCL), HLL fluxes, Heun's
    method, steps by the Courant number. The diffusivity D of each field may depend on that field and vanish or jump:
    the flux is a difference of the Kirchhoff potential, the integral of D, so that fronts move at their speed. Where
    there is nothing but diffusion, Runge-Kutta-Legendre steps take the place of Heun's.

    Integrals are conserved to rounding on periodic axes, and change by what flows through the sides elsewhere. Sides
    are periodic, Dirichlet, Neumann(0) (a mirror) or Outflow; a wall is Dirichlet(0) for the normal momentum and
    Neumann(0) for the rest.

    Args:
        cfl, limiter, oversample: see `CellSolver`.

    Raises:
        InputError: an option is impossible, or D is negative for values between the initial and given ones.
        SciflowError: the solution stopped being finite.

    Sources: van Leer (1979); Harten, Lax and van Leer (1983); Shu and Osher (1988); Meyer, Balsara and Aslam (2014).
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

    def require_posed(self, grid: Grid, states: jax.Array, values: Mapping[str, jax.Array], times: np.ndarray) -> None:
        scheme = self._scheme(grid)
        assert isinstance(scheme, LawScheme)
        found = scheme.least_diffusivity(states, jnp.asarray(times[0]), jnp.asarray(times[-1]), values)
        if found is None:
            return
        least, largest = (np.asarray(part) for part in found)
        negative = np.argwhere(least < -_ROUNDING * largest)
        if len(negative):
            case, field = negative[0]
            raise InputError(
                f"The diffusivity of '{self.evolving[field]}' in '{self.problem.name}' is {least[case, field]:.3g} for "
                "values between the initial and given ones, which makes waves grow the faster the shorter they are; "
                "give one that is nowhere negative."
            )


@final
class LawScheme:
    """Fluxes through the faces of equal cells; state [F, *cells]."""

    def __init__(self, problem: Problem, grid: Grid, limiter: Limiter, cfl: float) -> None:
        laws = Laws.of(problem)
        self._limiter, self._cfl, self._carried = limiter, cfl, laws.carried
        self._sides = Sides(problem, laws.fields, grid)
        self._places = _mesh(grid)
        self._spacing = [float(points[1] - points[0]) for points in reversed(grid.axes.values())]
        # By array axis: the last axis of the arrays is x.
        self._flux = [compiled(problem, laws.fields, row) for row in reversed(laws.flux)]
        self._waves = [compiled(problem, laws.fields, row) for row in reversed(laws.waves)]
        self._source = None if not any(laws.source) else compiled(problem, laws.fields, laws.source)
        self._spread = Spread(problem, laws, self._sides, self._spacing) if laws.spread else None
        # One program for all runs on this grid.
        self._least = None if self._spread is None else jax.jit(jax.vmap(self._spread.least, (0, None, None, 0)))

    def rate(self, state: jax.Array, time: jax.Array, case: dict[str, Any]) -> jax.Array:
        """Time derivative of the state: what flows into each cell, and the source."""
        total = jnp.zeros_like(state)
        for position, h in enumerate(self._spacing):
            axis, flux = position + 1, self.fluxes(position, state, time, case["values"])
            total -= (cut(flux, axis, 1, None) - cut(flux, axis, 0, -1)) / h
        if self._source is not None:
            total += evaluate(self._source, state, {**case["values"], "t": time, **self._places})
        return total

    def fluxes(self, position: int, state: jax.Array, time: jax.Array, given: Values) -> jax.Array:
        """Flux [F, *faces] along one array axis of the cells."""
        flux = 0.0 if self._spread is None else self._spread.fluxes(position, state, time, given)
        if self._spread is not None and not self._carried:
            return flux
        values = {**given, "t": time}
        padded = self._sides.pad(state, position, time, given)
        left, right = at_faces(padded, position + 1, self._limiter)
        speeds = [*self._speeds(position, left, values), *self._speeds(position, right, values)]
        slow, fast = reduce(jnp.minimum, speeds), reduce(jnp.maximum, speeds)
        before, after = (evaluate(self._flux[position], side, values) for side in (left, right))
        return hll(left, right, before, after, slow, fast) + flux

    def step(self, state: jax.Array, time: jax.Array, dt: jax.Array, case: dict[str, Any]) -> jax.Array:
        def rate(now: jax.Array, moment: jax.Array) -> jax.Array:
            return self.rate(now, moment, case)

        if self._spread is None or self._carried:
            return heun(rate, state, time, dt)
        stages = stages_for(dt * self._spread.pace(state, time, time + dt, case["values"]))
        return legendre(rate, state, time, dt, stages)

    def longest_step(self, state: jax.Array, time: jax.Array, end: jax.Array, case: dict[str, Any]) -> jax.Array:
        spread = 0.0 if self._spread is None else self._spread.pace(state, time, end, case["values"])
        if self._spread is not None and not self._carried:
            return STRETCH / spread
        values = {**case["values"], "t": time}
        pace = jnp.zeros(())
        for position, h in enumerate(self._spacing):
            padded = self._sides.pad(state, position, time, case["values"])
            speeds = self._speeds(position, padded, values)
            pace += reduce(jnp.maximum, [jnp.max(jnp.abs(speed)) for speed in speeds]) / h
        return self._cfl / (pace + spread)

    def least_diffusivity(
        self, states: jax.Array, time: jax.Array, end: jax.Array, values: Values
    ) -> tuple[jax.Array, jax.Array] | None:
        """See `Spread.least`, for all cases [case, F]; None without diffusion."""
        return None if self._least is None else self._least(states, time, end, values)

    def _speeds(self, position: int, state: jax.Array, values: Values) -> list[jax.Array]:
        return list(evaluate(self._waves[position], state, values))


def _mesh(grid: Grid) -> dict[str, jax.Array]:
    names = list(reversed(grid.axes))
    arrays = jnp.meshgrid(*(jnp.asarray(grid.axes[name]) for name in names), indexing="ij")
    return dict(zip(names, arrays, strict=True))
