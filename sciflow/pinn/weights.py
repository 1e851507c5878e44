r"""Weights of the terms of a loss, found while it is trained.

Equations and conditions pull at the same network with forces of different sizes; multipliers w of the terms L_i even
them out. With the gradients g_i of the terms and J_i the Jacobians of their residuals at N_i points,

.. math::
    w_i = \frac{\overline{|g|}}{|g_i|} \;\text{(gradient-norm)}, \qquad
    w_i = \frac{\overline{k}}{k_i},\; k_i = \frac{1}{N_i} \mathrm{tr}\, J_i J_i^T \;\text{(ntk)}, \qquad
    w_i = \frac{L_i}{\overline{L}} \;\text{(self-adaptive)},

where bars are means over the terms; nine parts of the old multipliers and one part of these make the new ones. For
``self-adaptive`` this is gradient ascent on :math:`\sum_i w_i L_i / \overline{L}` over multipliers of mean one, while
the network descends: a term that stays large gains weight.

Sources: Wang, Sankaran, Wang and Perdikaris (2023), arXiv:2308.08468, algorithm 1 (gradient norms, averages); Wang, Yu
and Perdikaris (2022), J. Comput. Phys. 449, 110768, algorithm 1 (neural tangent kernel); McClenny and Braga-Neto
(2023), J. Comput. Phys. 474, 111722 (ascent, there with one weight for each point).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np

from sciflow.core.errors import InputError, near
from sciflow.pinn.compiled import Compiled
from sciflow.pinn.objective import Batch, Objective

Balance = Literal["fixed", "gradient-norm", "ntk", "self-adaptive"]
KEPT = 0.9  # of the multipliers before
SMALLEST = 1e-5  # of the mean: a term that hardly pulls gains no more than 1e5
AT_ONCE = 32  # points whose Jacobians are in memory together


def balance(
    kind: Balance, objective: Objective, flat: jax.Array, batches: Sequence[Batch], previous: Sequence[float] | None
) -> list[float]:
    """Multipliers of the terms, for `weighted`.

    Args:
        kind: ``"fixed"`` keeps them.
        batches: points of each term with the weights that the multipliers come on top of.
        previous: the last multipliers; None at the first call, where there is no average yet.

    Raises:
        InputError: the kind is unknown.
    """
    if kind not in get_args(Balance):
        raise InputError(f"There is no way {kind!r} to weigh the terms of a loss.{near(kind, get_args(Balance))}")
    before = np.ones(len(batches)) if previous is None else np.asarray(previous, np.float64)
    if kind == "fixed" or len(batches) == 1:
        return before.tolist()
    sizes = np.asarray(_measure(kind, objective)(flat, tuple(batches)), np.float64)
    mean = sizes.mean()
    if not (np.isfinite(mean) and mean > 0):
        return before.tolist()
    found = sizes / mean if kind == "self-adaptive" else mean / np.maximum(sizes, SMALLEST * mean)
    return (found if previous is None else KEPT * before + (1 - KEPT) * found).tolist()


def weighted(batches: Sequence[Batch], multipliers: Sequence[float]) -> list[Batch]:
    """The batches with the weights of each term multiplied."""
    return [replace(batch, weights=batch.weights * item) for batch, item in zip(batches, multipliers, strict=True)]


@lru_cache(maxsize=4)
def _measure(kind: Balance, objective: Objective) -> Compiled:
    """The sizes of the terms (terms,) as a function of weights and batches; kept, since a training asks often."""
    parts = [Objective([term], objective.unravel) for term in objective.terms]

    def sizes(flat: jax.Array, batches: tuple[Batch, ...]) -> jax.Array:
        found: list[Any] = []
        for part, batch in zip(parts, batches, strict=True):
            if kind == "ntk":
                found.append(_trace(part, flat, batch))
                continue
            loss, gradient = part.value_and_grad(flat, [batch])
            found.append(loss if kind == "self-adaptive" else jnp.linalg.norm(gradient))
        return jnp.stack(found)

    return Compiled(sizes)


def _trace(part: Objective, flat: jax.Array, batch: Batch) -> jax.Array:
    """Mean over the points of the squared norm of the weighted residual's derivative."""
    points = {name: jnp.moveaxis(item, -1, 1).reshape(-1, *item.shape[1:-1]) for name, item in batch.blocks.items()}

    def of_point(point: dict[str, jax.Array]) -> jax.Array:
        single = {name: item[..., None] for name, item in point.items()}
        jacobian = jax.jacrev(lambda vector: part.rows(part.terms[0], batch, vector, single))(flat)
        return jnp.sum(jacobian**2)

    return jnp.sum(jax.lax.map(of_point, points, batch_size=AT_ONCE))
