"""Initial and boundary conditions as DeepXDE asks for them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from sciflow.pinn.functions import expression
from sciflow.problems import Dirichlet, Neumann, Outflow, Robin

if TYPE_CHECKING:
    from sciflow.pinn.ansatz import Soft
    from sciflow.pinn.eulerian import Eulerian


class Placed:
    """a u + b du/dn = g on points of one side, or at the start; DeepXDE takes points and errors from it.

    Args:
        library: the package ``deepxde``.
        system: whose field and points they are.
        soft: the condition.
    """

    def __init__(self, library: Any, system: Eulerian, soft: Soft) -> None:
        self._library, self._system, self._soft = library, system, soft
        self._column = [info.name for info in system.model.problem.fields].index(soft.field)

    def place(self, points: np.ndarray, normals: np.ndarray) -> None:
        """Take these points (N, D), with outward normals in space (N, axes)."""
        import torch

        a, b, wanted = _coefficients(self._system, self._soft, points)
        tensor = partial(torch.as_tensor, dtype=self._library.config.real(torch))
        self._points, self._factor, self._wanted = points, tensor(a[:, None]), tensor(wanted[:, None])
        times = points.shape[1] - normals.shape[1]  # no slope along time
        self._slopes = tensor(b[:, None] * np.pad(normals, ((0, 0), (times, 0)))) if b.any() else None

    def collocation_points(self, _: np.ndarray) -> np.ndarray:
        """The points, instead of those among DeepXDE's own that lie on the side."""
        return self._points

    def error(self, _: Any, inputs: Any, outputs: Any, begin: int, end: int, __: Any = None) -> Any:
        """What is left of the condition, [n, 1], in the rows from `begin` to `end`."""
        found = self._factor * outputs[begin:end, self._column : self._column + 1] - self._wanted
        if self._slopes is None:
            return found
        gradient = self._library.grad.jacobian(outputs, inputs, i=self._column)[begin:end]
        return found + (self._slopes * gradient).sum(dim=1, keepdim=True)


def _coefficients(system: Eulerian, soft: Soft, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """a, b and g at points (N, D)."""
    problem, case, names = system.model.problem, system.model.case, system.model.embedding.names
    coordinates = dict(zip(names, jnp.asarray(points.T, system.dtype), strict=True))
    values, zero = {**problem.values(case.values), **coordinates}, ((0,) * len(names),)
    one, nothing = np.ones(len(points)), np.zeros(len(points))

    def at(known: Any) -> np.ndarray:
        return np.array(known(values, zero).value)[0]

    condition = soft.condition
    if condition is None:
        return one, nothing, at(system.starts[soft.field])
    if isinstance(condition, Outflow):
        return nothing, one, nothing
    wanted = at(expression(problem, condition.value[0]))
    if isinstance(condition, Dirichlet):
        return one, nothing, wanted
    if isinstance(condition, Neumann):
        return nothing, one, wanted
    assert isinstance(condition, Robin)
    a, b = (at(expression(problem, part)) for part in (condition.a, condition.b))
    return a, b, wanted
