"""Residuals by nested forward-mode automatic differentiation in JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from sciflow.problems.compile import Orders
from sciflow.problems.residual.common import Equations, columns

if TYPE_CHECKING:
    from sciflow.problems.problem import Problem


class Residual:
    """Residual of every equation at points; may be jitted and differentiated.

    ``residual(net, points, **parameters)``: `net` maps points [N, D] (t first) to fields [N, F], row by row; gives
    {field name: [N]}. Derivatives are directional ones along the coordinates, nested for higher orders.
    """

    def __init__(self, problem: Problem) -> None:
        self._equations = Equations(problem, "jax")
        self._problem = problem

    def __call__(
        self, net: Callable[[jax.Array], jax.Array], points: jax.Array, **parameters: float | jax.Array
    ) -> dict[str, jax.Array]:
        column = columns(self._problem, points, jax.eval_shape(net, points))
        levels: dict[Orders, Callable[[jax.Array], jax.Array]] = {(0,) * points.shape[1]: net}
        values: dict[Orders, jax.Array] = {}

        def level(orders: Orders) -> Callable[[jax.Array], jax.Array]:
            if orders not in levels:
                axis = max(index for index, order in enumerate(orders) if order)
                lower = level(tuple(order - (index == axis) for index, order in enumerate(orders)))
                direction = jnp.zeros_like(points).at[:, axis].set(1.0)
                levels[orders] = lambda p: jax.jvp(lower, (p,), (direction,))[1]
            return levels[orders]

        def derivative(name: str, orders: Orders) -> jax.Array:
            if orders not in values:
                values[orders] = level(orders)(points)
            return values[orders][:, column[name]]

        coordinates = {symbol.name: points[:, i] for i, symbol in enumerate(self._problem.coordinates)}
        residuals = self._equations.evaluate(derivative, coordinates, parameters)
        return {name: jnp.broadcast_to(value, points.shape[:1]) for name, value in residuals.items()}
