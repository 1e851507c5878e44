r"""Dense self-scaled quasi-Newton methods: they reach accuracies that limited-memory ones do not.

With s the step, y the change of the gradient and H the inverse Hessian so far,

.. math::
    H_+ = \frac1\tau \Big[H - \frac{Hy\,(Hy)^T}{y^T H y} + \phi\, v v^T\Big] + \frac{s s^T}{y^T s}, \qquad
    v = \sqrt{y^T H y}\,\Big[\frac{s}{y^T s} - \frac{Hy}{y^T H y}\Big].

BFGS is phi = tau = 1. Self-scaled BFGS and Broyden choose tau (and phi) from b = s^T H^{-1} s / y^T s and
h = y^T H y / y^T s.

Sources: Al-Baali (1998), J. Optim. Theory Appl. 96, 1; for networks: Urban, Stefanou and Pons (2025), J. Comput. Phys.
523, 113656, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from sciflow.core.errors import InputError
from sciflow.pinn.compiled import Compiled
from sciflow.pinn.objective import Batch, Objective

Update = Literal["broyden", "bfgs"]
_TRIALS = 25  # of a line search


class State(NamedTuple):
    """Loss and gradient at the weights, inverse Hessian (P, P), and why it stopped (0: it has not)."""

    value: jax.Array
    gradient: jax.Array
    inverse: jax.Array
    stopped: jax.Array


REASONS = {0: None, 1: "no step along the descent direction lowers the loss", 2: "the gradient is zero"}


class Broyden:
    """Self-scaled Broyden (or BFGS) with a strong-Wolfe line search.

    Memory and time of a step grow with the square of the number of weights: up to about 2,000 in float64.
    """

    name = "broyden"

    def __init__(self, objective: Objective, *, update: Update = "broyden") -> None:
        if update not in ("broyden", "bfgs"):
            raise InputError(f"There is no quasi-Newton update {update!r}; use 'broyden' or 'bfgs'.")
        self._objective, self._update = objective, update
        self._search = optax.scale_by_zoom_linesearch(_TRIALS, initial_guess_strategy="one", curv_rtol=0.9)
        self._run = Compiled(self._many, static="count", donate=(1,))
        self._fresh = Compiled(self._first)

    def init(self, flat: jax.Array) -> None:
        """The state is made by the first steps, when the points are known."""

    def advance(self, flat: jax.Array, state: State | None, batches: Sequence[Batch], count: int) -> tuple[Any, ...]:
        """Weights, state, losses [count] after each step, and the reason if it stopped.

        The inverse Hessian is kept where points change between calls.
        """
        batches = tuple(batches)
        value, gradient = self._fresh(flat, batches)
        if state is None:
            inverse = jnp.eye(flat.shape[0], dtype=flat.dtype)
            inverse = inverse / jnp.maximum(jnp.linalg.norm(gradient), 1.0)
        else:
            inverse = state.inverse
        begun = State(value, gradient, inverse, jnp.zeros((), jnp.int32))
        flat, state, losses = self._run(flat, begun, batches, count=count)
        return flat, state, losses, REASONS[int(state.stopped)]

    def _first(self, flat: jax.Array, batches: Any) -> tuple[jax.Array, jax.Array]:
        return self._objective.value_and_grad(flat, batches)

    def _many(self, flat: jax.Array, state: State, batches: Any, count: int) -> tuple[Any, ...]:
        @jax.custom_vjp
        def loss(weights: jax.Array) -> jax.Array:
            return self._objective.value_and_grad(weights, batches)[0]

        loss.defvjp(lambda w: self._objective.value_and_grad(w, batches), lambda g, upstream: (upstream * g,))

        def step(carry: tuple[jax.Array, State], _: None) -> Any:
            weights, now = carry
            return jax.lax.cond(now.stopped == 0, self._one(loss), lambda w, n: (w, n), weights, now), None

        def recorded(carry: Any, item: None) -> Any:
            carry, _ = step(carry, item)
            return carry, carry[1].value

        (flat, state), losses = jax.lax.scan(recorded, (flat, state), None, length=count)
        return flat, state, losses

    def _one(self, loss: Any) -> Any:
        def step(weights: jax.Array, now: State) -> tuple[jax.Array, State]:
            direction = -(now.inverse @ now.gradient)
            downhill = direction @ now.gradient < 0
            direction = jnp.where(downhill, direction, -now.gradient)
            moved, found = self._search.update(
                direction, self._search.init(weights), weights, value=now.value, grad=now.gradient, value_fn=loss
            )
            value, gradient = found.value, found.grad
            better = jnp.isfinite(value) & (value < now.value)
            y = gradient - now.gradient
            curved = moved @ y > 1e-16 * jnp.linalg.norm(moved) * jnp.linalg.norm(y)
            alpha = jnp.linalg.norm(moved) / jnp.maximum(jnp.linalg.norm(direction), 1e-300)
            inverse = jax.lax.cond(
                better & curved & downhill,
                lambda: _updated(self._update, now.inverse, moved, y, now.gradient, alpha),
                lambda: jnp.where(better, now.inverse, jnp.eye(len(weights), dtype=weights.dtype)),
            )
            # Without progress: once more from steepest descent, then stop.
            identity = now.inverse[0, 1] == 0
            stopped = jnp.where(better, 0, jnp.where(identity, 1, 0)).astype(jnp.int32)
            stopped = jnp.where(jnp.linalg.norm(now.gradient) == 0, 2, stopped).astype(jnp.int32)
            return (
                jnp.where(better, weights + moved, weights),
                State(jnp.where(better, value, now.value), jnp.where(better, gradient, now.gradient), inverse, stopped),
            )

        return step


def _updated(
    kind: Update, inverse: jax.Array, s: jax.Array, y: jax.Array, gradient: jax.Array, alpha: jax.Array
) -> jax.Array:
    """H_+; s = -alpha H gradient, so that s^T H^-1 s = -alpha s^T gradient."""
    hy, ys = inverse @ y, y @ s
    yhy = y @ hy
    b = -alpha * (s @ gradient) / ys
    h = yhy / ys
    if kind == "bfgs":
        tau, phi = jnp.minimum(1.0, 1 / b), 1.0
    else:
        a = jnp.maximum(h * b - 1, 1e-14)
        c = jnp.sqrt(a / (a + 1))
        rho = jnp.minimum(1.0, h * (1 - c))
        theta = jnp.clip((1 - b) / b, (rho - 1) / a, 1 / rho)
        sigma = 1 + a * theta
        root = jnp.abs(sigma) ** (1 / (1 - s.shape[0]))
        upper = jnp.minimum(1.0, 1 / b)
        tau = jnp.where(
            theta > 0, upper * jnp.minimum(root, 1 / jnp.maximum(theta, 1e-300)), jnp.minimum(upper * root, sigma)
        )
        phi = (1 - theta) / (1 + a * theta)
    v = s / ys - hy / yhy
    # One pass over the matrix: (H - hy hy^T / yhy + phi yhy v v^T) / tau + s s^T / ys.
    left = jnp.stack([-hy / (yhy * tau), phi * yhy * v / tau, s / ys])
    right = jnp.stack([hy, v, s])
    return inverse / tau + left.T @ right
