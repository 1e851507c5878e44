"""The right-hand side of a declared periodic problem on Fourier modes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from sympy.core.function import AppliedUndef

from sciflow.problems.compile import Compiled, Orders, compile_expressions, numeric
from sciflow.solvers.periodic.modes import Modes
from sciflow.solvers.periodic.split import Split, degree, split

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sciflow.problems import Problem
    from sciflow.solvers.base import Grid

Values = dict[str, jax.Array]


class System:
    """u_t = L u + N(u, t) for all evolving fields, constraint fields solved on the way.

    State: [fields, *half spectrum]. L is the number that a Fourier mode of a field is multiplied by; N holds
    products, coupling between fields, forcing and time-dependent terms, evaluated on the grid and dealiased.
    """

    def __init__(self, problem: Problem, grid: Grid, bounds: Mapping[str, tuple[float, float]]) -> None:
        self.problem, self.grid = problem, grid
        self.fields = tuple(problem.evolution)
        self.auxiliary = tuple(problem.constraints)
        coordinates = problem.coordinates
        right = [problem.drive(expression) for expression in problem.evolution.values()]
        self._splits = [split(e, [name], coordinates) for name, e in zip(self.fields, right, strict=True)]
        rest = [part.rest for part in self._splits]
        every = (*self.fields, *self.auxiliary)
        residuals = [problem.drive(eq.lhs - eq.rhs) for eq in problem.constraints.values()]
        self._constraints = [split(residual, every, coordinates) for residual in residuals]
        power = degree([*rest, *(c.rest for c in self._constraints)], every)
        extents = tuple(bounds[axis][1] - bounds[axis][0] for axis in reversed(grid.axes))
        self.modes = Modes(grid.shape, extents, 2 / (power + 1) if power > 1 else 1.0)
        self.linear_only = all(expression == 0 for expression in rest)
        self._rest = compile_expressions(rest, coordinates, "jax")
        self._constraint_rest = compile_expressions([c.rest for c in self._constraints], coordinates, "jax")

    @staticmethod
    def unsupported(problem: Problem) -> str | None:
        """Why the equations do not fit, or None."""
        if not problem.evolution:
            return "it declares no evolution equation."
        open_axes = [axis for axis in problem.axes if axis not in problem.periodic]
        if open_axes:
            return f"it needs periodic axes and {open_axes} are not."
        if problem.inputs:
            return "it has input fields, which this solver does not take."
        known = set(problem.evolution)
        for name, equation in problem.constraints.items():
            part = split(problem.drive(equation.lhs - equation.rhs), [*known, name], problem.coordinates)
            left = {call.func.__name__ for call in part.rest.atoms(AppliedUndef)} - known
            if not part.linear[name] or left:
                return f"the constraint of '{name}' is not linear in it with constant coefficients."
            known.add(name)
        loose = [info.name for info in problem.fields if info.name not in known]
        return f"no equation determines {loose}." if loose else None

    def linear(self, values: Values) -> jax.Array:
        """L for the parameters of one case, [fields, *half spectrum]."""
        size = self.modes.mask().shape
        pairs = zip(self._splits, self.fields, strict=True)
        return jnp.stack([jnp.broadcast_to(self._number(part, name, values), size) for part, name in pairs])

    def _number(self, part: Split, name: str, values: Values) -> jax.Array:
        total = jnp.zeros((1,) * len(self.modes.shape), dtype=jnp.result_type(complex))
        for orders, coefficient in part.linear[name]:
            symbols = sorted(coefficient.free_symbols, key=lambda symbol: symbol.name)
            factor = numeric(symbols, coefficient, "jax")(*(values[symbol.name] for symbol in symbols))
            total = total + factor * jnp.asarray(self.modes.symbol(orders))
        return total

    def nonlinear(self, state: jax.Array, time: jax.Array, values: Values) -> jax.Array:
        """Dealiased transform of N, [fields, *half spectrum]."""
        mask = jnp.asarray(self.modes.mask())
        spectra = self.complete(state * mask, time, values)
        outputs = self._evaluate(self._rest, spectra, time, values)
        return self.modes.forward(jnp.stack(outputs)) * mask

    def complete(self, state: jax.Array, time: jax.Array, values: Values) -> dict[str, jax.Array]:
        """Spectra of all fields: the evolving ones and those that constraints determine, mean zero where free."""
        spectra = dict(zip(self.fields, state, strict=True))
        for index, (name, part) in enumerate(zip(self.auxiliary, self._constraints, strict=True)):
            total = jnp.zeros_like(state[0])
            for other in part.linear:
                if other != name and part.linear[other]:
                    total = total + self._number(part, other, values) * spectra[other]
            if part.rest != 0:
                rest = self._evaluate(self._constraint_rest, spectra, time, values)[index]
                total = total + self.modes.forward(rest) * jnp.asarray(self.modes.mask())
            own = jnp.broadcast_to(self._number(part, name, values), total.shape)
            spectra[name] = jnp.where(own == 0, 0, -total / jnp.where(own == 0, 1, own))
        return spectra

    def _evaluate(self, compiled: Compiled, spectra: Values, time: jax.Array, values: Values) -> list[jax.Array]:
        offset = len(self.problem.coordinates) - len(self.problem.axes)

        def derivative(name: str, orders: Orders) -> jax.Array:
            return self.modes.backward(spectra[name] * jnp.asarray(self.modes.symbol(orders[offset:])))

        known = {**values, **self._mesh(), "t": time}
        arrays = [derivative(name, orders) for name, orders in compiled.derivatives]
        outputs = compiled.function(*arrays, *(known[name] for name in compiled.symbols))
        real = jnp.result_type(float)
        return [jnp.broadcast_to(jnp.asarray(output, dtype=real), self.modes.shape) for output in outputs]

    def _mesh(self) -> dict[str, jax.Array]:
        """Coordinates of the grid points, shaped to broadcast over (z,) y, x."""
        count = len(self.grid.axes)
        return {
            axis: jnp.asarray(points.reshape([-1 if i == count - 1 - index else 1 for i in range(count)]))
            for index, (axis, points) in enumerate(self.grid.axes.items())
        }
