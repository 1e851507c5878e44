r"""SOAP: Adam in the eigenbases of Shampoo's preconditioners.

For each weight matrix with gradient G, running averages M, V, L, R and orthogonal Q_L, Q_R,

.. math::
    M &\leftarrow \beta_1 M + (1 - \beta_1)\, G, \qquad
    V \leftarrow \beta_2 V + (1 - \beta_2)\, (Q_L^T G Q_R)^{\odot 2}, \\
    W &\leftarrow W - \eta\, Q_L \frac{\hat M'}{\sqrt{\hat V} + \epsilon}\, Q_R^T, \qquad M' = Q_L^T M Q_R, \\
    L &\leftarrow \beta_2 L + (1 - \beta_2)\, G G^T, \qquad R \leftarrow \beta_2 R + (1 - \beta_2)\, G^T G,

where hats correct the bias of the first steps; every few steps one power iteration, Q_L from the QR decomposition of
L Q_L and Q_R likewise, starting from the eigenvectors for the first gradient. Biases and other leaves with a single
column follow Adam.

Sources: Vyas et al. (2025), International Conference on Learning Representations, arXiv:2409.11321, algorithms 3 and 4;
for physics-informed networks: Wang, Bhartari, Li and Perdikaris (2025), arXiv:2502.00604.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from sciflow.core.errors import InputError
from sciflow.pinn.compiled import Compiled
from sciflow.pinn.objective import Batch, Objective

_BETAS = 0.95, 0.95
_EPSILON = 1e-8


class Bases(NamedTuple):
    """Averages L (m, m) and R (n, n) of one weight matrix (m, n), and orthogonal matrices near their eigenvectors."""

    left: jax.Array
    right: jax.Array
    left_basis: jax.Array
    right_basis: jax.Array


class State(NamedTuple):
    """Steps taken, M and V of each leaf of the weights, and the bases of its matrices (None: Adam)."""

    count: jax.Array
    momenta: tuple[jax.Array, ...]
    squares: tuple[jax.Array, ...]
    bases: tuple[Bases | None, ...]


class Soap:
    """SOAP whose rate rises over the first steps and then falls to `rate * last` on half a cosine.

    Args:
        rate: 1e-3 for wide networks, 3e-3 to 1e-2 for narrow ones.
        last: 0.01 to 0.1.
        warmup: share of the steps in which the rate rises.
        every: steps between two changes of the bases; 2 to 10.
    """

    name = "soap"

    def __init__(
        self,
        objective: Objective,
        steps: int,
        *,
        rate: float = 5e-3,
        last: float = 0.05,
        warmup: float = 0.05,
        every: int = 2,
    ) -> None:
        if every < 1 or not 0 <= warmup < 1:
            raise InputError(
                f"SOAP needs every >= 1 and a warm-up in [0, 1), as a share of the steps; got {every} and {warmup}."
            )
        self._objective, self._every = objective, every
        rise = round(warmup * steps)
        total = max(steps, rise + 1)
        self._rate = optax.warmup_cosine_decay_schedule(rate / (rise + 1), rate, rise, total, rate * last)
        self._fresh = Compiled(self._begin)
        self._run = Compiled(self._many, static="count")

    def init(self, flat: jax.Array) -> None:
        """The state is made by the first steps, when the points are known."""

    def advance(self, flat: jax.Array, state: State | None, batches: Sequence[Batch], count: int) -> tuple[Any, ...]:
        """Weights, state, losses [count] before each of that many steps, and no reason to stop."""
        batches = tuple(batches)
        begun = self._fresh(flat, batches) if state is None else state
        flat, state, losses = self._run(flat, begun, batches, count=count)
        return flat, state, losses, None

    def _gradient(self, flat: jax.Array, batches: Any) -> tuple[jax.Array, list[jax.Array]]:
        value, gradient = self._objective.value_and_grad(flat, batches)
        return value, jax.tree_util.tree_leaves(self._objective.unravel(gradient))

    def _begin(self, flat: jax.Array, batches: Any) -> State:
        _, leaves = self._gradient(flat, batches)
        zeros = tuple(jnp.zeros_like(leaf) for leaf in leaves)
        return State(jnp.zeros((), jnp.int32), zeros, zeros, tuple(_first_bases(leaf) for leaf in leaves))

    def _many(self, flat: jax.Array, state: State, batches: Any, count: int) -> tuple[Any, ...]:
        def step(carry: Any, _: None) -> Any:
            weights, now = carry
            value, gradient = self._gradient(weights, batches)
            found = [
                self._leaf(now.count, *item) for item in zip(gradient, now.momenta, now.squares, now.bases, strict=True)
            ]
            updates, momenta, squares, bases = (tuple(column) for column in zip(*found, strict=True))
            weights = weights - self._rate(now.count.astype(weights.dtype)) * ravel_pytree(updates)[0]
            return (weights, State(now.count + 1, momenta, squares, bases)), value

        (flat, state), losses = jax.lax.scan(step, (flat, state), None, length=count)
        return flat, state, losses

    def _leaf(
        self, count: jax.Array, gradient: jax.Array, momentum: jax.Array, square: jax.Array, bases: Bases | None
    ) -> tuple[Any, ...]:
        """What the rate multiplies, M, V and the bases afterwards."""
        first, second = _BETAS
        momentum = first * momentum + (1 - first) * gradient
        square = second * square + (1 - second) * _into(gradient, bases) ** 2
        steps = (count + 1).astype(gradient.dtype)
        mean = _into(momentum, bases) / (1 - first**steps)
        update = mean / (jnp.sqrt(square / (1 - second**steps)) + _EPSILON)
        if bases is None:
            return update, momentum, square, None
        update = bases.left_basis @ update @ bases.right_basis.T
        left = second * bases.left + (1 - second) * gradient @ gradient.T
        right = second * bases.right + (1 - second) * gradient.T @ gradient
        turned = jax.lax.cond(
            (count + 1) % self._every == 0,
            lambda: (_power(left, bases.left_basis), _power(right, bases.right_basis)),
            lambda: (bases.left_basis, bases.right_basis),
        )
        return update, momentum, square, Bases(left, right, *turned)


def _first_bases(gradient: jax.Array) -> Bases | None:
    """Eigenvectors of the first averages, largest eigenvalue first: the order that power iterations keep."""
    if gradient.ndim != 2 or gradient.shape[1] == 1:
        return None
    left, right = gradient @ gradient.T, gradient.T @ gradient
    return Bases(left, right, *(jnp.linalg.eigh(matrix)[1][:, ::-1] for matrix in (left, right)))


def _into(matrix: jax.Array, bases: Bases | None) -> jax.Array:
    """Q_L^T matrix Q_R."""
    return matrix if bases is None else bases.left_basis.T @ matrix @ bases.right_basis


def _power(matrix: jax.Array, basis: jax.Array) -> jax.Array:
    """One orthogonal iteration towards the eigenvectors."""
    return jnp.linalg.qr(matrix @ basis)[0]
