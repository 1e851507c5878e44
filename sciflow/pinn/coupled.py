r"""A network and parameters of its problem, trained together on equations and observations.

.. math::
    L(w, \theta) = |r(w, \theta)|^2 + \rho \sum_f \frac{|d_f - u_f|^2}{|d_f - \bar d_f|^2}

with mean squares and :math:`\rho = |r|^2` at the first weights. What comes of it depends on that weight: with a hundred
times more the network fits the noise instead of the equations, with a hundredth of it the parameters hardly move. It
serves as a start near the answer, from which steps without such a weight lead on (`sciflow.pinn.inverse`).

Source: Raissi, Perdikaris and Karniadakis (2019), J. Comput. Phys. 378, 686, section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sciflow.pinn.eulerian import PARAMETER, Eulerian
from sciflow.pinn.objective import Batch, Term, in_blocks
from sciflow.pinn.observations import Observations, Scale

START = 0.01  # z at first, off the guess: a condition that holds at the guess alone is not taken for one that holds


@dataclass(frozen=True, eq=False)
class Coupled:
    """Weights ``{"network": ..., "z": (K,)}`` of one system; each parameter is a function of its z.

    Attributes:
        system: at the guess; its points come with the values of all parameters in `scales`.
    """

    system: Eulerian
    scales: Sequence[Scale]
    data: Observations

    @property
    def time(self) -> tuple[float, float] | None:
        """Interval of the system."""
        return self.system.time

    @property
    def terms(self) -> list[Term]:
        """Those of the system, then the observations'."""

        def misfit(weights: Any, block: Mapping[str, jax.Array]) -> jax.Array:
            return self.fields(weights, block["points"]) - block["observed"]

        return [*self.equations, Term("observations", misfit)]

    @property
    def equations(self) -> list[Term]:
        """Those of the system, at the parameters of the weights."""
        orders = [self.system.model.orders, *[self.system.first_orders] * len(self.system.conditions)]
        return [self._moved(term, order) for term, order in zip(self.system.terms, orders, strict=True)]

    def init(self, key: jax.Array) -> dict[str, Any]:
        """Fresh weights."""
        return {"network": self.system.init(key), "z": jnp.full(len(self.scales), START, self.system.dtype)}

    def draw(self, rng: np.random.Generator, sizes: Callable[..., np.ndarray] | None) -> list[Batch]:
        """Points of every term; the observations are always all there."""
        points, observed = self.data.points, self.data.table
        spread = np.var(observed, axis=1)
        weights = list(self._first / np.where(spread > 0, spread, 1.0))
        batch = in_blocks({"points": points, "observed": observed}, weights, self.system.dtype, points.shape[1])
        return [*self.system.draw(rng, sizes), batch]

    def fields(self, weights: Any, points: jax.Array) -> jax.Array:
        """The observed fields (F, N) at points (D, N)."""
        there, zero = self.at(weights["z"]), ((0,) * len(points),)
        start = None if there.time is None else there.start(points, zero)
        found = there.model.fields(weights["network"], points, zero, there.values, start)
        return jnp.concatenate([found[name].value for name in self.data.values])

    def at(self, z: jax.Array) -> Eulerian:
        """The system at parameters that may be traced."""
        return self.system.with_values({scale.name: scale.at(item) for scale, item in zip(self.scales, z, strict=True)})

    @cached_property
    def _first(self) -> float:
        """Mean squares of the equations' first residual, or 1 where the start solves them."""
        weights, batch = self.init(jax.random.key(0)), self.system.draw(np.random.default_rng(0), None)[0]
        block = {name: item[0] for name, item in batch.blocks.items()}
        return float(jnp.sum(jnp.mean(self.equations[0].rows(weights, block) ** 2, axis=1))) or 1.0

    def _moved(self, term: Term, orders: Any) -> Term:
        """A term whose points' companions, the parameters and the start, follow z."""

        def rows(weights: Any, block: Mapping[str, jax.Array]) -> jax.Array:
            there, points = self.at(weights["z"]), block["points"]
            moved = {
                **block,
                **{PARAMETER + name: jnp.ones_like(points[0]) * value for name, value in there.values.items()},
            }
            if "start" in block:
                start = there.start(points, orders).values()
                moved["start"] = jnp.concatenate([item.derivative(order) for item in start for order in orders])
            return term.rows(weights["network"], moved)

        return Term(term.name, rows)
