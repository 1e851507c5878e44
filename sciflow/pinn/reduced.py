r"""The solution of a problem as a function of its parameters, by a network that follows them, with its sensitivity.

With the residuals r of equations and conditions and :math:`J = \partial r / \partial w`, the weights that solve the
equations move with the parameters, and the fields with them, as

.. math::
    (J^T J + \epsilon I)\,[\delta w, W] = -J^T\,[r, \partial r / \partial \theta], \qquad
    \delta u = \frac{\partial u}{\partial w} \delta w, \qquad
    S = \frac{\partial u}{\partial \theta} + \frac{\partial u}{\partial w} W.

This is the implicit function theorem in the sense of least squares: S solves the linearised equations in the space that
the network spans around the solution.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from sciflow.core.errors import SciflowError
from sciflow.pinn.compiled import Compiled
from sciflow.pinn.coupled import Coupled
from sciflow.pinn.objective import Batch, Objective

RIDGE = 1e-8  # epsilon over the mean diagonal of J^T J; 1e-10 to 1e-6 measure alike
CORRECTIONS = 8  # Levenberg-Marquardt steps of the network on the same collocation points
TRIALS = 30  # of the damping in one of them


@dataclass(frozen=True)
class Linear:
    """A solution at the parameters, linearised.

    Attributes:
        flat: the network's weights and z, (P + K,).
        loss: mean squares of the residuals.
        fields: at the points, (F, N).
        lag: what the network has still to correct in them, (F, N).
        sensitivity: derivative of the fields by each parameter's z, (K, F, N).
    """

    flat: np.ndarray
    loss: float
    fields: np.ndarray
    lag: np.ndarray
    sensitivity: np.ndarray


class Reduced:
    """A network that follows the parameters, without regard to the observations.

    Args:
        unravel: from weights and z in one vector, z last, to what `coupled` takes; one Jacobian then holds the
            derivatives by both.
    """

    def __init__(self, coupled: Coupled, unravel: Callable[[jax.Array], Any]) -> None:
        self._coupled, self._unravel, self._count = coupled, unravel, len(coupled.scales)
        self._objective = Objective(coupled.equations, unravel)
        self._equations = Compiled(self._objective.normal_equations)
        self._loss = Compiled(self._objective.loss)
        self._sizes = Compiled(lambda vector, blocks: self._objective.sizes(vector, 0, blocks))
        self._looked = Compiled(self._look)
        self._damping = 1e-3
        self._rng = np.random.default_rng([coupled.system.settings.seed, 1])

    def solve(self, flat: np.ndarray) -> Linear:
        """A few corrections of the network at the parameters in `flat`, on collocation points drawn anew.

        Raises:
            SciflowError: the loss became NaN or infinite.
        """
        vector, system = flat, self._coupled.system

        def sizes(blocks: Mapping[str, jax.Array]) -> np.ndarray:
            return np.asarray(self._sizes(jnp.asarray(flat), dict(blocks)))

        batches = tuple(system.draw(self._rng, sizes if system.settings.adaptive else None))
        for _ in range(CORRECTIONS):
            vector, stuck = self._correct(vector, batches)
            if stuck:
                break
        count, (loss, right, left) = len(flat) - self._count, self._assembled(vector, batches)
        matrix = left[:count, :count] + RIDGE * np.trace(left[:count, :count]) / count * np.eye(count)
        sides = np.concatenate([right[:count, None], left[:count, count:]], axis=1)
        moves = -cho_solve(cho_factor(matrix, overwrite_a=True), sides)
        fields, lag, *slopes = (np.asarray(item) for item in self._looked(jnp.asarray(vector), jnp.asarray(moves)))
        return Linear(vector, loss, fields, lag, np.stack(slopes))

    def _correct(self, vector: np.ndarray, batches: tuple[Batch, ...]) -> tuple[np.ndarray, bool]:
        """One damped step of the weights, as `LevenbergMarquardt` does; on the host, where the matrix is wanted too."""
        loss, right, left = self._assembled(vector, batches)
        count = len(vector) - self._count
        matrix, side = left[:count, :count], right[:count]
        scale, growth = np.trace(matrix) / count, 2.0
        for _ in range(TRIALS):
            shift = self._damping * scale
            try:
                step = -cho_solve(cho_factor(matrix + shift * np.eye(count), overwrite_a=True), side)
            except LinAlgError:
                step = np.zeros(count)
            moved = vector + np.concatenate([step, np.zeros(self._count)])
            after = float(self._loss(jnp.asarray(moved), batches))
            if after < loss:
                gain = (loss - after) / (step @ (shift * step - side))
                self._damping = max(self._damping * max(1 / 3, 1 - (2 * gain - 1) ** 3), 1e-15)
                return moved, False
            self._damping, growth = self._damping * growth, 2 * growth
        self._damping = 1e-3
        return vector, True

    def _assembled(self, vector: np.ndarray, batches: tuple[Batch, ...]) -> tuple[float, np.ndarray, np.ndarray]:
        loss, right, left = (np.asarray(item) for item in self._equations(jnp.asarray(vector), batches))
        if not (np.isfinite(loss) and np.isfinite(left).all()):
            values = self._coupled.at(vector[-self._count :]).values
            shown = ", ".join(f"{name} = {float(value):g}" for name, value in values.items())
            raise SciflowError(f"The loss is not finite at {shown}; start from a nearer guess.")
        return float(loss), right, left

    def _look(self, vector: jax.Array, moves: jax.Array) -> list[jax.Array]:
        """Fields at the points, their lag, and their sensitivity to each z: (F, N) each."""
        points = jnp.asarray(self._coupled.data.points)
        fields, linear = jax.linearize(lambda joint: self._coupled.fields(self._unravel(joint), points), vector)
        ways = jnp.concatenate([moves, jnp.eye(self._count + 1, dtype=moves.dtype)[1:]]).T
        return [fields, *(linear(way) for way in ways)]
