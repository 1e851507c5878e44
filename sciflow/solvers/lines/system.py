"""The right-hand side of a declared problem on nodes between walls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import sympy
from sympy.core.function import AppliedUndef

from sciflow.core.errors import InputError
from sciflow.problems.compile import compile_expressions, numeric
from sciflow.problems.differences import Line
from sciflow.problems.edges import Edge, edges
from sciflow.problems.geometry import Box

if TYPE_CHECKING:
    from sciflow.problems import Problem
    from sciflow.solvers.base import Grid

Place = tuple[str, str, int]  # field, axis, end (0 low, 1 high)


class Operator(NamedTuple):
    """sum_w weights[:, w] u[points[:, w]] + data @ g: a matrix by its rows, which hold a few weights only."""

    points: jax.Array
    weights: jax.Array
    data: jax.Array


class Numbers(NamedTuple):
    """What differs between cases: arrays, so that one compiled program serves all of them.

    Attributes:
        values: parameters and coefficients.
        operators: by (field, axis, order) the differences of `Line`; by ("", axis, order) those without conditions,
            for what has been differentiated along another axis before.
        held: by place 1 / a where a node holds its datum g / a (Dirichlet), and 0 where it evolves.
        free: [fields, (y,) x] 0 on nodes that hold a datum, 1 elsewhere.
    """

    values: dict[str, jax.Array]
    operators: dict[tuple[str, str, int], Operator]
    held: dict[Place, jax.Array]
    free: jax.Array


class System:
    """u_t = F(t, u, its differences) on nodes; Dirichlet nodes follow their datum, all others evolve.

    State: [fields, (y,) x]. Neumann and Robin conditions are part of the difference operators.
    """

    def __init__(self, problem: Problem, grid: Grid, accuracy: int) -> None:
        self.problem, self.grid, self.accuracy = problem, grid, accuracy
        self.fields, self.axes = tuple(problem.evolution), tuple(grid.axes)
        right = [problem.drive(expression) for expression in problem.evolution.values()]
        self._right = compile_expressions(right, problem.coordinates, "jax")
        self._edges: dict[Place, Edge] = {
            (name, axis, end): edge
            for name in self.fields
            for axis in self.axes
            for end, edge in enumerate(edges(problem, name, axis))
            if edge is not None
        }
        self._data = {place: _function(edge.value) for place, edge in self._edges.items()}

    @staticmethod
    def unsupported(problem: Problem) -> str | None:
        """Why the problem does not fit, or None."""
        if problem.steady or not problem.evolution:
            return "it declares no evolution equation."
        if set(problem.periodic) == set(problem.axes):
            return "all its axes are periodic; the solver 'periodic' is far more accurate there."
        if len(problem.axes) > 2 or not isinstance(problem.domain, Box):
            return "it is solved on 1-D and 2-D boxes only."
        if problem.constraints or problem.inputs:
            return "constraints and input fields are beyond the method of lines."
        loose = [info.name for info in problem.fields if info.name not in problem.evolution]
        if loose:
            return f"no equation determines {loose}."
        try:
            return _unposed(problem)
        except InputError as error:
            return str(error)

    def numbers(self, values: Mapping[str, float], bounds: Mapping[str, tuple[float, float]]) -> Numbers:
        """Operators and parameters of one case.

        Raises:
            InputError: too few points for the accuracy, or conditions that the points cannot be joined with.
        """
        sides = {place: edge.side(values) for place, edge in self._edges.items()}
        operators = {}
        for name, axis, order in self._wanted():
            left, right = (sides.get((name, axis, end)) for end in (0, 1))
            periodic = axis in self.problem.periodic
            line = Line(self.grid.axes[axis], *bounds[axis], left, right, periodic, self.accuracy)
            operators[name, axis, order] = _by_rows(*line.derivative(order))
        held = {place: 1 / side.a if side.b == 0 else 0.0 for place, side in sides.items()}
        free = np.ones((len(self.fields), *self.grid.shape))
        for place, scale in held.items():
            if scale:
                free[self._nodes(place)] = 0
        known = {name: jnp.asarray(float(value)) for name, value in values.items()}
        return Numbers(
            known, operators, {place: jnp.asarray(scale) for place, scale in held.items()}, jnp.asarray(free)
        )

    def rate(self, time: jax.Array, state: jax.Array, numbers: Numbers) -> jax.Array:
        """Time derivative of the state; zero on nodes that hold a datum."""
        state = self.impose(time, state, numbers)
        mesh = {axis: self._along(axis, jnp.asarray(points)) for axis, points in self.grid.axes.items()}
        known = {**numbers.values, **mesh, "t": time}
        arrays = [self._difference(name, orders, time, state, numbers) for name, orders in self._derivatives()]
        outputs = self._right.function(*arrays, *(known[name] for name in self._right.symbols))
        rates = [jnp.broadcast_to(jnp.asarray(output, dtype=state.dtype), self.grid.shape) for output in outputs]
        return jnp.stack(rates) * numbers.free

    def impose(self, time: jax.Array, state: jax.Array, numbers: Numbers) -> jax.Array:
        """The state with every Dirichlet node at its datum."""
        for place, scale in numbers.held.items():
            nodes = self._nodes(place)
            datum = scale * self._datum(place, time, numbers.values)
            state = state.at[nodes].set(jnp.where(scale == 0, state[nodes], datum))
        return state

    def _derivatives(self) -> list[tuple[str, dict[str, int]]]:
        """(field, order by axis) of every array that the compiled right-hand side takes."""
        offset = len(self.problem.coordinates) - len(self.axes)
        return [(n, dict(zip(self.axes, orders[offset:], strict=True))) for n, orders in self._right.derivatives]

    def _wanted(self) -> set[tuple[str, str, int]]:
        wanted = set()
        for name, orders in self._derivatives():
            steps = [(axis, order) for axis, order in orders.items() if order]
            wanted |= {("" if index else name, *step) for index, step in enumerate(steps)}
        return wanted

    def _difference(
        self, name: str, orders: dict[str, int], time: jax.Array, state: jax.Array, numbers: Numbers
    ) -> jax.Array:
        array = state[self.fields.index(name)]
        key = name
        for axis, order in orders.items():
            if not order:
                continue
            operator, position = numbers.operators[key, axis, order], self._position(axis)
            weights = jnp.expand_dims(
                operator.weights, [i for i in range(len(self.axes) + 1) if i - position not in (0, 1)]
            )
            result = jnp.sum(jnp.take(array, operator.points, position) * weights, position + 1)
            for end in (0, 1):
                if (key, axis, end) in self._edges:
                    datum = self._datum((key, axis, end), time, numbers.values)
                    result = result + self._along(axis, operator.data[:, end]) * jnp.expand_dims(datum, position)
            array, key = result, ""
        return array

    def _datum(self, place: Place, time: jax.Array, values: Mapping[str, jax.Array]) -> jax.Array:
        """g of a place, a value for each node of that side: [] in 1-D, [nodes of the other axis] in 2-D."""
        _, axis, end = place
        symbols, function = self._data[place]
        others = {other: jnp.asarray(points) for other, points in self.grid.axes.items() if other != axis}
        known = {**values, **others, axis: self.grid.axes[axis][-end], "t": time}
        shape = tuple(len(points) for points in others.values())
        return jnp.broadcast_to(
            jnp.asarray(function(*(known[name] for name in symbols)), jnp.result_type(float)), shape
        )

    def _position(self, axis: str) -> int:
        """Where an axis lies in arrays of the grid's shape."""
        return len(self.axes) - 1 - self.axes.index(axis)

    def _along(self, axis: str, points: jax.Array) -> jax.Array:
        """Points of an axis, shaped to broadcast over the grid."""
        return points.reshape([-1 if i == self._position(axis) else 1 for i in range(len(self.axes))])

    def _nodes(self, place: Place) -> tuple[Any, ...]:
        """Index of the nodes of one field on one side, in the state."""
        name, axis, end = place
        cut: list[Any] = [slice(None)] * len(self.axes)
        cut[self._position(axis)] = -end
        return (self.fields.index(name), *cut)


