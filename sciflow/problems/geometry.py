"""Domains: signed distances, masks and samplers of boxes, disks and what is cut out of them.

The one description of geometry: solvers read masks from it, PINNs sample it. Lengths may be SymPy expressions of
parameters; every numerical method takes the values of those parameters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from sciflow.core.errors import InputError
from sciflow.problems.symbols import plain

Values = Mapping[str, float]


def evaluate(expression: Any, values: Values) -> float:
    """A number from an expression of parameters."""
    if isinstance(expression, sympy.Number):  # this and the next only save time: most lengths are one or the other
        return float(expression)
    if isinstance(expression, sympy.Symbol) and expression.name in values:
        return float(values[expression.name])
    expression = plain(expression)
    result = expression.subs(
        {symbol: values[symbol.name] for symbol in expression.free_symbols if symbol.name in values}
    )
    if result.free_symbols:
        missing = ", ".join(sorted(symbol.name for symbol in result.free_symbols))
        raise InputError(f"The expression '{expression}' needs a value for {missing}; declare it as a parameter.")
    return float(result)


class Shape(ABC):
    """A region of space with a signed distance: negative inside, positive outside, in units of length."""

    @abstractmethod
    def distance(self, points: np.ndarray, values: Values) -> np.ndarray:
        """Signed distance of points [N, D] (columns in the order of the axes) from the boundary, [N]."""

    @abstractmethod
    def box(self, values: Values) -> dict[str, tuple[float, float]]:
        """Bounds by axis of a box that holds the shape."""

    @abstractmethod
    def box_axes(self) -> tuple[str, ...]:
        """Names of the axes, in order."""

    @abstractmethod
    def boundary(self, count: int, rng: np.random.Generator, values: Values) -> tuple[np.ndarray, np.ndarray]:
        """Points uniform on the boundary [N, D] and their outward normals [N, D]."""

    @abstractmethod
    def measure(self, values: Values) -> float:
        """Length (in 3-D area) of the boundary; of a difference that of all its surfaces, an upper bound."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Canonical form, for JSON."""

    def scatter(self, density: float, rng: np.random.Generator, values: Values) -> tuple[np.ndarray, np.ndarray]:
        """Boundary points and normals in random number, `density` for each unit of measure (a Poisson process).

        Parts of a boundary can then be left out or joined, and the density stays uniform.
        """
        return self.boundary(int(rng.poisson(density * self.measure(values))), rng, values)

    def inside(self, points: np.ndarray, values: Values) -> np.ndarray:
        """True for points [N, D] of the open region."""
        return self.distance(points, values) < 0

    def interior(self, count: int, rng: np.random.Generator, values: Values) -> np.ndarray:
        """Points uniform in the region, [count, D], by rejection from its box."""
        low, high = np.array(list(self.box(values).values())).T
        found: list[np.ndarray] = []
        total, tries = 0, 0
        while total < count:
            candidates = rng.uniform(low, high, (max(2 * (count - total), 64), len(low)))
            found.append(candidates[self.inside(candidates, values)])
            total, tries = total + len(found[-1]), tries + 1
            if tries > 1000:
                raise InputError("The domain is empty for these parameters; check its obstacles and bounds.")
        return np.concatenate(found)[:count]

    def __sub__(self, other: Shape) -> Shape:
        return Difference(self, other)


@dataclass(frozen=True, init=False)
class Box(Shape):
    """An axis-parallel box, ``Box(x=(0, 1), y=(0, height))``; sides are named ``"x-"``, ``"x+"``, ``"y-"``, ..."""

    bounds: tuple[tuple[str, Any, Any], ...]

    def __init__(self, **bounds: tuple[Any, Any]) -> None:
        if not bounds:
            raise InputError("Box needs the bounds of at least one axis, as in Box(x=(0, 1)).")
        object.__setattr__(
            self, "bounds", tuple((axis, plain(low), plain(high)) for axis, (low, high) in bounds.items())
        )

    @property
    def sides(self) -> tuple[str, ...]:
        """Names of the sides."""
        return tuple(axis + sign for axis, _, _ in self.bounds for sign in "-+")

    def box_axes(self) -> tuple[str, ...]:
        return tuple(axis for axis, _, _ in self.bounds)

    def box(self, values: Values) -> dict[str, tuple[float, float]]:
        out = {axis: (evaluate(low, values), evaluate(high, values)) for axis, low, high in self.bounds}
        for axis, (low, high) in out.items():
            if not low < high:
                raise InputError(f"The box is empty along {axis}: from {low} to {high}.")
        return out

    def distance(self, points: np.ndarray, values: Values) -> np.ndarray:
        low, high = np.array(list(self.box(values).values())).T
        excess = np.maximum(low - points, points - high)
        return np.linalg.norm(np.maximum(excess, 0), axis=1) + np.minimum(excess.max(axis=1), 0)

    def boundary(self, count: int, rng: np.random.Generator, values: Values) -> tuple[np.ndarray, np.ndarray]:
        low, high = np.array(list(self.box(values).values())).T
        areas = np.repeat(np.prod(high - low) / (high - low), 2)
        side = rng.choice(len(areas), size=count, p=areas / areas.sum())
        axis, upper = side // 2, side % 2
        points, normals = rng.uniform(low, high, (count, len(low))), np.zeros((count, len(low)))
        rows = np.arange(count)
        points[rows, axis] = np.where(upper == 1, high[axis], low[axis])
        normals[rows, axis] = 2.0 * upper - 1.0
        return points, normals

    def measure(self, values: Values) -> float:
        lengths = np.array([high - low for low, high in self.box(values).values()])
        return float(2 * np.sum(np.prod(lengths) / lengths))

    def describe(self) -> dict[str, Any]:
        return {"shape": "box", "bounds": {a: [sympy.srepr(low), sympy.srepr(high)] for a, low, high in self.bounds}}


