r"""L-BFGS: the last few steps stand for the inverse Hessian.

With s_k and y_k the steps and the changes of the gradient, H g follows from two loops over the last pairs,

.. math::
    q &\leftarrow q - \alpha_k y_k, \quad \alpha_k = \rho_k s_k^T q \quad (\text{newest first}), \qquad
    r = \gamma\, q, \\
    r &\leftarrow r + (\alpha_k - \rho_k y_k^T r)\, s_k \quad (\text{oldest first}), \qquad
    \rho_k = \frac{1}{y_k^T s_k}, \quad \gamma = \frac{s^T y}{y^T y} \text{ of the newest}.

Source: Nocedal (1980), Math. Comput. 35, 773; scaling by Liu and Nocedal (1989), Math. Program. 45, 503.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from sciflow.core.errors import InputError
from sciflow.pinn.optimise.descent import Pair


class Memory(NamedTuple):
    """Steps and changes (history, P), oldest first, their rho (history,), 0 where there is none yet, and gamma."""

    steps: jax.Array
    changes: jax.Array
    rho: jax.Array
    gamma: jax.Array


@dataclass(frozen=True)
class Limited:
    """Limited-memory BFGS, for networks of any size.

    Attributes:
        history: pairs kept; 50 to 100 for physics-informed networks, whose losses are badly conditioned.
    """

    history: int = 50

    def __post_init__(self) -> None:
        if self.history < 1:
            raise InputError(f"L-BFGS keeps at least one pair of steps and gradients; history={self.history}.")

    def begin(self, gradient: jax.Array) -> Memory:
        """No pairs."""
        shape, dtype = (self.history, gradient.shape[0]), gradient.dtype
        gamma = 1 / jnp.maximum(jnp.linalg.norm(gradient), 1.0)
        return Memory(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype), jnp.zeros(self.history, dtype), gamma)

    def times(self, memory: Memory, vector: jax.Array) -> jax.Array:
        """H vector (P,)."""

        def newest_first(q: jax.Array, pair: Any) -> Any:
            s, y, rho = pair
            alpha = rho * (s @ q)
            return q - alpha * y, alpha

        def oldest_first(r: jax.Array, pair: Any) -> Any:
            s, y, rho, alpha = pair
            return r + (alpha - rho * (y @ r)) * s, None

        q, alphas = jax.lax.scan(newest_first, vector, memory[:3], reverse=True)
        return jax.lax.scan(oldest_first, memory.gamma * q, (*memory[:3], alphas))[0]

    def updated(self, memory: Memory, pair: Pair) -> Memory:
        """The newest pair in for the oldest."""
        product = pair.s @ pair.y

        def appended(old: jax.Array, new: jax.Array) -> jax.Array:
            return jnp.concatenate([old[1:], new[None]])

        return Memory(
            appended(memory.steps, pair.s),
            appended(memory.changes, pair.y),
            appended(memory.rho, 1 / product),
            product / (pair.y @ pair.y),
        )