def _by_rows(matrix: np.ndarray, data: np.ndarray) -> Operator:
    width = int(np.count_nonzero(matrix, axis=1).max())
    points = np.argsort(matrix == 0, axis=1, kind="stable")[:, :width]
    return Operator(*map(jnp.asarray, (points, np.take_along_axis(matrix, points, axis=1), data)))


def _transports_itself(expression: sympy.Expr) -> bool:
    """Whether a derivative is multiplied by fields or derivatives."""
    derivatives = {atom: sympy.Dummy() for atom in expression.doit().atoms(sympy.Derivative)}
    reduced = expression.doit().xreplace(derivatives)
    slopes = [reduced.diff(dummy) for dummy in derivatives.values()]
    return any(slope.atoms(AppliedUndef) or slope.free_symbols & set(derivatives.values()) for slope in slopes)


def _function(value: sympy.Expr) -> tuple[list[str], Callable[..., Any]]:
    """Names that a value depends on, and it as a function of them."""
    symbols = sorted(value.free_symbols, key=lambda symbol: symbol.name)
    return [symbol.name for symbol in symbols], numeric(symbols, value, "jax")


def _unposed(problem: Problem) -> str | None:
    """What the declared conditions leave open, or None."""
    right = [problem.drive(expression) for expression in problem.evolution.values()]
    derivatives = compile_expressions(right, problem.coordinates, "numpy").derivatives
    for name, orders in derivatives:
        if problem.t is not None and orders[0]:
            return f"the evolution holds a time derivative of '{name}'; make it a field of its own."
        for axis, order in zip(problem.axes, orders[len(orders) - len(problem.axes) :], strict=True):
            if axis in problem.periodic:
                continue
            if order > 2:
                return f"'{name}' is differentiated {order} times along {axis}; walls have one condition, enough for 2."
            missing = [axis + "-+"[end] for end, edge in enumerate(edges(problem, name, axis)) if edge is None]
            if order == 2 and missing:
                return f"'{name}' has no condition on {', '.join(missing)}; declare one, or make {axis} periodic."
    if all(sum(orders) < 2 for _, orders in derivatives) and any(_transports_itself(e) for e in right):
        return "first-order terms are nonlinear and nothing smooths them; shocks need the solver 'volume'."
    for name in problem.evolution:  # fields that are not differentiated may hold conditions as well
        for axis in problem.axes:
            edges(problem, name, axis)
    return None
