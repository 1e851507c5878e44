r"""Truncated Taylor series of many points at once, the arithmetic that carries derivatives through a network.

A series of f about each point p holds the coefficients

.. math:: f_k = \frac{1}{k!} \partial^k f(p), \qquad k \in K,

of a set K of orders that is closed downwards: with k it holds every order below k. Sums, products, linear maps and the
functions below of such series are exact, and give the same derivatives as nested differentiation in one pass. The
coefficients are separate arrays (rows, N), points last, which is what a CPU's caches and a GPU's lanes like. A
coefficient of None is zero: those of coordinates are, beyond the first order.

Source: Griewank and Walther, Evaluating Derivatives (2008), chapter 13 (recurrences of univariate series).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from math import factorial, prod
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from sciflow.problems.compile import Orders

Coefficient: TypeAlias = jax.Array | None


def closed(orders: Iterable[Orders]) -> tuple[Orders, ...]:
    """The smallest set of orders that holds the given ones and is closed downwards, lower ones first."""
    every = {low for high in orders for low in product(*(range(order + 1) for order in high))}
    return tuple(sorted(every, key=lambda order: (sum(order), order)))


@cache
def _pairs(orders: tuple[Orders, ...]) -> tuple[tuple[tuple[int, int], ...], ...]:
    """For each order k the positions (i, j) with i + j = k."""
    place = {order: index for index, order in enumerate(orders)}
    return tuple(
        tuple(
            (place[low], place[tuple(a - b for a, b in zip(high, low, strict=True))])
            for low in product(*(range(order + 1) for order in high))
        )
        for high in orders
    )


@cache
def _axis(order: Orders) -> int:
    """The axis along which the recurrences of a function differentiate."""
    return max(range(len(order)), key=lambda axis: order[axis])


@dataclass(frozen=True)
class Series:
    """Coefficients in the order of `orders`, whose first is zero: the values."""

    orders: tuple[Orders, ...]
    coefficients: tuple[Coefficient, ...]

    @classmethod
    def constant(cls, orders: tuple[Orders, ...], value: jax.Array) -> Series:
        """A value that does not depend on the coordinates."""
        return cls(orders, (value, *[None] * (len(orders) - 1)))

    @classmethod
    def coordinate(cls, orders: tuple[Orders, ...], axis: int, value: jax.Array) -> Series:
        """The coordinate of an axis, (N,) or (1, N), as a row (1, N)."""
        first = tuple(int(index == axis) for index in range(len(orders[0])))
        row = jnp.reshape(value, (1, -1))
        slope = jnp.ones((1, 1), row.dtype)
        return cls(orders, tuple(row if not any(o) else slope if o == first else None for o in orders))

    @property
    def value(self) -> jax.Array:
        """The function itself."""
        assert self.coefficients[0] is not None
        return self.coefficients[0]

    def derivative(self, order: Orders) -> jax.Array:
        """The derivative of that order, (rows, N)."""
        found = self.coefficients[self.orders.index(order)]
        scale = prod(factorial(o) for o in order)
        if found is None:
            return jnp.zeros_like(self.value)
        return jnp.broadcast_to(found * scale if scale > 1 else found, self.value.shape)

    def linear(self, function: Callable[[jax.Array], jax.Array], bias: jax.Array | None = None) -> Series:
        """A linear map of each coefficient; the bias is added to the values."""
        mapped = [None if item is None else function(item) for item in self.coefficients]
        if bias is not None:
            assert mapped[0] is not None
            mapped[0] = mapped[0] + bias
        return Series(self.orders, tuple(mapped))

    def __add__(self, other: Series | jax.Array | float) -> Series:
        if not isinstance(other, Series):
            return Series(self.orders, (self.value + other, *self.coefficients[1:]))
        assert self.orders == other.orders
        return Series(self.orders, tuple(map(_sum, self.coefficients, other.coefficients)))

    __radd__ = __add__

    def __neg__(self) -> Series:
        return self.linear(lambda item: -item)

    def __sub__(self, other: Series | jax.Array | float) -> Series:
        return self + (-other)

    def __rsub__(self, other: jax.Array | float) -> Series:
        return -self + other

    def __mul__(self, other: Series | jax.Array | float) -> Series:
        if not isinstance(other, Series):
            return self.linear(lambda item: item * other)
        assert self.orders == other.orders
        terms = [_dot(self.coefficients, other.coefficients, pairs) for pairs in _pairs(self.orders)]
        return Series(self.orders, tuple(terms))

    __rmul__ = __mul__

    def __getitem__(self, rows: Any) -> Series:
        return self.linear(lambda item: item[rows])


def stack(parts: Sequence[Series]) -> Series:
    """Rows one below the other."""
    orders, points = parts[0].orders, max(part.value.shape[-1] for part in parts)
    joined: list[Coefficient] = []
    for index in range(len(orders)):
        items = [part.coefficients[index] for part in parts]
        if all(item is None for item in items):
            joined.append(None)
            continue
        width = max(points if index == 0 else 1, *(1 if item is None else item.shape[-1] for item in items))
        rows = [
            jnp.zeros((part.value.shape[0], width), part.value.dtype)
            if item is None
            else jnp.broadcast_to(item, (part.value.shape[0], width))
            for item, part in zip(items, parts, strict=True)
        ]
        joined.append(jnp.concatenate(rows))
    return Series(orders, tuple(joined))


def tanh(f: Series) -> Series:
    """From h' = (1 - h^2) f'."""
    value = jnp.tanh(f.value)
    h: list[Coefficient] = [value]
    w: list[Coefficient] = [1 - value * value]
    for place, order in enumerate(f.orders[1:], 1):
        h.append(_integral(f, w, place))
        if _needed(f.orders, order):
            square = _dot(h, h, _pairs(f.orders)[place])
            w.append(None if square is None else -square)
        else:
            w.append(None)
    return Series(f.orders, tuple(h))


def exp(f: Series) -> Series:
    """From h' = h f'."""
    h: list[Coefficient] = [jnp.exp(f.value)]
    for place in range(1, len(f.orders)):
        h.append(_integral(f, h, place))
    return Series(f.orders, tuple(h))


def sin_cos(f: Series) -> tuple[Series, Series]:
    """Sine and cosine, from s' = c f' and c' = -s f'."""
    s: list[Coefficient] = [jnp.sin(f.value)]
    c: list[Coefficient] = [jnp.cos(f.value)]
    for place in range(1, len(f.orders)):
        up, down = _integral(f, c, place), _integral(f, s, place)
        s.append(up)
        c.append(None if down is None else -down)
    return Series(f.orders, tuple(s)), Series(f.orders, tuple(c))


def reciprocal(f: Series) -> Series:
    """1 / f, from f h = 1."""
    first = 1 / f.value
    h: list[Coefficient] = [first]
    for place in range(1, len(f.orders)):
        rest = _dot(f.coefficients, [*h, *[None] * (len(f.orders) - len(h))], _pairs(f.orders)[place])
        h.append(None if rest is None else -first * rest)
    return Series(f.orders, tuple(h))


def _integral(f: Series, rate: Sequence[Coefficient], place: int) -> Coefficient:
    """Coefficient of h with h' = rate f', from those of `rate` of lower order."""
    order = f.orders[place]
    axis = _axis(order)
    total: Coefficient = None
    for i, j in _pairs(f.orders)[place]:
        share = f.orders[i][axis] / order[axis]
        if not share:
            continue
        slope, factor = f.coefficients[i], rate[j]
        if slope is not None and factor is not None:
            term = slope * factor
            total = _sum(total, term if share == 1 else share * term)
    return total


@cache
def _needed(orders: tuple[Orders, ...], order: Orders) -> bool:
    """Whether some order of the set lies above this one."""
    return any(other != order and all(a >= b for a, b in zip(other, order, strict=True)) for other in orders)


def _sum(a: Coefficient, b: Coefficient) -> Coefficient:
    return b if a is None else a if b is None else a + b


def _dot(a: Sequence[Coefficient], b: Sequence[Coefficient], pairs: Sequence[tuple[int, int]]) -> Coefficient:
    total: Coefficient = None
    for i, j in pairs:
        left, right = a[i], b[j]
        if left is not None and right is not None:
            total = _sum(total, left * right)
    return total


def shifted(f: Series, axis: int) -> Series:
    """The derivative of f along an axis, on the orders that f's allow."""
    place = {order: index for index, order in enumerate(f.orders)}
    kept: list[Orders] = []
    found: list[Coefficient] = []
    for order in f.orders:
        above = tuple(value + (index == axis) for index, value in enumerate(order))
        if above in place:
            item = f.coefficients[place[above]]
            kept.append(order)
            found.append(None if item is None else item * above[axis])
    if found and found[0] is None:
        found[0] = jnp.zeros_like(f.value)
    elif found:
        found[0] = jnp.broadcast_to(found[0], f.value.shape)
    return Series(tuple(kept), tuple(found))


def restricted(f: Series, orders: tuple[Orders, ...]) -> Series:
    """The same function on fewer orders."""
    if f.orders == orders:
        return f
    return Series(orders, tuple(f.coefficients[f.orders.index(order)] for order in orders))


def product_of(a: Series, b: Series) -> Series:
    """The product on the orders that both have."""
    common = tuple(order for order in a.orders if order in b.orders)
    return restricted(a, common) * restricted(b, common)


def sum_of(parts: Sequence[Series]) -> Series:
    """The sum on the orders that all have."""
    common = tuple(order for order in parts[0].orders if all(order in part.orders for part in parts[1:]))
    total = restricted(parts[0], common)
    for part in parts[1:]:
        total = total + restricted(part, common)
    return total
