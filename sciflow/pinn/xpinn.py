"""A network for each subdomain of time and space, and what makes neighbours agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import sympy

from sciflow.core.errors import InputError
from sciflow.pinn.ansatz import Ansatz, ansatz_of
from sciflow.pinn.embedding import Embedding
from sciflow.pinn.eulerian import require_formulas
from sciflow.pinn.functions import expression
from sciflow.pinn.model import Model, equations_of
from sciflow.pinn.networks import Network, Weights
from sciflow.pinn.objective import Batch, Term, in_blocks
from sciflow.pinn.points import unit_points

if TYPE_CHECKING:
    from sciflow.pinn.settings import Settings
    from sciflow.problems import Case, Problem

Bounds = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Interface:
    """Where two subdomains meet: across `axis`, at `place` in the first and at `other` in the second."""

    first: int
    second: int
    axis: int
    place: float
    other: float


@dataclass(frozen=True, eq=False)
class Decomposed:
    r"""Subdomains q with networks of their own.

    .. math::
        L = \sum_q \overline{R_q^2}
            + w \sum_{q, q'} \Big( \overline{(u_q - u_{q'})^2} + \overline{(R_q - R_{q'})^2} \Big)

    with the residual R, means over points, and neighbours q, q' at the points of their interface (Jagtap and
    Karniadakis (2020), Commun. Comput. Phys. 28, 2002, equation 11). Subdomains at the beginning hold the start by
    construction.
    """

    problem: Problem
    settings: Settings
    time: tuple[float, float]
    boxes: Sequence[Bounds]
    models: Sequence[Model]
    interfaces: Sequence[Interface]

    @classmethod
    def of(
        cls,
        problem: Problem,
        case: Case,
        settings: Settings,
        *,
        time: tuple[float, float] | None,
        windows: int,
        parts: int,
    ) -> Decomposed:
        """Cut time into `windows` and the first axis of space into `parts`.

        Raises:
            InputError: the problem has axes that are not periodic, no time interval, or nothing is cut.
        """
        interval = time or problem.time
        if interval is None:
            raise InputError(f"The problem '{problem.name}' declares no time interval; give one, as in time=(0, 1).")
        require_formulas(problem)
        if settings.causal is not None or not settings.hard:
            raise InputError("The strategy 'xpinn' holds the start by construction and takes no causal weights.")
        if set(problem.periodic) != set(problem.axes):
            raise InputError(f"The strategy 'xpinn' takes problems on periodic axes; '{problem.name}' has others.")
        if windows * parts < 2:
            raise InputError("The strategy 'xpinn' needs at least two subdomains; raise windows or parts.")
        bounds = problem.bounds(case.parameters)
        moments = np.linspace(*interval, windows + 1)
        places = np.linspace(*bounds[problem.axes[0]], parts + 1)
        rest = tuple(bounds[axis] for axis in problem.axes[1:])
        cells = list(product(range(windows), range(parts)))
        boxes = [((moments[k], moments[k + 1]), (places[j], places[j + 1]), *rest) for k, j in cells]
        inner = problem.axes if parts == 1 else problem.axes[1:]
        names = tuple(symbol.name for symbol in problem.coordinates)
        equations = equations_of(problem)
        free = Ansatz({}, {}, {info.name: expression(problem, sympy.Integer(1)) for info in problem.fields})
        first = ansatz_of(problem, case, (moments[0], moments[1]))
        if first.soft:
            raise InputError(
                f"The strategy 'xpinn' holds the start by construction, which that of '{problem.name}' does not allow: "
                "it jumps where the period closes. Use the method without a strategy."
            )
        models = []
        for (k, _), box in zip(cells, boxes, strict=True):
            embedding = Embedding(names, box, inner)
            network = Network(embedding.rows, len(problem.fields), settings.width, settings.depth, settings.network)
            models.append(Model(problem, case, network, embedding, first if k == 0 else free, equations))
        return cls(problem, settings, interval, boxes, models, _interfaces(cells, windows, parts, moments, places))

    @property
    def dtype(self) -> Any:
        """Of weights and points."""
        return jnp.dtype(self.settings.precision)

    @property
    def terms(self) -> Sequence[Term]:
        """The equations of each subdomain, then the interfaces."""

        def inside(index: int) -> Callable[[Any, Mapping[str, jax.Array]], jax.Array]:
            return lambda weights, block: self.models[index].residual(weights[index], block["points"], {})

        def across(face: Interface) -> Callable[[Any, Mapping[str, jax.Array]], jax.Array]:
            def rows(weights: Any, block: Mapping[str, jax.Array]) -> jax.Array:
                sides = [
                    self._both(index, weights[index], block[name])
                    for index, name in ((face.first, "points"), (face.second, "others"))
                ]
                return sides[0] - sides[1]

            return rows

        return [
            *(Term(f"equations {index}", inside(index)) for index in range(len(self.models))),
            *(Term(f"interface {face.first}-{face.second}", across(face)) for face in self.interfaces),
        ]

    def _both(self, index: int, weights: Weights, points: jax.Array) -> jax.Array:
        """Fields and residuals, (F + E, N)."""
        model = self.models[index]
        fields = model.fields(weights, points, model.orders, {})
        values = [item.value for item in fields.values()]
        return jnp.concatenate([*values, model.residual(weights, points, {})])

    def init(self, key: jax.Array) -> list[Weights]:
        """Fresh weights of each network."""
        keys = jax.random.split(key, len(self.models))
        return [model.network.init(k, self.dtype) for model, k in zip(self.models, keys, strict=True)]

    def draw(self, rng: np.random.Generator, sizes: Callable[..., np.ndarray] | None) -> list[Batch]:
        """Points of each subdomain, which share the settings' number, and of each interface."""
        each = max(64, self.settings.points // len(self.boxes))
        rows = len(self.problem.equations)
        batches = [in_blocks({"points": _inside(box, each, rng)}, [1.0] * rows, self.dtype) for box in self.boxes]
        count = self.settings.boundary_points
        for face in self.interfaces:
            points = _inside(self.boxes[face.first], count, rng)
            others = points.copy()
            points[face.axis], others[face.axis] = face.place, face.other
            weights = [self.settings.condition_weight] * (rows + len(self.problem.fields))
            batches.append(in_blocks({"points": points, "others": others}, weights, self.dtype))
        return batches

    def fields(self, weights: Sequence[Weights]) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
        """Fields (N,) at points (D, N), each from the subdomain that holds it."""
        zero = ((0,) * len(self.problem.coordinates),)
        programs = [
            jax.jit(lambda w, p, m=model: {name: item.value[0] for name, item in m.fields(w, p, zero, {}).items()})
            for model in self.models
        ]

        def evaluate(points: np.ndarray) -> dict[str, np.ndarray]:
            found = {info.name: np.empty(points.shape[1]) for info in self.problem.fields}
            left = np.ones(points.shape[1], dtype=bool)
            for box, program, own in zip(self.boxes, programs, weights, strict=True):
                low, high = np.array(box).T
                slack = 1e-9 * (high - low)
                here = left & np.all((low - slack <= points.T) & (high + slack >= points.T), axis=1)
                left &= ~here
                if here.any():
                    with jax.enable_x64(self.settings.precision == "float64"):
                        values = program(own, jnp.asarray(points[:, here], self.dtype))
                    for name, item in values.items():
                        found[name][here] = np.asarray(item, np.float64)
            return found

        return evaluate


def _inside(box: Bounds, count: int, rng: np.random.Generator) -> np.ndarray:
    low, high = np.array(box).T
    return (low + (high - low) * unit_points(count, len(box), rng)).T


def _interfaces(
    cells: Sequence[tuple[int, int]], windows: int, parts: int, moments: np.ndarray, places: np.ndarray
) -> list[Interface]:
    """Between neighbours in time, and in space where it is cut, the first and the last part being neighbours too."""
    index = {cell: number for number, cell in enumerate(cells)}
    faces = []
    for k, j in cells:
        if k + 1 < windows:
            faces.append(Interface(index[k, j], index[k + 1, j], 0, moments[k + 1], moments[k + 1]))
        if parts > 1:
            other = (j + 1) % parts
            faces.append(Interface(index[k, j], index[k, other], 1, places[j + 1], places[other]))
    return faces
