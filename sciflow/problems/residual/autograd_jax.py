"""Residuals by forward-mode automatic differentiation in JAX: Taylor series for high orders, else nested jvp."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from sciflow.problems.compile import Orders
from sciflow.problems.residual.common import Equations, columns

if TYPE_CHECKING:
    from sciflow.problems.problem import Problem

_SERIES_FROM = 3  # the order from which one Taylor series measures faster than nested derivatives

Net = Callable[[jax.Array], jax.Array]


class Residual:
    """Residual of every equation at points; may be jitted and differentiated.

    ``residual(net, points, **parameters)``: `net` maps points [N, D] (t first) to fields [N, F], row by row; gives
    {field name: [N]}. Derivatives are directional ones along the coordinates. Those of third and higher order along one
    axis come, with all lower ones, from one Taylor series (`jax.experimental.jet`: Bettencourt, Johnson and Duvenaud
    (2019)); the others, and networks with an operation that has no rule for series, from nested `jvp`. Both are exact.

    Time for a loss and its gradient in the weights of a 4 x 50 tanh network at 10,000 points on one CPU thread, as a
    multiple of nested jvp: series 0.9 for third (Korteweg-de Vries) and 0.8 for fourth derivatives
    (Kuramoto-Sivashinsky); nested reverse mode 1.8 to 2.4, for fourth ones 4.3 (`benchmarks/peers/derivatives.py`).
    """

    def __init__(self, problem: Problem) -> None:
        self._equations = Equations(problem, "jax")
        self._problem = problem

    def __call__(self, net: Net, points: jax.Array, **parameters: float | jax.Array) -> dict[str, jax.Array]:
        column = columns(self._problem, points, jax.eval_shape(net, points))
        levels: dict[Orders, Net] = {(0,) * points.shape[1]: net}
        values = _series(net, points, (orders for _, orders in self._equations.compiled.derivatives))

        def level(orders: Orders) -> Net:
            if orders not in levels:
                axis = max(index for index, order in enumerate(orders) if order)
                lower = level(tuple(order - (index == axis) for index, order in enumerate(orders)))
                direction = _direction(points, axis)
                levels[orders] = lambda p: jax.jvp(lower, (p,), (direction,))[1]
            return levels[orders]

        def derivative(name: str, orders: Orders) -> jax.Array:
            if orders not in values:
                values[orders] = level(orders)(points)
            return values[orders][:, column[name]]

        coordinates = {symbol.name: points[:, i] for i, symbol in enumerate(self._problem.coordinates)}
        residuals = self._equations.evaluate(derivative, coordinates, parameters)
        return {name: jnp.broadcast_to(value, points.shape[:1]) for name, value in residuals.items()}


def _direction(points: jax.Array, axis: int) -> jax.Array:
    return jnp.zeros_like(points).at[:, axis].set(1.0)


def _series(net: Net, points: jax.Array, wanted: Iterable[Orders]) -> dict[Orders, jax.Array]:
    """Derivatives [N, F] of orders 0 to the highest along each axis that needs a high one; empty where none does."""
    highest: dict[int, int] = {}
    for orders in wanted:
        axis, order = max(enumerate(orders), key=lambda item: item[1])
        if order >= _SERIES_FROM and order == sum(orders):
            highest[axis] = max(order, highest.get(axis, 0))
    if not highest:
        return {}
    try:
        from jax.experimental.jet import jet

        found: dict[Orders, jax.Array] = {}
        for axis, top in highest.items():
            terms = [_direction(points, axis), *(jnp.zeros_like(points) for _ in range(top - 1))]
            value, derivatives = jet(net, (points,), (terms,))
            for order, array in enumerate([value, *derivatives]):
                found[tuple(order * (index == axis) for index in range(points.shape[1]))] = array
        return found
    # What jet raises where an operation has no rule, and where it is experimental enough to be gone.
    except (ImportError, KeyError, NotImplementedError, jax.errors.UnexpectedTracerError):
        return {}
