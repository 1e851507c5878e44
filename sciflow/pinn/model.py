"""A problem, a case and a network put together: fields, residuals and the terms of the loss at points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from sciflow.core.errors import InputError
from sciflow.pinn.ansatz import Ansatz
from sciflow.pinn.embedding import Embedding
from sciflow.pinn.functions import Values
from sciflow.pinn.networks import Network, Weights
from sciflow.pinn.series import Series, closed
from sciflow.problems.compile import Compiled, Orders, compile_expressions

if TYPE_CHECKING:
    from sciflow.problems import Case, Problem


@dataclass(frozen=True, eq=False)
class Model:
    """Fields of one case as functions of weights and points.

    Attributes:
        equations: the residuals, compiled for JAX; in order of the problem's equations.
    """

    problem: Problem
    case: Case
    network: Network
    embedding: Embedding
    ansatz: Ansatz
    equations: Compiled

    def values(self, points: jax.Array, parameters: Mapping[str, Any]) -> Values:
        """Coordinates and parameters by name, from points (D, N)."""
        fixed = self.problem.values(self.case.values)
        return {**fixed, **parameters, **dict(zip(self.embedding.names, points, strict=True))}

    def fields(
        self, weights: Weights, points: jax.Array, orders: tuple[Orders, ...], parameters: Mapping[str, Any]
    ) -> dict[str, Series]:
        """Each field (1, N) with its derivatives at points (D, N)."""
        values = self.values(points, parameters)
        outputs = self.network(weights, self.embedding(values, orders))
        return self.ansatz(values, orders, outputs)

    def residual(self, weights: Weights, points: jax.Array, parameters: Mapping[str, Any]) -> jax.Array:
        """Residual of every equation (E, N)."""
        orders = closed(order for _, order in self.equations.derivatives)
        fields = self.fields(weights, points, orders, parameters)
        arrays = [fields[name].derivative(order)[0] for name, order in self.equations.derivatives]
        values = self.values(points, parameters)
        found = self.equations.function(*arrays, *(values[name] for name in self.equations.symbols))
        return jnp.stack([jnp.broadcast_to(item, points.shape[1:]) for item in found])


def equations_of(problem: Problem) -> Compiled:
    """The residuals of a problem, compiled for JAX.

    Raises:
        InputError: it declares no equations.
    """
    if not problem.equations:
        raise InputError(
            f"The problem '{problem.name}' declares no equations, only fields and a solver; a physics-informed network "
            "needs them. Choose a problem that has, as listed by 'sciflow problems show'."
        )
    return compile_expressions(list(problem.equations.values()), problem.coordinates, "jax")
