"""Finite differences along one axis, up to the boundary and aware of what holds there."""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial

import numpy as np

from sciflow.core.errors import InputError

ACCURACIES = (2, 4, 6)
_SINGULAR = 1e13  # condition number of a scaled stencil; a sound one of ten conditions stays below 1e9


@dataclass(frozen=True)
class Side:
    """a u + b du/dn = g at the end of an axis, n pointing outwards: Dirichlet (1, 0), Neumann (0, 1), Robin (a, b)."""

    a: float
    b: float

    def __post_init__(self) -> None:
        if not np.isfinite(self.a + self.b) or (self.a == 0 and self.b == 0):
            raise InputError(
                f"A side a u + b du/dn = g has a = {self.a} and b = {self.b}; give finite numbers, not both zero."
            )


@dataclass(frozen=True)
class Line:
    """An axis and its difference operators.

    A derivative of order m at a point comes from the polynomial that fits the nearest m + accuracy known things: the
    values at points and, near an end, the condition there. In the interior the stencil is centred and for even m one
    point narrower, which loses nothing where the spacing is even or changes smoothly (a grid of random spacing loses
    one order there). The weights solve a Vandermonde system in units of the stencil's width, as in Fornberg (1988).

    Args:
        points: [n] nodes (the ends included) or cell centres, increasing, of any spacing.
        low, high: the ends of the axis; on a periodic axis their distance is the period.
        left, right: condition at either end; None where none is known: stencils are then one-sided.
        periodic: the axis is closed; the point at `high` is the one at `low` and is left out.
        accuracy: order of the error, 2, 4 or 6, also at and near the ends.

    Raises:
        InputError: an impossible accuracy, points that do not increase or lie outside, a condition on a periodic axis.

    Example:
        >>> a, b = Line(np.linspace(0, 1, 11), 0, 1, left=Side(1, 0), right=Side(0, 1)).derivative(2)
        >>> u_xx = a @ u + b @ [0.0, slope]
    """

    points: np.ndarray
    low: float
    high: float
    left: Side | None = None
    right: Side | None = None
    periodic: bool = False
    accuracy: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", np.asarray(self.points, dtype=np.float64))
        if self.accuracy not in ACCURACIES:
            raise InputError(f"The accuracy of differences is {self.accuracy!r}; use one of {ACCURACIES}.")
        points, slack = self.points, 1e-12 * abs(self.high - self.low)
        if points.ndim != 1 or not np.all(np.isfinite(points)) or np.any(np.diff(points) <= 0):
            raise InputError("The points of a line must be one row of finite, increasing numbers.")
        inside = points.size and points[0] >= self.low - slack and points[-1] <= self.high + slack
        if not inside or (self.periodic and points[-1] - points[0] > self.high - self.low - slack):
            where = f"[{self.low}, {self.high}" + (") of a periodic axis" if self.periodic else "]")
            raise InputError(f"The points of a line must lie in {where}.")
        if self.periodic and (self.left or self.right):
            raise InputError("A periodic line has no ends, so it takes no conditions; leave left and right out.")

    def derivative(self, order: int) -> tuple[np.ndarray, np.ndarray]:
        """A [n, n] and B [n, 2] with d^order u / dx^order = A u + B g at the points.

        g holds the values of the conditions (left, right); B is zero where none enters. A node on an end with a
        Dirichlet condition carries the datum itself: operators use its value, and B stays zero.

        Raises:
            InputError: an order below 1, too few points, or a condition that the nearby points cannot be joined with.
        """
        if int(order) != order or order < 1:
            raise InputError(f"The order of a derivative is {order}; give a whole number of at least 1.")
        count, needed = len(self.points), order + self.accuracy
        if count < needed:
            raise InputError(
                f"A derivative of order {order} with accuracy {self.accuracy} needs {needed} points along its axis; "
                f"there are {count}."
            )
        matrix, data = np.zeros((count, count)), np.zeros((count, 2))
        for point in range(count):
            indices, end = self._stencil(point, order)
            where = self.points[indices % count] + (indices // count) * (self.high - self.low)
            weights = self._weights(order, self.points[point], where, end)
            matrix[point, indices % count] = weights[: len(indices)]
            if end is not None:
                data[point, end] = weights[-1]
        return matrix, data

    def _stencil(self, point: int, order: int) -> tuple[np.ndarray, int | None]:
        """Points (periodic: beyond the ends, to be wrapped) and the end (0, 1) whose condition joins them, if any."""
        count, reach = len(self.points), (order + 1) // 2 - 1 + self.accuracy // 2
        if self.periodic or reach <= point < count - reach:
            return np.arange(point - reach, point + reach + 1), None
        end = int(2 * point >= count)
        joins = self._joins(end)
        indices = np.arange(order + self.accuracy - joins)
        return (indices + count - len(indices) if end else indices), end if joins else None

    def _joins(self, end: int) -> bool:
        """Whether the condition at an end says more than the points do."""
        side, gap = ((self.left, self.points[0] - self.low), (self.right, self.high - self.points[-1]))[end]
        return side is not None and (side.b != 0 or abs(gap) > 1e-12 * (self.high - self.low))

    def _weights(self, order: int, place: float, where: np.ndarray, end: int | None) -> np.ndarray:
        width = max(abs(where - place))
        offsets = (where - place) / width
        size = len(where) + (end is not None)
        taylor = np.array([offsets**power / factorial(power) for power in range(size)])  # [power, condition]
        scale = np.ones(size)
        if end is not None:
            side = self.right if end else self.left
            assert side is not None
            offset, outwards = ((self.high if end else self.low) - place) / width, (1.0 if end else -1.0) / width
            scale[-1] = abs(side.a) + abs(side.b) / width
            column = [
                side.a * offset**power / factorial(power)
                + (side.b * outwards * offset ** (power - 1) / factorial(power - 1) if power else 0.0)
                for power in range(size)
            ]
            taylor = np.column_stack([taylor, np.array(column) / scale[-1]])
            if np.linalg.cond(taylor) > _SINGULAR:
                raise InputError(
                    f"The condition {side.a:g} u + {side.b:g} du/dn = g cannot be joined with the points near it: a "
                    "and b of opposite signs cancel at this spacing; change the number of points."
                )
        target = np.zeros(size)
        target[order] = width**-order
        return np.linalg.solve(taylor, target) / scale
