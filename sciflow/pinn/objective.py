r"""The loss as a sum of squares over blocks of points that fit into a cache.

.. math:: L(\theta) = \sum_i \frac{1}{N_i} \sum_{n=1}^{N_i} \sum_e w_{ie}\, r_{ie}(\theta, p_n)^2

over terms i (equations, conditions that are not held by construction) and rows e of each. Points are taken block by
block, so that what a block needs stays in the cache between the passes forwards and backwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Rows = Callable[[Any, Mapping[str, jax.Array]], jax.Array]
BLOCK = 512  # points; 250 to 1000 measure alike with 20 to 50 neurons


@dataclass(frozen=True, eq=False)
class Term:
    """Residual rows (E, n) of one kind.

    Attributes:
        rows: function of the weights and of a block, a mapping of arrays whose last axis counts points.
    """

    name: str
    rows: Rows


@dataclass(frozen=True, eq=False)
class Batch:
    """Points of one term in blocks [blocks, ..., n], and the weight of each row.

    A block's array ``weight`` (n,), where there is one, weighs its points.
    """

    blocks: Mapping[str, jax.Array]
    weights: jax.Array

    @property
    def count(self) -> int:
        """Points of all blocks."""
        array = next(iter(self.blocks.values()))
        return int(array.shape[0] * array.shape[-1])


jax.tree_util.register_dataclass(Batch, data_fields=["blocks", "weights"], meta_fields=[])


def in_blocks(arrays: Mapping[str, np.ndarray], weights: Sequence[float], dtype: Any, size: int = BLOCK) -> Batch:
    """Arrays (..., N) cut into blocks of equal size; the last few points are left out where N does not divide."""
    total = next(iter(arrays.values())).shape[-1]
    count = max(1, round(total / size))
    each = total // count
    cut = {
        name: jnp.asarray(np.stack([array[..., k * each : (k + 1) * each] for k in range(count)]), dtype)
        for name, array in arrays.items()
    }
    return Batch(cut, jnp.asarray(weights, dtype))


class Objective:
    """The loss of flat weights (P,), with its gradient and its Gauss-Newton matrices.

    Args:
        terms: kinds of residuals.
        unravel: from the flat vector to what the terms take.
    """

    def __init__(self, terms: Sequence[Term], unravel: Callable[[jax.Array], Any]) -> None:
        self.terms, self.unravel = tuple(terms), unravel

    def loss(self, flat: jax.Array, batches: Sequence[Batch]) -> jax.Array:
        """L."""
        return self.value_and_grad(flat, batches)[0]

    def value_and_grad(self, flat: jax.Array, batches: Sequence[Batch]) -> tuple[jax.Array, jax.Array]:
        """L and its gradient (P,)."""
        value, gradient = jnp.zeros((), flat.dtype), jnp.zeros_like(flat)
        for term, batch in zip(self.terms, batches, strict=True):

            def block_loss(vector: jax.Array, block: Mapping[str, jax.Array], t: Term = term, b: Batch = batch) -> Any:
                return jnp.sum(self.rows(t, b, vector, block) ** 2)

            def add(carry: Any, block: Any, f: Any = block_loss) -> Any:
                v, g = jax.value_and_grad(f)(flat, block)
                return (carry[0] + v, carry[1] + g), None

            if next(iter(batch.blocks.values())).shape[0] == 1:
                (value, gradient), _ = add((value, gradient), {name: item[0] for name, item in batch.blocks.items()})
            else:
                (value, gradient), _ = jax.lax.scan(add, (value, gradient), dict(batch.blocks))
        return value, gradient

    def rows(self, term: Term, batch: Batch, flat: jax.Array, block: Mapping[str, jax.Array]) -> jax.Array:
        """Weighted residual (E, n) of a block, whose squares add up to its part of the loss."""
        found = jnp.sqrt(batch.weights / batch.count)[:, None] * term.rows(self.unravel(flat), block)
        return found * jnp.sqrt(block["weight"]) if "weight" in block else found

    def normal_equations(self, flat: jax.Array, batches: Sequence[Batch]) -> tuple[jax.Array, jax.Array, jax.Array]:
        """L, J^T r (P,) and J^T J (P, P) of the weighted residual vector r, whose sum of squares is L."""
        size = flat.shape[0]
        carry = jnp.zeros((), flat.dtype), jnp.zeros_like(flat), jnp.zeros((size, size), flat.dtype)
        for term, batch in zip(self.terms, batches, strict=True):

            def rows(vector: jax.Array, block: Mapping[str, jax.Array], t: Term = term, b: Batch = batch) -> jax.Array:
                return self.rows(t, b, vector, block).ravel()

            def add(carry: Any, block: Any, f: Any = rows) -> Any:
                residual = f(flat, block)
                jacobian = self._jacobian(f, flat, block)
                value, right, left = carry
                return (value + residual @ residual, right + jacobian.T @ residual, left + jacobian.T @ jacobian), None

            carry, _ = jax.lax.scan(add, carry, dict(batch.blocks))
        return carry

    @staticmethod
    def _jacobian(rows: Any, flat: jax.Array, block: Mapping[str, jax.Array]) -> jax.Array:
        """Derivative (n E, P): each point's residual depends on that point alone, so one backward pass per point of few
        operations, batched over the points."""

        def of_point(point: Mapping[str, jax.Array]) -> jax.Array:
            single = {name: item[..., None] for name, item in point.items()}
            return jax.jacrev(lambda vector: rows(vector, single))(flat)

        found = jax.vmap(of_point, in_axes=({name: -1 for name in block},))(dict(block))  # (n, E, P)
        return jnp.moveaxis(found, 1, 0).reshape(-1, flat.shape[0])

    def sizes(self, flat: jax.Array, term: int, blocks: Mapping[str, jax.Array]) -> jax.Array:
        """Norm over the rows of one term's residual at each point, [blocks, n]."""
        rows = self.terms[term].rows
        return jax.lax.map(lambda block: jnp.sqrt(jnp.sum(rows(self.unravel(flat), block) ** 2, axis=0)), dict(blocks))
