"""Recognises incompressible flow in a declaration: reads viscosity, density and wall velocities off it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import sympy
from sympy.core.function import AppliedUndef

from sciflow.core.errors import InputError
from sciflow.problems import Box, Dirichlet, Problem

SIDES = ("y-", "y+", "x-", "x+")


@dataclass(frozen=True)
class Momentum:
    """What the momentum equations of a problem are made of.

    Attributes:
        velocity: names of the fields that are the x and the y component.
        pressure: name of the field that the continuity equation determines.
        viscosity: kinematic viscosity, the coefficient of the Laplacian.
        inverse_density: minus the coefficient of the pressure gradient.
    """

    velocity: tuple[str, str]
    pressure: str
    viscosity: sympy.Expr
    inverse_density: sympy.Expr


def momentum_coefficients(problem: Problem) -> Momentum:
    r"""Match the declared evolution with :math:`w_t = -(u w_x + v w_y) - p_{x_i}/\rho + \nu\nabla^2 w`, w = u, v,
    div(u, v) = 0.

    Raises:
        InputError: the equations have another form; the sentence says which part does not fit.
    """
    if problem.t is None or len(problem.space) != 2:
        raise InputError("it takes time-dependent problems in two space dimensions.")
    if len(problem.evolution) != 2 or len(problem.constraints) != 1 or problem.steady:
        raise InputError("it takes two evolving velocity components and one constraint, p: Eq(div(velocity), 0).")
    x, y = problem.space
    velocity = _velocity(problem)
    (pressure,) = problem.constraints
    u, v = (problem.field(name).symbol for name in velocity)
    p = problem.field(pressure).symbol
    found = set()
    for w, name, coordinate in ((u, velocity[0], x), (v, velocity[1], y)):
        right = sympy.expand(problem.evolution[name].doit())
        viscosity = right.coeff(w.diff(x, 2))
        inverse_density = -right.coeff(p.diff(coordinate))
        form = -(u * w.diff(x) + v * w.diff(y)) - inverse_density * p.diff(coordinate)
        form += viscosity * (w.diff(x, 2) + w.diff(y, 2))
        rest = sympy.simplify(right - sympy.expand(form))
        if rest != 0:
            raise InputError(
                f"the evolution of '{name}' is not convection, pressure gradient / density and viscosity * Laplacian; "
                f"'{rest}' is left."
            )
        found.add((viscosity, inverse_density))
    if len(found) != 1:
        raise InputError("the two momentum equations have different viscosities or densities.")
    ((viscosity, inverse_density),) = found
    for expression, what in ((viscosity, "viscosity"), (inverse_density, "density")):
        if expression == 0 or expression.has(AppliedUndef) or expression.free_symbols & set(problem.coordinates):
            raise InputError(f"the {what} must be positive and constant in space and time, and is '{expression}'.")
    return Momentum(velocity, pressure, viscosity, inverse_density)


def _velocity(problem: Problem) -> tuple[str, str]:
    """Names of the x and y components, by the part that each has in the divergence."""
    (equation,) = problem.constraints.values()
    x, y = problem.space
    for first, second in permutations(problem.evolution):
        divergence = problem.field(first).symbol.diff(x) + problem.field(second).symbol.diff(y)
        if (
            sympy.expand(equation.lhs - equation.rhs - divergence) == 0
            or sympy.expand(equation.lhs - equation.rhs + divergence) == 0
        ):
            return first, second
    raise InputError(f"its constraint is '{equation.lhs} = {equation.rhs}', not Eq(div(velocity), 0).")


def wall_velocities(problem: Problem, velocity: tuple[str, str]) -> dict[str, tuple[sympy.Expr, sympy.Expr]]:
    """Velocity `(u, v)` on each of the sides y-, y+, x-, x+ as expressions of coordinates, parameters and coefficients.

    Raises:
        InputError: the domain is not a plain box, or a side does not prescribe both components.
    """
    if not isinstance(problem.domain, Box) or problem.periodic:
        raise InputError("it takes a plain box with a wall on each side, without obstacles and periodic axes.")
    return {side: side_velocity(problem, velocity, side) for side in SIDES}


def side_velocity(problem: Problem, velocity: tuple[str, str], side: str) -> tuple[sympy.Expr, sympy.Expr]:
    """Velocity `(u, v)` that one of the sides y-, y+, x-, x+ prescribes.

    Raises:
        InputError: the side does not prescribe both components, or by an unknown field.
    """
    name = dict(zip("xy", problem.axes, strict=True))[side[0]] + side[1]
    conditions = [problem.boundary.get(component, {}).get(name) for component in velocity]
    if not all(isinstance(condition, Dirichlet) for condition in conditions):
        raise InputError(f"the side '{name}' must prescribe the velocity, by NoSlip() or Dirichlet((u, v)).")
    u, v = (problem.drive(sympy.sympify(condition.value[0])) for condition in conditions if condition is not None)
    if u.has(AppliedUndef) or v.has(AppliedUndef):
        raise InputError(f"the velocity on side '{name}' must not depend on a field.")
    return u, v


def reason_against(problem: Problem) -> str | None:
    """Why the staggered-grid solver cannot take a problem, or None."""
    try:
        momentum = momentum_coefficients(problem)
        wall_velocities(problem, momentum.velocity)
    except InputError as error:
        return str(error)
    extra = {info.name for info in problem.fields} - {*momentum.velocity, momentum.pressure}
    if extra or problem.inputs:
        others = sorted(extra | {info.name for info in problem.inputs})
        return f"it computes velocity and pressure, not {', '.join(others)}."
    sides = set(problem.boundary.get(momentum.pressure, {})) - {"gauge"}
    if sides:
        return f"walls set the pressure; remove its conditions on {', '.join(sorted(sides))}."
    return None
