"""An ordinary physics-informed network: what is trained, and the fields that come out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import factorial, prod
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from sciflow.core.errors import InputError
from sciflow.pinn.ansatz import Soft, ansatz_of, start_of
from sciflow.pinn.embedding import Embedding
from sciflow.pinn.functions import Known, expression
from sciflow.pinn.mirrors import mirrors_of
from sciflow.pinn.model import Model, equations_of
from sciflow.pinn.networks import Network, Weights
from sciflow.pinn.objective import Batch, Term, in_blocks
from sciflow.pinn.points import CANDIDATES, boundary, collocation, followed
from sciflow.pinn.series import Series, closed
from sciflow.problems import Dirichlet, Neumann, Outflow, Robin
from sciflow.problems.compile import Orders

if TYPE_CHECKING:
    from sciflow.pinn.settings import Settings
    from sciflow.problems import Case, Problem

PARAMETER = "parameter "  # before its name among the arrays of a block
Interval = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Eulerian:
    """Equations and conditions of one case on one interval of time.

    What differs between windows of time and stages of a curriculum comes with the points, so that one compiled program
    serves all of them.

    Attributes:
        time: the first interval; points have times in it, whatever the window.
        conditions: those that the loss holds.
        values: parameters whose values come with the points, by name.
        window: how many intervals later this one begins.
        before: the window before this one and its weights.
    """

    model: Model
    settings: Settings
    time: Interval | None
    starts: Mapping[str, Known]
    conditions: tuple[Soft, ...]
    values: Mapping[str, float] = field(default_factory=dict)
    window: int = 0
    before: tuple[Eulerian, Weights] | None = None

    @classmethod
    def of(
        cls,
        problem: Problem,
        case: Case,
        settings: Settings,
        *,
        time: Interval | None = None,
        values: Mapping[str, float] | None = None,
    ) -> Eulerian:
        """Build the network and its ansatz.

        Raises:
            InputError: the problem has no equations, or a start that has no formula.
        """
        equations = equations_of(problem)
        require_formulas(problem)
        interval = None if problem.t is None else time or problem.time
        if problem.t is not None and interval is None:
            raise InputError(f"The problem '{problem.name}' declares no time interval; give one, as in time=(0, 1).")
        bounds = problem.bounds(case.parameters)
        names = tuple(symbol.name for symbol in problem.coordinates)
        ends = tuple(([interval] if interval is not None else []) + [bounds[axis] for axis in problem.axes])
        mirrors = mirrors_of(problem, case, values) if settings.hard and settings.mirrors else {}
        embedding = Embedding(names, ends, problem.periodic, tuple(mirrors))
        network = Network(embedding.rows, len(problem.fields), settings.width, settings.depth, settings.network)
        ansatz = ansatz_of(problem, case, interval, hard=settings.hard, mirrors=mirrors)
        model = Model(problem, case, network, embedding, ansatz, equations)
        starts = {}
        if interval is not None:
            starts = {name: start_of(problem, case, name, interval) for name in problem.evolution}
            # Those in the loss are met by their values; slopes of a broken one would not even exist.
            starts |= {name: _values_alone(starts[name]) for name in starts if name not in ansatz.starts}
        return cls(model, settings, interval, starts, ansatz.soft, dict(values or {}))

    def with_values(self, values: Mapping[str, float]) -> Eulerian:
        """The same system at other values of the parameters that come with the points."""
        return replace(self, values=dict(values))

    def after(self, weights: Weights) -> Eulerian:
        """The next window of time, which starts from the end of this one."""
        return replace(self, window=self.window + 1, before=(self, weights))

    def require_windows(self) -> None:
        """InputError if values are prescribed on a side that vary in time, which a next window cannot carry on."""
        if self.model.ansatz.offsets:
            raise InputError(
                f"'{self.model.problem.name}' prescribes values on a side that differ from the start's; windows of "
                "time need hard=False there."
            )

    @property
    def dtype(self) -> Any:
        """Of weights and points."""
        return jnp.dtype(self.settings.precision)

    @property
    def terms(self) -> Sequence[Term]:
        """The equations, then one term for each condition that the ansatz does not hold."""

        def residual(weights: Weights, block: Mapping[str, jax.Array]) -> jax.Array:
            start = self._unpacked(block, self.model.orders)
            return self.model.residual(weights, block["points"], given(block), start, block.get("shift", 0.0))

        equations = Term("equations", residual)
        return [equations, *(Term(f"{soft.field} {soft.side}", self._rows(soft)) for soft in self.conditions)]

    def init(self, key: jax.Array) -> Weights:
        """Fresh weights."""
        return self.model.network.init(key, self.dtype)

    def draw(self, rng: np.random.Generator, sizes: Callable[..., np.ndarray] | None) -> list[Batch]:
        """Points of every term."""
        problem, case, count = self.model.problem, self.model.case, self.settings.points
        if sizes is None:
            points = collocation(problem, case, self.time, count, rng)
        else:
            many = collocation(problem, case, self.time, CANDIDATES * count, rng)
            blocks = in_blocks(self._arrays(many, self.model.orders), [1.0], self.dtype).blocks
            points = followed(blocks, sizes, count, rng)
        arrays = self._arrays(points, self.model.orders)
        batches = [in_blocks(arrays, [1.0] * len(problem.equations), self.dtype)]
        for soft in self.conditions:
            places, normals = boundary(problem, case, soft.side, self.time, self.settings.boundary_points, rng)
            arrays = {**self._arrays(places, self.first_orders), "normals": normals}
            batches.append(in_blocks(arrays, [self.settings.condition_weight], self.dtype))
        return batches

    @cached_property
    def first_orders(self) -> tuple[Orders, ...]:
        """The values and the slopes in space."""
        dims, space = len(self.model.embedding.names), len(self.model.problem.axes)
        return closed([tuple(int(index == axis) for index in range(dims)) for axis in range(dims - space, dims)])

    def _rows(self, soft: Soft) -> Callable[[Weights, Mapping[str, jax.Array]], jax.Array]:
        """Residual (1, N) of one condition."""
        problem, orders = self.model.problem, self.first_orders
        zero, slopes = (orders[0],), sorted(orders[1:], reverse=True)

        def rows(weights: Weights, block: Mapping[str, jax.Array]) -> jax.Array:
            parameters, start = given(block), self._unpacked(block, orders)
            found = self.model.fields(weights, block["points"], orders, parameters, start)[soft.field]
            condition = soft.condition
            if condition is None:
                return found.value - start[soft.field].value
            values = self.model.values(block["points"], parameters)
            if problem.t is not None:
                values = {**values, problem.t.name: values[problem.t.name] + block["shift"]}
            normal = sum(block["normals"][k] * found.derivative(order)[0] for k, order in enumerate(slopes))
            if isinstance(condition, Outflow):
                return normal[None]
            wanted = expression(problem, condition.value[0])(values, zero).value
            if isinstance(condition, Dirichlet):
                return found.value - wanted
            if isinstance(condition, Neumann):
                return normal[None] - wanted
            assert isinstance(condition, Robin)
            a, b = (expression(problem, part)(values, zero).value for part in (condition.a, condition.b))
            return a * found.value + b * normal[None] - wanted

        return rows

    def _arrays(self, points: np.ndarray, orders: tuple[Orders, ...]) -> dict[str, np.ndarray]:
        """What comes with points (D, N): parameters, the window's beginning, and the start with its derivatives."""
        count = points.shape[1]
        arrays = {"points": points, **{PARAMETER + name: np.full(count, value) for name, value in self.values.items()}}
        if self.time is None:
            return arrays
        arrays["shift"] = np.full(count, self.window * (self.time[1] - self.time[0]))
        series = self.start(jnp.asarray(points, self.dtype), orders)
        arrays["start"] = np.stack(
            [np.asarray(item.derivative(order)[0], np.float64) for item in series.values() for order in orders]
        )
        return arrays

    def _unpacked(self, block: Mapping[str, jax.Array], orders: tuple[Orders, ...]) -> dict[str, Series]:
        """The start of every evolving field from a block."""
        if "start" not in block:
            return {}
        rows = block["start"].reshape(len(self.starts), len(orders), 1, -1)
        scales = [prod(factorial(count) for count in order) for order in orders]
        return {
            name: Series(orders, tuple(row / scale for row, scale in zip(rows[index], scales, strict=True)))
            for index, name in enumerate(self.starts)
        }

    def start(self, points: jax.Array, orders: tuple[Orders, ...]) -> dict[str, Series]:
        """What continues the fields at the beginning of this window to points (D, N) of any time."""
        if self.before is None:
            values = self.model.values(points, dict(self.values))
            return {name: known(values, orders) for name, known in self.starts.items()}
        system, weights = self.before
        assert system.time is not None
        ends = points.at[0].set(system.time[1])
        space = tuple(order for order in orders if order[0] == 0)
        found = system._at(weights, ends, space)
        return {name: _widened(item, orders) for name, item in found.items() if name in self.starts}

    def _at(self, weights: Weights, points: jax.Array, orders: tuple[Orders, ...]) -> dict[str, Series]:
        start = self.start(points, orders) if self.time is not None else None
        return self.model.fields(weights, points, orders, dict(self.values), start)

    def fields(self, weights: Weights) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
        """Fields (N,) at points (D, N)."""
        shift = 0.0 if self.time is None else self.window * (self.time[1] - self.time[0])

        def evaluate(points: np.ndarray) -> dict[str, np.ndarray]:
            local = np.array(points, dtype=np.float64)
            if shift:
                local[0] -= shift
            with jax.enable_x64(self.settings.precision == "float64"):
                found = self._program(weights, jnp.asarray(local, self.dtype))
            return {name: np.asarray(item[0], np.float64) for name, item in found.items()}

        return evaluate

    @cached_property
    def _program(self) -> Callable[..., dict[str, jax.Array]]:
        zero = ((0,) * len(self.model.embedding.names),)
        return jax.jit(lambda w, p: {name: s.value for name, s in self._at(w, p, zero).items()})


def require_formulas(problem: Problem) -> None:
    """InputError if the problem has input fields, which have no formula."""
    if problem.inputs:
        raise InputError(
            f"The problem '{problem.name}' has the input field '{next(iter(problem.inputs)).name}', which has no "
            "formula; physics-informed networks solve problems without input fields."
        )


def given(block: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
    """Values of parameters that come with the points of a block, by name; others are the case's."""
    return {name.removeprefix(PARAMETER): item for name, item in block.items() if name.startswith(PARAMETER)}


def _values_alone(known: Known) -> Known:
    return lambda values, orders: _widened(known(values, (tuple(0 for _ in orders[0]),)), orders)


def _widened(series: Series, orders: tuple[Orders, ...]) -> Series:
    """A series with more orders, which are zero."""
    place = {order: item for order, item in zip(series.orders, series.coefficients, strict=True)}
    return Series(orders, tuple(place.get(order) for order in orders))
