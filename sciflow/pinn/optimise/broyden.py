r"""The dense self-scaled Broyden method: it reaches accuracies that limited-memory ones do not.

With s the step, y the change of the gradient and H the inverse Hessian so far,

.. math::
    H_+ = \frac1\tau \Big[H - \frac{Hy\,(Hy)^T}{y^T H y} + \phi\, v v^T\Big] + \frac{s s^T}{y^T s}, \qquad
    v = \sqrt{y^T H y}\,\Big[\frac{s}{y^T s} - \frac{Hy}{y^T H y}\Big].

BFGS is phi = tau = 1. With :math:`b = s^T H^{-1} s / y^T s`, :math:`h = y^T H y / y^T s` and :math:`a = b h - 1 \ge 0`,
here

.. math::
    \rho^- = \min\Big(1,\, h \big(1 - \sqrt{\tfrac{a}{1 + a}}\big)\Big), \quad
    \theta = \max\Big(\frac{\rho^- - 1}{a},\, \min\Big(\frac{1}{\rho^-}, \frac{1 - b}{b}\Big)\Big), \quad
    \sigma = 1 + a\, \theta, \quad \phi = \frac{1 - \theta}{\sigma}, \\
    \tau = \begin{cases}
        \min(1, 1 / b)\, \min(\sigma^{-1/(P-1)}, 1 / \theta), & \theta > 0 \\
        \min(\min(1, 1 / b)\, \sigma^{-1/(P-1)}, \sigma), & \theta \le 0.
    \end{cases}

Sources: Al-Baali (1998), J. Optim. Theory Appl. 96, 533; for networks: Urban, Stefanou and Pons (2025), J. Comput.
Phys. 523, 113656, equations 11 and 13 to 23.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from sciflow.pinn.optimise.descent import Pair


@dataclass(frozen=True)
class Dense:
    """The inverse Hessian (P, P) as a matrix.

    Memory and time of a step grow with the square of the number of weights: up to about 2,000 in float64.
    """

    def begin(self, gradient: jax.Array) -> jax.Array:
        """A multiple of the identity."""
        identity = jnp.eye(gradient.shape[0], dtype=gradient.dtype)
        return identity / jnp.maximum(jnp.linalg.norm(gradient), 1.0)

    def times(self, memory: jax.Array, vector: jax.Array) -> jax.Array:
        """H vector (P,)."""
        return memory @ vector

    def updated(self, memory: jax.Array, pair: Pair) -> jax.Array:
        """H_+; s = -length H gradient, so that s^T H^-1 s = -length s^T gradient."""
        s, y = pair.s, pair.y
        hy, ys = memory @ y, y @ s
        yhy = y @ hy
        b = -pair.length * (s @ pair.gradient) / ys
        tau, phi = _scales(b, yhy / ys, s.shape[0])
        v = s / ys - hy / yhy
        # Outer products by element, so that all of it is one pass over the matrix.
        terms = [(-1 / (yhy * tau), hy), (phi * yhy / tau, v), (1 / ys, s)]
        return memory / tau + sum(factor * u[:, None] * u for factor, u in terms)


def _scales(b: jax.Array, h: jax.Array, size: int) -> tuple[jax.Array, jax.Array]:
    """Tau and phi."""
    a = jnp.maximum(h * b - 1, 1e-14)
    # h (1 - c) with c = sqrt(a / (1 + a)), written without the cancellation at large a.
    lower = jnp.minimum(1.0, h / ((1 + a) * (1 + jnp.sqrt(a / (1 + a)))))
    theta = jnp.clip((1 - b) / b, (lower - 1) / a, 1 / lower)
    sigma = jnp.maximum(1 + a * theta, lower)  # which holds but for rounding
    upper = jnp.minimum(1.0, 1 / b)
    root = sigma ** (-1 / max(size - 1, 1))
    positive = upper * jnp.minimum(root, 1 / jnp.where(theta > 0, theta, 1.0))
    return jnp.where(theta > 0, positive, jnp.minimum(upper * root, sigma)), (1 - theta) / sigma