@dataclass(frozen=True)
class Disk(Shape):
    """A disk (in 3-D a ball) about `center`; its boundary is the side ``"obstacle"`` where it is cut out."""

    center: tuple[Any, ...]
    radius: Any

    def box_axes(self) -> tuple[str, ...]:
        return tuple("xyz"[: len(self.center)])

    def _numbers(self, values: Values) -> tuple[np.ndarray, float]:
        radius = evaluate(self.radius, values)
        if radius <= 0:
            raise InputError(f"The radius of a disk must be positive; it is {radius:g}.")
        return np.array([evaluate(c, values) for c in self.center]), radius

    def box(self, values: Values) -> dict[str, tuple[float, float]]:
        center, radius = self._numbers(values)
        return {axis: (c - radius, c + radius) for axis, c in zip("xyz", center, strict=False)}

    def distance(self, points: np.ndarray, values: Values) -> np.ndarray:
        center, radius = self._numbers(values)
        return np.linalg.norm(points - center, axis=1) - radius

    def boundary(self, count: int, rng: np.random.Generator, values: Values) -> tuple[np.ndarray, np.ndarray]:
        center, radius = self._numbers(values)
        normals = rng.standard_normal((count, len(center)))
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        return center + radius * normals, normals

    def measure(self, values: Values) -> float:
        _, radius = self._numbers(values)
        return {1: 2.0, 2: 2 * np.pi * radius, 3: 4 * np.pi * radius**2}[len(self.center)]

    def describe(self) -> dict[str, Any]:
        center = [sympy.srepr(plain(c)) for c in self.center]
        return {"shape": "disk", "center": center, "radius": sympy.srepr(plain(self.radius))}


@dataclass(frozen=True)
class Difference(Shape):
    """What remains of `outer` when `hole` is cut out; the distance is exact near either boundary."""

    outer: Shape
    hole: Shape

    def __post_init__(self) -> None:
        if self.outer.box_axes() != self.hole.box_axes():
            axes = (list(self.outer.box_axes()), list(self.hole.box_axes()))
            raise InputError(
                f"Only shapes over the same axes can be cut out of each other, not {axes[0]} and {axes[1]}."
            )

    @property
    def sides(self) -> tuple[str, ...]:
        """Names of the sides."""
        return tuple(dict.fromkeys((*getattr(self.outer, "sides", ()), "obstacle")))

    def box_axes(self) -> tuple[str, ...]:
        return self.outer.box_axes()

    def box(self, values: Values) -> dict[str, tuple[float, float]]:
        return self.outer.box(values)

    def distance(self, points: np.ndarray, values: Values) -> np.ndarray:
        return np.maximum(self.outer.distance(points, values), -self.hole.distance(points, values))

    def measure(self, values: Values) -> float:
        return self.outer.measure(values) + self.hole.measure(values)

    def boundary(self, count: int, rng: np.random.Generator, values: Values) -> tuple[np.ndarray, np.ndarray]:
        density = max(count, 16) / self.measure(values)
        found: list[tuple[np.ndarray, np.ndarray]] = []
        while sum(len(points) for points, _ in found) < count:
            found.append(self.scatter(density, rng, values))
            if len(found) > 1000:
                raise InputError("The domain has no boundary for these parameters; check its obstacles and bounds.")
        points, normals = (np.concatenate(parts) for parts in zip(*found, strict=True))
        chosen = rng.permutation(len(points))[:count]
        return points[chosen], normals[chosen]

    def scatter(self, density: float, rng: np.random.Generator, values: Values) -> tuple[np.ndarray, np.ndarray]:
        points, normals = self.outer.scatter(density, rng, values)
        inner, inward = self.hole.scatter(density, rng, values)
        keep, keep_inner = self.hole.distance(points, values) > 0, self.outer.distance(inner, values) < 0
        return np.concatenate([points[keep], inner[keep_inner]]), np.concatenate([normals[keep], -inward[keep_inner]])

    def describe(self) -> dict[str, Any]:
        return {"shape": "difference", "outer": self.outer.describe(), "hole": self.hole.describe()}
