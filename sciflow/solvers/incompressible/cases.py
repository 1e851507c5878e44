"""From a declared problem and its cases to the arrays of the scheme, in units of each case's length and speed."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil, lcm
from typing import Any, NamedTuple

import numpy as np
import sympy

from sciflow.core.errors import InputError
from sciflow.problems import Case, Problem
from sciflow.problems.compile import numeric
from sciflow.problems.geometry import evaluate
from sciflow.solvers.incompressible.boundary import Profile, Sides, Value
from sciflow.solvers.incompressible.momentum import Momentum
from sciflow.solvers.incompressible.stepping import Flow

Walls = dict[str, tuple[sympy.Expr, sympy.Expr]]


class CaseArrays(NamedTuple):
    """One case as numbers that are traced, so that all cases share one compiled program."""

    values: Any  # (P,) parameters and coefficients in the order of the problem
    length: Any  # unit of length, m
    speed: Any  # unit of speed, m/s
    origin: Any  # (2,) lower ends of x and y, m
    flow: Flow  # in those units


class Units(NamedTuple):
    """Units of one case, its kinematic viscosity in m^2/s and the bounds of its box in m."""

    length: float  # m
    speed: float  # m/s
    pressure: float  # Pa
    viscosity: float
    bounds: dict[str, tuple[float, float]]

    @property
    def time(self) -> float:
        """Unit of time, s."""
        return self.length / self.speed

    def arrays(self, problem: Problem, case: Case, dt: float, start: float, dtype: np.dtype) -> CaseArrays:
        """Arrays of the case for a step of `dt` seconds from `start` seconds."""
        (x0, x1), (y0, y1) = (self.bounds[axis] for axis in problem.axes)
        numbers = problem.values(case.values)

        def cast(value: Any) -> np.ndarray:
            return np.asarray(value, dtype)

        lengths = cast((y1 - y0) / self.length), cast((x1 - x0) / self.length)
        nu = self.viscosity / (self.speed * self.length)
        flow = Flow(cast(nu), cast(dt / self.time), cast(start / self.time), lengths)
        return CaseArrays(cast(list(numbers.values())), cast(self.length), cast(self.speed), cast([x0, y0]), flow)


def units_of(problem: Problem, momentum: Momentum, case: Case) -> Units:
    """Scales of a case: those that the problem declares, else 1.

    Raises:
        InputError: the viscosity or the density is not positive.
    """
    values = problem.values(case.values)
    viscosity, inverse_density = (evaluate(e, values) for e in (momentum.viscosity, momentum.inverse_density))
    if viscosity <= 0 or inverse_density <= 0:
        raise InputError(
            f"Case {case.index} of '{problem.name}' needs positive viscosity and density; change its parameters."
        )
    length, speed = problem.scale(problem.axes[0], values), problem.scale(momentum.velocity[0], values)
    return Units(length, speed, speed**2 / inverse_density, viscosity, problem.bounds(case.parameters))


def sides_of(problem: Problem, walls: Walls) -> Callable[[CaseArrays], Sides]:
    """Compile the wall velocities; the result gives the `Sides` of a case in its units."""
    symbols = _symbols(problem)

    def component(expression: sympy.Expr) -> Callable[..., Value]:
        if expression.is_zero:
            return lambda *_: 0.0
        function = numeric(symbols, expression, "jax")

        def velocity(case: CaseArrays, x: Value, y: Value, t: Value) -> Value:
            seconds = t * case.length / case.speed
            place = case.origin[0] + x * case.length, case.origin[1] + y * case.length
            return function(seconds, *place, *case.values) / case.speed

        return velocity

    compiled = {side: (component(u), component(v)) for side, (u, v) in walls.items()}

    def bind(case: CaseArrays) -> Sides:
        def profile(side: str) -> Profile:
            u, v = compiled[side]
            return lambda x, y, t: (u(case, x, y, t), v(case, x, y, t))

        return Sides(south=profile("y-"), north=profile("y+"), west=profile("x-"), east=profile("x+"))

    return bind


def largest_wall_speed(problem: Problem, walls: Walls, units: Units, case: Case, times: np.ndarray) -> float:
    """Largest velocity component on the walls between the first and the last time, in m/s.

    Raises:
        InputError: more fluid is pushed in through the walls than out.
    """
    bounds = [units.bounds[axis] for axis in problem.axes]
    t = np.linspace(times[0], times[-1], 512)[:, None]
    points = (np.arange(64) + 0.5) / 64
    largest, net, gross = 0.0, 0.0, 0.0
    numbers = problem.values(case.values).values()
    for side, pair in walls.items():
        axis = "xy".index(side[0])
        along = 1 - axis
        place: list[Any] = [None, None]
        place[axis] = bounds[axis][side[1] == "+"]
        place[along] = bounds[along][0] + points * (bounds[along][1] - bounds[along][0])
        for component, expression in enumerate(pair):
            value = np.asarray(numeric(_symbols(problem), expression)(t, *place, *numbers), np.float64)
            value = np.broadcast_to(value, (len(t), len(points)))
            if not np.all(np.isfinite(value)):
                raise InputError(f"The velocity on side {side} of '{problem.name}' is not finite in case {case.index}.")
            largest = max(largest, float(np.abs(value).max()))
            if component == axis:
                flux = value.mean(axis=1) * (bounds[along][1] - bounds[along][0])
                net, gross = net + flux * (1 if side[1] == "+" else -1), gross + np.abs(value).mean()
    if np.max(np.abs(net)) > 1e-2 * gross * max(high - low for low, high in bounds):
        raise InputError(
            f"The walls of '{problem.name}' let more fluid in than out in case {case.index}; make their fluxes cancel."
        )
    return largest


def _symbols(problem: Problem) -> list[sympy.Symbol]:
    return [problem.t, *problem.space, *(info.symbol for info in (*problem.parameters, *problem.coefficients))]


def whole_steps(times: np.ndarray, longest: float) -> tuple[float, np.ndarray]:
    """A step of at most `longest` that meets every time, and how many steps lead from each time to the next `(T - 1,)`.

    Raises:
        InputError: the spacings have no common measure (ratios of whole numbers up to 100).
    """
    spacing = np.diff(times)
    shortest = spacing.min()
    fractions = [Fraction(ratio).limit_denominator(100) for ratio in spacing / shortest]
    common = lcm(*(fraction.denominator for fraction in fractions))
    multiples = np.array([float(fraction * common) for fraction in fractions])
    if common > 1000 or not np.allclose(multiples * shortest / common, spacing, rtol=1e-6):
        raise InputError(
            "The spacings of the times have no common measure; round the times so that a fixed step meets them all."
        )
    per_unit = max(1, ceil(shortest / common / longest * (1 - 1e-9)))
    return float(shortest / common / per_unit), np.rint(multiples).astype(np.int64) * per_unit
