"""Expressions of all fields as functions of the state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import sympy

from sciflow.problems.compile import numeric

if TYPE_CHECKING:
    from sciflow.problems import Problem

Compiled = tuple[Any, list[str]]


def compiled(problem: Problem, fields: Sequence[str], row: Sequence[sympy.Expr]) -> Compiled:
    """A function of the fields and of the symbols named."""
    stand_in = {problem.field(name).symbol: sympy.Dummy(real=True) for name in fields}
    plain = [expression.xreplace(stand_in) for expression in row]
    free = set().union(*(expression.free_symbols for expression in plain)) - set(stand_in.values())
    symbols = sorted(free, key=lambda symbol: symbol.name)
    return numeric([*stand_in.values(), *symbols], plain, "jax"), [symbol.name for symbol in symbols]


def evaluate(row: Compiled, state: jax.Array, values: Mapping[str, Any]) -> jax.Array:
    """The expressions [R, *cells] for a state [F, *cells]."""
    function, names = row
    found = function(*state, *(values[name] for name in names))
    return jnp.stack([jnp.broadcast_to(jnp.asarray(part, state.dtype), state.shape[1:]) for part in found])
