"""Ghost cells: what lies beyond the sides of a box."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp
import sympy

from sciflow.problems.compile import numeric
from sciflow.problems.conditions import Dirichlet, Neumann, Outflow

if TYPE_CHECKING:
    from sciflow.problems import Problem
    from sciflow.solvers.base import Grid

GHOSTS = 2
Values = Mapping[str, jax.Array]
Change = Callable[[int, jax.Array], jax.Array]  # a function of the field with this number


def reason_against_sides(problem: Problem, fields: Sequence[str]) -> str | None:
    """Why the conditions on the sides do not fit finite volumes, or None if they do."""
    for name in fields:
        for axis in (axis for axis in problem.axes if axis not in problem.periodic):
            for side in (axis + "-", axis + "+"):
                condition = problem.boundary.get(name, {}).get(side)
                wall = isinstance(condition, Neumann) and condition.value[0] == 0
                if not (wall or isinstance(condition, Dirichlet | Outflow)):
                    return f"'{name}' needs Dirichlet, Neumann(0) or Outflow on side '{side}'."
    return None


@final
class Sides:
    """Two ghost cells on each side of an axis, for all fields.

    Periodic: the cells of the other end. Neumann(0): the mirror image. Dirichlet(g): 2 g minus the mirror image, which
    is a wall for a momentum with g = 0. Outflow: the last cell again.
    """

    def __init__(self, problem: Problem, fields: Sequence[str], grid: Grid) -> None:
        self.problem, self.fields = problem, tuple(fields)
        self.axes = list(reversed(grid.axes))
        self._places = grid.axes
        self._ends = {axis: None if axis in problem.periodic else self._rules(axis) for axis in self.axes}

    def pad(
        self, state: jax.Array, position: int, time: jax.Array, values: Values, change: Change | None = None
    ) -> jax.Array:
        """State [F, *cells] with two more cells on both sides along the array axis `position` of the cells.

        Args:
            change: gives functions of the fields, which are then continued by the function of the given values.
        """
        rules = self._ends[self.axes[position]]
        along = position + 1
        state = state if change is None else jnp.stack([change(i, field) for i, field in enumerate(state)])
        if rules is None:
            return jnp.pad(state, _width(state.ndim, along), mode="wrap")
        ends = []
        for side, row in enumerate(rules):
            given = [None if isinstance(rule, str) else rule(time, values) for rule in row]
            if change is not None:
                given = [None if value is None else change(i, value) for i, value in enumerate(given)]
            ends.append(
                jnp.stack(
                    [
                        _ghosts(field, position, side, rule, value)
                        for field, rule, value in zip(state, row, given, strict=True)
                    ]
                )
            )
        return jnp.concatenate([ends[0], state, ends[1]], axis=along)

    def given(self, position: int, time: jax.Array, values: Values) -> list[tuple[int, jax.Array]]:
        """Dirichlet values on both sides of an axis, each with the number of its field."""
        rules = self._ends[self.axes[position]] or []
        return [(i, rule(time, values)) for row in rules for i, rule in enumerate(row) if not isinstance(rule, str)]

    def pad_bed(self, bed: jax.Array, position: int, depth: int) -> jax.Array:
        """A static field [*cells] continued like the field number `depth`, but never by a given value."""
        rules = self._ends[self.axes[position]]
        if rules is None:
            return jnp.pad(bed, _width(bed.ndim, position), mode="wrap")
        ends = [_continued(bed, position, side, row[depth] == "copy") for side, row in enumerate(rules)]
        return jnp.concatenate([ends[0], bed, ends[1]], axis=position)

    def _rules(self, axis: str) -> list[list[Any]]:
        """For each end and field "copy", "mirror", or the function of time and values that gives the value there."""
        return [[self._rule(name, axis, sign) for name in self.fields] for sign in "-+"]

    def _rule(self, name: str, axis: str, sign: str) -> Any:
        condition = self.problem.boundary[name][axis + sign]
        if isinstance(condition, Outflow):
            return "copy"
        if isinstance(condition, Neumann):
            return "mirror"
        return self._value(self.problem.drive(condition.value[0]), axis, 0 if sign == "-" else 1)

    def _value(self, expression: sympy.Expr, axis: str, end: int) -> Callable[[jax.Array, Values], jax.Array]:
        bound = sympy.sympify(self.problem.domain.bounds[self.problem.axes.index(axis)][1 + end])  # type: ignore[attr-defined]
        expression = expression.subs(sympy.Symbol(axis, real=True), bound)
        symbols = sorted(expression.free_symbols, key=lambda symbol: symbol.name)
        function = numeric(symbols, expression, "jax")
        shape = [1 if other == axis else len(self._places[other]) for other in self.axes]
        places = {}
        for position, other in enumerate(self.axes):
            line = [1] * len(shape)
            line[position] = -1
            places[other] = jnp.reshape(jnp.asarray(self._places[other]), line)

        def value(time: jax.Array, values: Values) -> jax.Array:
            known = {**values, **places, "t": time}
            return jnp.broadcast_to(jnp.asarray(function(*(known[symbol.name] for symbol in symbols))), shape)

        return value


def _ghosts(field: jax.Array, position: int, side: int, rule: Any, given: jax.Array | None) -> jax.Array:
    """Two ghost layers of one field, in ascending order."""
    continued = _continued(field, position, side, rule == "copy")
    return continued if given is None else 2 * given - continued


def _continued(field: jax.Array, position: int, side: int, copy: bool) -> jax.Array:
    count = field.shape[position]
    if copy:
        index = [0] * GHOSTS if side == 0 else [count - 1] * GHOSTS
    else:
        index = list(reversed(range(GHOSTS))) if side == 0 else [count - 1 - i for i in range(GHOSTS)]
    return jnp.take(field, jnp.asarray(index), axis=position)


def _width(ndim: int, axis: int) -> list[tuple[int, int]]:
    return [(GHOSTS, GHOSTS) if index == axis else (0, 0) for index in range(ndim)]
