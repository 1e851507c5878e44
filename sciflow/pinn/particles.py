"""A Lagrangian physics-informed network: the particles' paths, what they carry, and the way back to a grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import sympy

from sciflow.core.errors import InputError
from sciflow.pinn.ansatz import closes_smoothly
from sciflow.pinn.embedding import Embedding
from sciflow.pinn.functions import Known, Values, drawn, expression
from sciflow.pinn.lagrangian import Frame, Transport, needed_orders, transport_of
from sciflow.pinn.mapping import labels_on_a_line, labels_on_a_plane
from sciflow.pinn.networks import Network, Weights
from sciflow.pinn.objective import Batch, Term, in_blocks
from sciflow.pinn.points import CANDIDATES, collocation, followed
from sciflow.pinn.series import Series, closed, exp
from sciflow.problems.compile import Orders
from sciflow.problems.distributions import Distribution

if TYPE_CHECKING:
    from sciflow.pinn.settings import Settings
    from sciflow.problems import Case, Problem

_CHECKED = 101, 512  # times, labels along each axis at which the Jacobian is looked at


@dataclass(frozen=True, eq=False)
class Particles:
    r"""Two networks, for paths and for fields, that meet the start exactly.

    .. math::
        x = X + \tau\,\big[\bar f + e^{-a\tau} (f_0 - \bar f)\big] + \tau^2 N_x(X, t), \qquad
        u = u_0(X) + \tau\, N_u(X, t), \qquad \tau = t - t_0

    with the velocity f_0(X) at the start, its mean, and a rate a at which no paths cross while N_x is zero: the
    Jacobian is then at least 1/2.

    Attributes:
        label_space: take derivatives of the fields with respect to labels for those in space: an ablation that solves
            another equation.
    """

    transport: Transport
    case: Case
    settings: Settings
    time: tuple[float, float]
    embedding: Embedding
    paths: Network
    carried: Network
    starts: Mapping[str, Known]
    speeds: Sequence[Known]
    means: Sequence[float]
    rate: float
    label_space: bool = False

    @classmethod
    def of(
        cls,
        problem: Problem,
        case: Case,
        settings: Settings,
        *,
        time: tuple[float, float] | None = None,
        label_space: bool = False,
    ) -> Particles:
        """Build both networks.

        Raises:
            InputError: the problem is not one of transport by one velocity on periodic axes.
        """
        transport = transport_of(problem)
        open_axes = [axis for axis in problem.axes if axis not in problem.periodic]
        if open_axes or len(problem.axes) > 2:
            raise InputError(
                "The Lagrangian method needs one or two periodic axes, so that particles never leave; "
                f"'{problem.name}' has {', '.join(open_axes) or len(problem.axes)}. Use the method 'pinn'."
            )
        interval = time or problem.time
        if interval is None:
            raise InputError(f"The problem '{problem.name}' declares no time interval; give one, as in time=(0, 1).")
        rough = [name for name in problem.evolution if not closes_smoothly(problem, case, name, interval)]
        if rough:
            raise InputError(
                f"The start of '{rough[0]}' in '{problem.name}' is broken, or not smooth where the period closes, "
                "which particles would carry on for ever; use the method 'pinn', or a start without jumps of the slope."
            )
        bounds = problem.bounds(case.parameters)
        names = tuple(symbol.name for symbol in problem.coordinates)
        ends = (interval, *(bounds[axis] for axis in problem.axes))
        embedding = Embedding(names, ends, problem.periodic)
        sizes = settings.width, settings.depth, settings.network
        starts, formulas = {}, {}
        for stream, name in enumerate(problem.evolution):
            value = problem.initial.get(name, sympy.Integer(0))
            if isinstance(value, Distribution):
                starts[name] = drawn(problem, value, case, stream)
            else:
                starts[name] = expression(problem, value)
                formulas[problem.field(name).symbol] = sympy.sympify(problem.drive(value))
        speeds = [_first_speed(transport, axis, formulas, starts, interval[0]) for axis in problem.axes]
        means, steepest = _measured(speeds, problem, case, embedding)
        return cls(
            transport,
            case,
            settings,
            interval,
            embedding,
            Network(embedding.rows, len(problem.axes), *sizes),
            Network(embedding.rows, len(problem.evolution), *sizes),
            starts,
            speeds,
            means,
            2 * steepest / np.e,
            label_space,
        )

    @property
    def dtype(self) -> Any:
        """Of weights and points."""
        return jnp.dtype(self.settings.precision)

    @property
    def terms(self) -> Sequence[Term]:
        """One term: the paths' equations, then the fields'."""
        return [Term("equations", lambda weights, block: self.residual(weights, block["points"]))]

    def init(self, key: jax.Array) -> dict[str, Weights]:
        """Fresh weights of both networks."""
        first, second = jax.random.split(key)
        return {"paths": self.paths.init(first, self.dtype), "fields": self.carried.init(second, self.dtype)}

    def draw(self, rng: np.random.Generator, sizes: Callable[..., np.ndarray] | None) -> list[Batch]:
        """Labels and times."""
        problem, count = self.transport.problem, self.settings.points
        rows = [1.0] * (len(problem.axes) + len(problem.evolution))
        if sizes is None:
            points = collocation(problem, self.case, self.time, count, rng)
        else:
            many = collocation(problem, self.case, self.time, CANDIDATES * count, rng)
            points = followed(in_blocks({"points": many}, [1.0], self.dtype).blocks, sizes, count, rng)
        return [in_blocks({"points": points}, rows, self.dtype)]

    def motion(
        self, weights: Mapping[str, Weights], points: jax.Array, orders: tuple[Orders, ...]
    ) -> tuple[list[Series], dict[str, Series]]:
        """Places by axis and fields by name, (1, N) each, of labels and times (D, N)."""
        problem = self.transport.problem
        values = self.values(points)
        inputs = self.embedding(values, orders)
        moved, carried = self.paths(weights["paths"], inputs), self.carried(weights["fields"], inputs)
        after = Series.coordinate(orders, 0, values["t"]) - self.time[0]
        fading = exp(after * -self.rate)
        places = []
        for axis, name in enumerate(problem.axes):
            label = Series.coordinate(orders, axis + 1, values[name])
            mean = self.means[axis]
            drift = fading * (self.speeds[axis](values, orders) - mean) + mean + after * moved[axis : axis + 1]
            places.append(label + after * drift)
        fields = {
            name: self.starts[name](values, orders) + after * carried[row : row + 1]
            for row, name in enumerate(problem.evolution)
        }
        return places, fields

    def values(self, points: jax.Array) -> Values:
        """Coordinates and parameters by name."""
        fixed = self.transport.problem.values(self.case.values)
        return {**fixed, **dict(zip(self.embedding.names, points, strict=True))}

    def residual(self, weights: Mapping[str, Weights], points: jax.Array) -> jax.Array:
        """Residuals (axes + fields, N): of the paths, and of the fields times the Jacobian."""
        transport, names = self.transport, self.transport.problem.axes
        orders = closed(needed_orders(transport))
        places, fields = self.motion(weights, points, orders)
        frame = Frame(places, label_space=self.label_space)
        rate = (1,) + (0,) * len(names)
        inside = [
            low + jnp.mod(place.value[0] - low, high - low)
            for place, (low, high) in zip(places, self.embedding.bounds[1:], strict=True)
        ]
        there = {**self.values(points), **dict(zip(names, inside, strict=True))}

        def evaluated(compiled: Any) -> list[jax.Array]:
            arrays = [frame.derivative(fields[name], order).value[0] for name, order in compiled.derivatives]
            return compiled.function(*arrays, *(there[name] for name in compiled.symbols))

        rows = [
            place.derivative(rate)[0] - speed for place, speed in zip(places, evaluated(transport.speeds), strict=True)
        ]
        jacobian = jnp.ones(()) if self.label_space else frame.jacobian.value[0]
        for field, source in zip(fields.values(), evaluated(transport.sources), strict=True):
            rows.append(jacobian * (field.derivative(rate)[0] - source))
        return jnp.stack([jnp.broadcast_to(row, points.shape[1:]) for row in rows])

    def fields(self, weights: Mapping[str, Weights]) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
        """Fields at points (D, N) in space: the labels of the particles there are found first."""
        dims = len(self.transport.problem.axes)
        low, high = np.array(self.embedding.bounds[1:]).T

        def evaluate(points: np.ndarray) -> dict[str, np.ndarray]:
            found = {name: np.empty(points.shape[1]) for name in self.transport.problem.evolution}
            moments, members = np.unique(points[0], return_inverse=True)
            for index, moment in enumerate(moments):
                here = members == index
                places = partial(self._places, weights, moment)
                if dims == 1:
                    labels = labels_on_a_line(places, points[1, here], low[0], high[0])[None]
                else:
                    labels = labels_on_a_plane(places, points[1:, here], low, high)
                for name, values in self._carried(weights, moment, labels).items():
                    found[name][here] = values
            return found

        return evaluate

    def _places(
        self, weights: Mapping[str, Weights], moment: float, labels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Places (D, N) and Jacobians (D, D, N) of labels at one time."""
        places, jacobian, _ = self._moved(weights, moment, labels)
        return places, jacobian

    def _carried(self, weights: Mapping[str, Weights], moment: float, labels: np.ndarray) -> dict[str, np.ndarray]:
        return self._moved(weights, moment, labels)[2]

    def _moved(self, weights: Mapping[str, Weights], moment: float, labels: np.ndarray) -> Any:
        count = labels.shape[1]
        padded = max(64, 1 << (count - 1).bit_length())  # few sizes, so that few programs are compiled
        full = np.concatenate([labels, np.repeat(labels[:, -1:], padded - count, axis=1)], axis=1)
        points = np.concatenate([np.full((1, padded), moment), full])
        with jax.enable_x64(self.settings.precision == "float64"):
            places, jacobian, fields = self._program(weights, jnp.asarray(points, self.dtype))
        fields = {name: np.asarray(values, np.float64)[:count] for name, values in fields.items()}
        return np.asarray(places, np.float64)[:, :count], np.asarray(jacobian, np.float64)[..., :count], fields

    @cached_property
    def _program(self) -> Any:
        dims = len(self.transport.problem.axes)
        slopes = [(0, *(int(a == b) for b in range(dims))) for a in range(dims)]

        def moved(weights: Any, points: jax.Array) -> Any:
            places, fields = self.motion(weights, points, closed(slopes))
            jacobian = jnp.stack([jnp.stack([place.derivative(order)[0] for order in slopes]) for place in places])
            values = {name: field.value[0] for name, field in fields.items()}
            return jnp.stack([place.value[0] for place in places]), jacobian, values

        return jax.jit(moved)

    def smallest_jacobian(self, weights: Mapping[str, Weights]) -> float:
        """The smallest determinant of the paths' Jacobian, on a grid of times and labels."""
        times, side = _CHECKED
        dims = len(self.transport.problem.axes)
        axes = [np.linspace(low, high, side if dims == 1 else 64) for low, high in self.embedding.bounds[1:]]
        labels = np.stack([part.ravel() for part in np.meshgrid(*axes)])
        found = []
        for moment in np.linspace(*self.time, times if dims == 1 else 21):
            jacobian = self._places(weights, moment, labels)[1]
            found.append(np.linalg.det(np.moveaxis(jacobian, 2, 0)).min())
        return float(min(found))


