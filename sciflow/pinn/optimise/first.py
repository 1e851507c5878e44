"""Adam, many steps in one compiled loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import optax

from sciflow.pinn.compiled import Compiled
from sciflow.pinn.objective import Batch, Objective


class Adam:
    """Adam (Kingma and Ba 2015) whose rate falls from `rate` to `rate * last` over `steps` on half a cosine.

    Args:
        rate: 1e-3 for wide networks, 5e-3 to 1e-2 for narrow ones.
        last: 0.01 to 0.1.
    """

    name = "adam"

    def __init__(self, objective: Objective, steps: int, *, rate: float = 5e-3, last: float = 0.05) -> None:
        self._objective = objective
        self._transform = optax.adam(optax.cosine_decay_schedule(rate, max(steps, 1), last))
        self._run = Compiled(self._many, static="count")

    def init(self, flat: jax.Array) -> Any:
        """The state before the first step."""
        return self._transform.init(flat)

    def advance(self, flat: jax.Array, state: Any, batches: Sequence[Batch], count: int) -> tuple[Any, ...]:
        """Weights, state, losses [count] before each of that many steps, and no reason to stop."""
        flat, state, losses = self._run(flat, state, tuple(batches), count=count)
        return flat, state, losses, None

    def _many(self, flat: jax.Array, state: Any, batches: Any, count: int) -> tuple[Any, ...]:
        def step(carry: Any, _: None) -> Any:
            weights, inner = carry
            value, gradient = self._objective.value_and_grad(weights, batches)
            updates, inner = self._transform.update(gradient, inner, weights)
            return (optax.apply_updates(weights, updates), inner), value

        (flat, state), losses = jax.lax.scan(step, (flat, state), None, length=count)
        return flat, state, losses
