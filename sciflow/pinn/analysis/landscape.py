r"""The loss around trained weights: its sharpest directions, and its values on a plane.

The Hessian :math:`H = \nabla^2 L` is never formed; Lanczos iteration needs its products with vectors, which are
derivatives of the gradient along them (Pearlmutter (1994), Neural Comput. 6, 147). Everything is computed in double
precision, whatever the weights were trained in.

Source of the use for these networks: Krishnapriyan, Gholami, Zhe, Kirby and Mahoney (2021), NeurIPS 34, section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from sciflow.core.errors import InputError, SciflowError
from sciflow.pinn.objective import Batch, Objective

_TOLERANCE = 1e-10  # of an eigenvalue, relative


@final
@dataclass(frozen=True, eq=False)
class Plane:
    """Losses around weights.

    Attributes:
        offsets: distances from the weights along either direction (points,).
        losses: (points, points); the first direction runs along the last axis.
    """

    offsets: np.ndarray
    losses: np.ndarray


def hessian_eigenpairs(
    objective: Objective, flat: Any, batches: Sequence[Batch], count: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    """The largest eigenvalues (count,) of the Hessian of the loss at weights (P,), and their unit vectors (count, P).

    Args:
        count: of eigenvalues, largest first; 2 span a plane.

    Raises:
        InputError: the count is not between 1 and P - 1.
        SciflowError: the loss or a derivative is not finite there, or the iteration does not converge.
    """
    size = int(np.size(flat))
    if not 1 <= count < size:
        raise InputError(f"A Hessian of {size} weights gives 1 to {size - 1} eigenpairs this way, not {count}.")
    with jax.enable_x64(True):
        weights, points = _double((flat, tuple(batches)))

        def along(vector: jax.Array, at: jax.Array, where: tuple[Batch, ...]) -> jax.Array:
            return jax.jvp(lambda w: objective.value_and_grad(w, where)[1], (at,), (vector,))[1]

        compiled = jax.jit(along)

        def product(vector: np.ndarray) -> np.ndarray:
            found = np.asarray(compiled(jnp.asarray(vector.ravel(), jnp.float64), weights, points))
            if not np.isfinite(found).all():
                raise SciflowError("The Hessian of the loss is not finite at these weights; train them first.")
            return found

        operator = LinearOperator((size, size), matvec=product, dtype=np.float64)
        start = np.random.default_rng(0).normal(
            size=size
        )  # else ARPACK draws one and results differ in the last digits
        try:
            values, vectors = eigsh(operator, count, which="LA", v0=start, tol=_TOLERANCE)
        except ArpackNoConvergence as error:
            raise SciflowError(f"The largest {count} eigenvalues of the Hessian did not converge: {error}") from error
    order = np.argsort(values)[::-1]
    return values[order], vectors.T[order]


def loss_plane(
    objective: Objective, flat: Any, batches: Sequence[Batch], directions: Any, extent: float, points: int
) -> Plane:
    """The loss at weights + a d_1 + b d_2.

    Args:
        directions: d_1 and d_2, (2, P); unit eigenvectors of the Hessian show the sharpest plane.
        extent: a and b run from minus to plus this; 0.1 to 1 for unit vectors.
        points: along either direction; an odd number has the weights themselves in the middle. 21 to 51.

    Raises:
        InputError: the directions do not fit the weights, the extent is not positive, or there are fewer than 2 points.
    """
    spanned = np.asarray(directions, np.float64)
    if spanned.shape != (2, np.size(flat)):
        raise InputError(f"A plane needs directions of shape {(2, int(np.size(flat)))}, not {spanned.shape}.")
    if extent <= 0 or points < 2:
        raise InputError(f"A plane needs a positive extent and at least 2 points, not {extent:g} and {points}.")
    offsets = np.linspace(-extent, extent, points)
    with jax.enable_x64(True):
        weights, where, span = _double((flat, tuple(batches), spanned))
        shifts = _double(np.stack([each.ravel() for each in np.meshgrid(offsets, offsets)], axis=1))

        def losses(at: jax.Array, there: tuple[Batch, ...], plane: jax.Array, moved: jax.Array) -> jax.Array:
            return jax.lax.map(lambda shift: objective.loss(at + shift @ plane, there), moved)

        found = np.asarray(jax.jit(losses)(weights, where, span, shifts))
    return Plane(offsets, found.reshape(points, points))


def _double(tree: Any) -> Any:
    """Every array of a tree in double precision."""
    return jax.tree.map(lambda item: jnp.asarray(item, jnp.float64), tree)
