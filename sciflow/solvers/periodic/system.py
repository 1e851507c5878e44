"""The right-hand side of a declared periodic problem on Fourier modes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp

from sciflow.problems.compile import Compiled, Orders, compile_expressions, numeric
from sciflow.solvers.periodic.equations import Constraint, Unfit, read
from sciflow.solvers.periodic.modes import Modes
from sciflow.solvers.periodic.terms import Terms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sciflow.problems import Problem
    from sciflow.solvers.base import Grid

Values = dict[str, jax.Array]
Rows = dict[str, Values]


class Operators(NamedTuple):
    """Numbers that Fourier modes are multiplied by, for the parameters of one case.

    Attributes:
        linear: L, [fields, *half spectrum], or [fields, fields, *half spectrum] where fields are coupled linearly.
        into: by evolving field and constraint field: the operator on the latter in the evolution of the former.
        gain: by constraint field and evolving field: the linear part of the former.
        inverse: by constraint field: -1 / its own operator, 0 where that is 0.
        chain: by constraint field and earlier constraint field: the operator on the latter.
        products: by constraint field and evolving field: the operator on the nonlinear part of the latter.
    """

    linear: jax.Array
    into: Rows
    gain: Rows
    inverse: Values
    chain: Rows
    products: Rows


class System:
    """u_t = L u + N(u, t) for all evolving fields, constraint fields solved on the way.

    State: [fields, *half spectrum]. L holds everything linear with constant coefficients: coupling between fields,
    and what constraint fields pass on. N holds products, forcing and time-dependent terms, evaluated on the grid and
    dealiased.

    Systems of equal problems on equal grids are equal, so that what is compiled for one serves the other.
    """

    def __init__(self, problem: Problem, grid: Grid, bounds: Mapping[str, tuple[float, float]]) -> None:
        self.problem, self.grid = problem, grid
        self._key = (problem.hash, grid.shape, tuple(bounds.items()))
        self.fields = tuple(problem.evolution)
        self.equations = read(problem)
        extents = tuple(bounds[axis][1] - bounds[axis][0] for axis in reversed(grid.axes))
        power = self.equations.degree
        self.modes = Modes(grid.shape, extents, 2 / (power + 1) if power > 1 else 1.0)
        parts = [(f, orders, e) for f, terms in self.equations.products.items() for orders, e in terms.items()]
        self._targets = [(field, orders) for field, orders, _ in parts]
        self._products = compile_expressions([expression for _, _, expression in parts], problem.coordinates, "jax")
        self._rest = {c.name: self._compiled(c.rest) for c in self.equations.constraints if c.rest != 0}
        self._declared = {
            c.name: self._compiled(c.declared.rest) for c in self.equations.constraints if c.declared is not None
        }
        passed = {name for row in self.equations.linear.values() for name, terms in row.items() if terms}
        self.linear_only = not parts and not passed & set(self._rest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, System) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def _compiled(self, expression: object) -> Compiled:
        return compile_expressions([expression], self.problem.coordinates, "jax")

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
        known = {*problem.evolution, *problem.constraints}
        loose = [info.name for info in problem.fields if info.name not in known]
        if loose:
            return f"no equation determines {loose}."
        try:
            read(problem)
        except Unfit as reason:
            return str(reason)
        return None

    def operators(self, values: Values) -> Operators:
        """All operators for the parameters of one case."""
        eq = self.equations
        gain: Rows = {}
        inverse, chain, products = {}, {}, {}
        for part in eq.constraints:
            own = self._number(part.linear[part.name], values)
            inverse[part.name] = jnp.where(own == 0, 0, -1 / jnp.where(own == 0, 1, own))
            chain[part.name] = {b: self._number(t, values) for b, t in part.linear.items() if t and b in gain}
            products[part.name] = {f: self._number(terms, values) for f, terms in part.products.items()}
            gain[part.name] = {}
            for field in sorted(eq.feeds[part.name]):
                through = [factor * gain[b][field] for b, factor in chain[part.name].items() if field in gain[b]]
                sum_ = sum(through, self._number(part.linear[field], values))
                gain[part.name][field] = inverse[part.name] * sum_
        into = {f: {a: self._number(row[a], values) for a in gain if row[a]} for f, row in eq.linear.items()}
        return Operators(self._linear(into, gain, values), into, gain, inverse, chain, products)

    def _linear(self, into: Rows, gain: Rows, values: Values) -> jax.Array:
        def entry(field: str, other: str) -> jax.Array:
            through = [factor * gain[a][other] for a, factor in into[field].items() if other in gain[a]]
            number = sum(through, self._number(self.equations.linear[field][other], values))
            number = number.real if self.equations.real else number + 0j
            return jnp.broadcast_to(number, self.modes.mask().shape)

        if not self.equations.coupled:
            return jnp.stack([entry(field, field) for field in self.fields])
        return jnp.stack([jnp.stack([entry(field, other) for other in self.fields]) for field in self.fields])

    def _number(self, terms: Terms, values: Values) -> jax.Array:
        """The factor of each Fourier mode, broadcast over the half spectrum."""
        total = jnp.zeros((1,) * len(self.modes.shape))
        for orders, coefficient in terms.items():
            symbols = sorted(coefficient.free_symbols, key=lambda symbol: symbol.name)
            factor = numeric(symbols, coefficient, "jax")(*(values[symbol.name] for symbol in symbols))
            total = total + factor * jnp.asarray(self.modes.symbol(orders))
        return total

    def nonlinear(self, state: jax.Array, time: jax.Array, values: Values, operators: Operators) -> jax.Array:
        """Dealiased transform of N, [fields, *half spectrum], what constraint fields pass on included."""
        parts, free = self._parts(state, time, values, operators)[1:]
        rows = []
        for field in self.fields:
            passed = [factor * free[a] for a, factor in operators.into[field].items() if a in free]
            rows.append(sum(passed, parts.get(field, jnp.zeros_like(state[0]))))
        return jnp.stack(rows)

    def complete(self, state: jax.Array, time: jax.Array, values: Values, operators: Operators) -> Values:
        """Spectra of all fields: the evolving ones and those that constraints determine, mean zero where free."""
        return self._parts(state, time, values, operators)[0]

    def project(self, state: jax.Array, time: jax.Array, values: Values, operators: Operators) -> jax.Array:
        """The nearest state that satisfies the constraints without their own field, such as div(velocity) = 0."""
        spectra = dict(zip(self.fields, state, strict=True))
        for part in self.equations.constraints:
            factors = operators.products[part.name]
            if part.declared is None:
                continue
            defect = sum((factor * spectra[field] for field, factor in factors.items()), jnp.zeros_like(state[0]))
            if part.declared.rest != 0:
                defect = defect + self._transformed(self._declared[part.name], spectra, time, values)[0]
            size = sum(jnp.abs(factor) ** 2 for factor in factors.values())
            share = jnp.where(size == 0, 0, 1 / jnp.where(size == 0, 1, size)) * defect
            spectra |= {field: spectra[field] - jnp.conj(factor) * share for field, factor in factors.items()}
        return jnp.stack([spectra[field] for field in self.fields])

    def _parts(
        self, state: jax.Array, time: jax.Array, values: Values, operators: Operators
    ) -> tuple[Values, Values, Values]:
        """Spectra of all fields, N without constraint fields, and of these what is not linear in the state."""
        spectra = dict(zip(self.fields, state, strict=True))
        free: Values = {}
        early = [part for part in self.equations.constraints if not part.products]
        for part in early:
            self._determine(part, spectra, {}, free, time, values, operators)
        parts: Values = {}
        outputs = self._transformed(self._products, spectra, time, values) if self._targets else []
        for (field, orders), spectrum in zip(self._targets, outputs, strict=True):
            term = spectrum * jnp.asarray(self.modes.dealiased(orders))
            parts[field] = parts[field] + term if field in parts else term
        for part in self.equations.constraints[len(early) :]:
            self._determine(part, spectra, parts, free, time, values, operators)
        return spectra, parts, free

    def _determine(
        self,
        part: Constraint,
        spectra: Values,
        parts: Values,
        free: Values,
        time: jax.Array,
        values: Values,
        operators: Operators,
    ) -> None:
        """Add a constraint field to `spectra`, and what of it is not linear in the state to `free`, if anything."""
        name = part.name
        found = [factor * free[b] for b, factor in operators.chain[name].items() if b in free]
        found += [factor * parts[field] for field, factor in operators.products[name].items() if field in parts]
        if part.rest != 0:
            found.append(self._transformed(self._rest[name], spectra, time, values)[0] * self.modes.mask())
        shape = spectra[self.fields[0]]
        total = sum((factor * spectra[f] for f, factor in operators.gain[name].items()), jnp.zeros_like(shape))
        if found:
            free[name] = operators.inverse[name] * sum(found[1:], found[0])
            total = total + free[name]
        spectra[name] = total

    def _transformed(self, compiled: Compiled, spectra: Values, time: jax.Array, values: Values) -> jax.Array:
        """Transforms of expressions evaluated on the grid, [expressions, *half spectrum], not yet dealiased."""
        offset = len(self.problem.coordinates) - len(self.problem.axes)

        def derivative(name: str, orders: Orders) -> jax.Array:
            return spectra[name] * jnp.asarray(self.modes.dealiased(orders[offset:]))

        known = {**values, **self._mesh(), "t": time}
        arrays = [self.modes.backward(derivative(name, orders)) for name, orders in compiled.derivatives]
        outputs = compiled.function(*arrays, *(known[name] for name in compiled.symbols))
        real = jnp.result_type(float)
        shape = self.modes.shape
        return self.modes.forward(jnp.stack([jnp.broadcast_to(jnp.asarray(o, dtype=real), shape) for o in outputs]))

    def _mesh(self) -> Values:
        """Coordinates of the grid points, shaped to broadcast over (z,) y, x."""
        count = len(self.grid.axes)
        return {
            axis: jnp.asarray(points.reshape([-1 if i == count - 1 - index else 1 for i in range(count)]))
            for index, (axis, points) in enumerate(self.grid.axes.items())
        }
