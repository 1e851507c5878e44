"""An ordinary physics-informed network: what is trained, and the fields that come out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import sympy

from sciflow.core.errors import InputError
from sciflow.pinn.ansatz import Soft, ansatz_of
from sciflow.pinn.embedding import Embedding
from sciflow.pinn.functions import Known, drawn, expression
from sciflow.pinn.model import Model, equations_of
from sciflow.pinn.networks import Network, Weights
from sciflow.pinn.objective import Batch, Term, in_blocks
from sciflow.pinn.points import adaptive, boundary, collocation
from sciflow.problems import Dirichlet, Neumann, Outflow, Robin
from sciflow.problems.distributions import Distribution

if TYPE_CHECKING:
    from sciflow.pinn.settings import Settings
    from sciflow.problems import Case, Problem

CANDIDATES = 4  # times as many as are kept, where points follow the residual
Interval = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Eulerian:
    """Equations and conditions of one case on one interval of time.

    Attributes:
        parameters: values that replace those of the case; numbers.
        start: known fields at the beginning instead of the problem's.
    """

    model: Model
    settings: Settings
    time: Interval | None
    start: Mapping[str, Known]
    conditions: tuple[Soft, ...]

    @classmethod
    def of(
        cls,
        problem: Problem,
        case: Case,
        settings: Settings,
        *,
        time: Interval | None = None,
        start: Mapping[str, Known] | None = None,
    ) -> Eulerian:
        """Build the network and its ansatz.

        Raises:
            InputError: the problem has no equations, or a start that has no formula.
        """
        equations = equations_of(problem)
        if problem.inputs:
            raise InputError(
                f"The problem '{problem.name}' has the input field '{next(iter(problem.inputs)).name}', which has no "
                "formula; physics-informed networks solve problems without input fields."
            )
        interval = None if problem.t is None else time or problem.time
        if problem.t is not None and interval is None:
            raise InputError(f"The problem '{problem.name}' declares no time interval; give one, as in time=(0, 1).")
        bounds = problem.bounds(case.parameters)
        names = tuple(symbol.name for symbol in problem.coordinates)
        ends = tuple(([interval] if interval is not None else []) + [bounds[axis] for axis in problem.axes])
        embedding = Embedding(names, ends, problem.periodic, settings.harmonics)
        network = Network(embedding.rows, len(problem.fields), settings.width, settings.depth, settings.network)
        ansatz = ansatz_of(problem, case, interval, start=start, hard=settings.hard)
        model = Model(problem, case, network, embedding, ansatz, equations)
        return cls(model, settings, interval, _starts(problem, case, start), ansatz.soft)

    @property
    def dtype(self) -> Any:
        """Of weights and points."""
        return jnp.dtype(self.settings.precision)

    @property
    def terms(self) -> Sequence[Term]:
        """The equations, then one term for each condition that the ansatz does not hold."""
        equations = Term("equations", lambda w, block: self.model.residual(w, block["points"], {}))
        return [equations, *(Term(f"{soft.field} {soft.side}", self._rows(soft)) for soft in self.conditions)]

    def init(self, key: jax.Array) -> Weights:
        """Fresh weights."""
        return self.model.network.init(key, self.dtype)

    def draw(self, rng: np.random.Generator, sizes: Callable[..., np.ndarray] | None) -> list[Batch]:
        """Points of every term."""
        problem, case, count = self.model.problem, self.model.case, self.settings.points
        if sizes is None:
            points = collocation(problem, case, self.time, count, rng, self.settings.sampling)
        else:
            many = collocation(problem, case, self.time, CANDIDATES * count, rng, self.settings.sampling)
            blocks = in_blocks({"points": many}, [1.0], self.dtype).blocks
            kept = np.moveaxis(np.asarray(blocks["points"], np.float64), 0, 1).reshape(len(many), -1)
            points = adaptive(kept, sizes(blocks).ravel(), count, rng)
        batches = [in_blocks({"points": points}, [1.0] * len(problem.equations), self.dtype)]
        for soft in self.conditions:
            places, normals = boundary(problem, case, soft.side, self.time, self.settings.boundary_points, rng)
            arrays = {"points": places, "normals": normals}
            batches.append(in_blocks(arrays, [self.settings.condition_weight], self.dtype))
        return batches

    def _rows(self, soft: Soft) -> Callable[[Weights, Mapping[str, jax.Array]], jax.Array]:
        """Residual (1, N) of one condition."""
        problem, dims = self.model.problem, len(self.model.embedding.names)
        zero = (0,) * dims
        slopes = [tuple(int(index == axis) for index in range(dims)) for axis in range(dims)]
        space = slopes[dims - len(problem.axes) :]

        def rows(weights: Weights, block: Mapping[str, jax.Array]) -> jax.Array:
            values = self.model.values(block["points"], {})
            condition = soft.condition
            if condition is None:
                field = self.model.fields(weights, block["points"], (zero,), {})[soft.field]
                return field.value - self.start[soft.field](values, (zero,)).value
            field = self.model.fields(weights, block["points"], (zero, *sorted(space)), {})[soft.field]
            normal = sum(block["normals"][k] * field.derivative(order)[0] for k, order in enumerate(space))
            if isinstance(condition, Outflow):
                return normal[None]
            wanted = expression(problem, condition.value[0])(values, (zero,)).value
            if isinstance(condition, Dirichlet):
                return field.value - wanted
            if isinstance(condition, Neumann):
                return normal[None] - wanted
            assert isinstance(condition, Robin)
            a, b = (expression(problem, part)(values, (zero,)).value for part in (condition.a, condition.b))
            return a * field.value + b * normal[None] - wanted

        return rows

    def evaluate(self, weights: Weights, points: np.ndarray) -> dict[str, np.ndarray]:
        """Fields (N,) at points (D, N)."""
        zero = ((0,) * len(self.model.embedding.names),)
        found = _fields(self.model, zero)(weights, jnp.asarray(points, self.dtype))
        return {name: np.asarray(item[0], np.float64) for name, item in found.items()}


def _fields(model: Model, orders: Any) -> Callable[..., dict[str, jax.Array]]:
    return jax.jit(lambda w, p: {name: s.value for name, s in model.fields(w, p, orders, {}).items()})


def _starts(problem: Problem, case: Case, given: Mapping[str, Known] | None) -> dict[str, Known]:
    """The start of every evolving field as a function."""
    if given is not None:
        return dict(given)
    starts: dict[str, Known] = {}
    for stream, name in enumerate(problem.evolution):
        value = problem.initial.get(name, sympy.Integer(0))
        starts[name] = (
            drawn(problem, value, case, stream) if isinstance(value, Distribution) else expression(problem, value)
        )
    return starts