def _measured(
    speeds: Sequence[Known], problem: Problem, case: Case, embedding: Embedding, points: int = 256
) -> tuple[list[float], float]:
    """Mean of the first velocity along each axis, and the largest norm of its gradient, on a grid."""
    axes = [np.linspace(low, high, points, endpoint=False) for low, high in embedding.bounds[1:]]
    grid = [np.full(points ** len(axes), embedding.bounds[0][0]), *(m.ravel() for m in np.meshgrid(*axes))]
    values = {**problem.values(case.values), **dict(zip(embedding.names, map(jnp.asarray, grid), strict=True))}
    orders = closed([(0, *(int(a == b) for b in range(len(axes)))) for a in range(len(axes))])
    found = [speed(values, orders) for speed in speeds]
    gradient = np.array([[f.derivative(order)[0] for order in orders[1:]] for f in found])  # (D, D, N)
    return [float(f.value.mean()) for f in found], float(np.linalg.norm(gradient, 2, axis=(0, 1)).max())


def _first_speed(
    transport: Transport,
    axis: str,
    formulas: Mapping[Any, sympy.Expr],
    starts: Mapping[str, Known],
    time: float,
) -> Known:
    """Velocity at the start as a function of the label."""
    problem, speed = transport.problem, transport.velocity[axis]
    carrying = [name for name in problem.evolution if speed.has(problem.field(name).symbol)]
    if all(problem.field(name).symbol in formulas for name in carrying):
        return expression(problem, speed.subs(formulas).subs(problem.t, time))
    name = carrying[0]
    symbol = problem.field(name).symbol
    slope, rest = speed.diff(symbol), speed.subs(symbol, 0)
    if len(carrying) > 1 or slope.has(symbol):
        raise InputError(
            f"The start of '{problem.name}' is drawn at random and its velocity along {axis} is not linear in one "
            "field; give an expression to start from."
        )
    factor, offset = (expression(problem, part.subs(problem.t, time)) for part in (slope, rest))
    return lambda values, orders: factor(values, orders) * starts[name](values, orders) + offset(values, orders)
