"""Physics-informed networks as methods of the evaluation, which learn nothing and solve each test case anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from sciflow.baselines.base import Baseline
from sciflow.baselines.coarse import CoarseSolver
from sciflow.core import Forecast, Query
from sciflow.core.errors import InputError

if TYPE_CHECKING:
    from sciflow.data import Dataset


class PinnMethod(Baseline):
    """An ordinary physics-informed network for each case, for fields from parameters and time.

    It knows the equations and the formula of the start, and sees no training data; its cost is that of inference.

    Args:
        strategy, engine: see `sciflow.pinn.solve`.
        settings: of network, points and optimisers, by name.
        seed: of weights and points.

    Raises:
        InputError: the problem has no equations, or start frames are given.
    """

    name = "pinn"
    learns = False
    seeded = True

    def __init__(
        self,
        strategy: str | dict[str, Any] | None = None,
        engine: str = "jax",
        label_space: bool = False,
        settings: dict[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.strategy, self.engine, self.label_space = strategy, engine, label_space
        self.settings, self.seed = dict(settings or {}), seed
        options: Mapping[str, Any] = {"strategy": strategy, "engine": engine, "label_space": label_space}
        inner = {**options, "settings": {**self.settings, "seed": seed}}
        self._solver = CoarseSolver(solver=self.name, options=inner)

    def fit(self, train: Dataset, valid: Dataset | None = None) -> Self:
        """Nothing to learn; checks that the problem can be solved."""
        self._solver.fit(train, valid)
        self.state = dict(self._solver.state)
        return self

    def cost(self) -> dict[str, float]:
        """No ``parameters`` that were learned; the number of collocation ``points``."""
        return self._solver.cost()

    def forecast(self, query: Query) -> Forecast:
        """Solve each case.

        Raises:
            InputError: the problem's start is drawn at random, so that a query does not tell it, or frames are given.
        """
        from sciflow.problems import Distribution, registry

        problem = registry.get(str(query.context.attrs.get("problem", "")))
        drawn = [name for name in problem.evolution if isinstance(problem.initial.get(name), Distribution)]
        if drawn:
            raise InputError(
                f"The problem '{problem.name}' draws the start of '{drawn[0]}' at random, which the method "
                f"'{self.name}' cannot learn from a query; call sciflow.pinn.solve(problem, case=...) instead."
            )
        return self._solver.forecast(query)


class LagrangianMethod(PinnMethod):
    """A Lagrangian physics-informed network for each case; arguments as for `PinnMethod`."""

    name = "lpinn"
