"""A problem, a case and a network put together: fields, residuals and the terms of the loss at points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import sympy

from sciflow.core.errors import InputError
from sciflow.pinn.ansatz import Ansatz
from sciflow.pinn.embedding import Embedding
from sciflow.pinn.functions import Values
from sciflow.pinn.networks import Network, Weights
from sciflow.pinn.series import Series, closed
from sciflow.problems import Dirichlet, Robin
from sciflow.problems.compile import Compiled, Orders, compile_expressions

if TYPE_CHECKING:
    from sciflow.problems import Case, Problem

Fields = Callable[[np.ndarray], Mapping[str, np.ndarray]]  # by name (N,), at points (D, N)


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
        self,
        weights: Weights,
        points: jax.Array,
        orders: tuple[Orders, ...],
        parameters: Mapping[str, Any],
        start: Mapping[str, Series] | None = None,
    ) -> dict[str, Series]:
        """Each field (1, N) with its derivatives at points (D, N).

        Args:
            start: known fields at the beginning in place of the problem's.
        """
        values = self.values(points, parameters)
        outputs = self.network(weights, self.embedding(values, orders))
        return self.ansatz(values, orders, outputs, start)

    @cached_property
    def orders(self) -> tuple[Orders, ...]:
        """Derivatives that the equations need."""
        return closed(order for _, order in self.equations.derivatives)

    def residual(
        self,
        weights: Weights,
        points: jax.Array,
        parameters: Mapping[str, Any],
        start: Mapping[str, Series] | None = None,
        shift: jax.Array | float = 0.0,
    ) -> jax.Array:
        """Residual of every equation (E, N).

        Args:
            start: see `fields`.
            shift: what is added to the times of the points in the equations: the beginning of a later window of time.
        """
        fields = self.fields(weights, points, self.orders, parameters, start)
        arrays = [fields[name].derivative(order)[0] for name, order in self.equations.derivatives]
        values = self.values(points, parameters)
        if self.problem.t is not None:
            values = {**values, self.problem.t.name: values[self.problem.t.name] + shift}
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


def floating(problem: Problem) -> dict[str, float]:
    """Fields that are known up to a constant (of time), such as a pressure in a closed box, and the mean to give them.

    They do not evolve, stand in the equations by their derivatives alone, and no condition holds their values. The mean
    is the declared gauge, and else zero.
    """
    equations = [equation.doit() for equation in problem.equations.values()]
    bare = [e.xreplace({d: sympy.Dummy() for d in e.atoms(sympy.Derivative)}) for e in equations]
    found = {}
    for info in problem.fields:
        sides = problem.boundary.get(info.name, {})
        held = any(isinstance(condition, Dirichlet | Robin) for condition in sides.values())
        if not held and info.name not in problem.evolution and not any(e.has(info.symbol) for e in bare):
            found[info.name] = float(sides.get("gauge", 0.0))
    return found


def gauged(problem: Problem, case: Case, fields: Fields) -> Fields:
    """The same fields; those that are known up to a constant, which training leaves to chance, have their mean."""
    means = floating(problem)
    if not means:
        return fields
    places, weights = _quadrature(problem, case)

    def evaluate(points: np.ndarray) -> dict[str, np.ndarray]:
        timed = problem.t is not None
        moments, member = np.unique(points[0] if timed else np.zeros(points.shape[1]), return_inverse=True)
        missing = {name: np.empty(len(moments)) for name in means}
        for index, moment in enumerate(moments):
            row = np.full((1, len(weights)), moment)
            there = fields(np.concatenate([row, places]) if timed else places)
            for name, mean in means.items():
                missing[name][index] = mean - there[name] @ weights
        return {n: values + missing[n][member] if n in means else values for n, values in fields(points).items()}

    return evaluate


def _quadrature(problem: Problem, case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Places in the domain (space dims, Q) and weights (Q,) of sum one: equidistant on periodic axes, else Gauss's."""
    sides = {1: 128, 2: 48, 3: 16}[len(problem.axes)]
    axes, shares = [], []
    for axis, (low, high) in problem.bounds(case.parameters).items():
        nodes, share = np.polynomial.legendre.leggauss(sides)
        if axis in problem.periodic:
            nodes, share = (2 * np.arange(sides) + 1) / sides - 1, np.ones(sides)
        axes.append(low + (high - low) * (nodes + 1) / 2)
        shares.append(share)
    places = np.stack([part.ravel() for part in np.meshgrid(*axes, indexing="ij")])
    weights = reduce(np.multiply.outer, shares).ravel() * problem.domain.inside(places.T, problem.values(case.values))
    return places, weights / weights.sum()
