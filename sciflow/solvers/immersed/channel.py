"""Recognises flow through a channel past solid bodies in a declaration."""

from __future__ import annotations

from dataclasses import dataclass

import sympy

from sciflow.core.errors import InputError
from sciflow.problems import Box, Dirichlet, Outflow, Problem
from sciflow.problems.geometry import Difference, Shape
from sciflow.solvers.incompressible.cases import Walls
from sciflow.solvers.incompressible.momentum import Momentum, momentum_coefficients, side_velocity


@dataclass(frozen=True)
class Channel:
    """What a declared channel flow is made of.

    Attributes:
        momentum: velocity and pressure fields, viscosity and density.
        sides: velocity `(u, v)` on y-, y+ and x-, and zeros for the outlet x+, whose velocity is computed.
        obstacles: what is cut out of the box.
    """

    momentum: Momentum
    sides: Walls
    obstacles: tuple[Shape, ...]


def channel_of(problem: Problem) -> Channel:
    """Take the declaration apart.

    Raises:
        InputError: the equations, the domain or a side have another form; the sentence says which.
    """
    momentum = momentum_coefficients(problem)
    obstacles = _obstacles(problem)
    x = problem.axes[0]
    for component in momentum.velocity:
        conditions = problem.boundary.get(component, {})
        if not isinstance(conditions.get(x + "+"), Outflow):
            raise InputError(f"the velocity must leave freely on side '{x}+': Outflow().")
        solid = conditions.get("obstacle")
        if not isinstance(solid, Dirichlet) or solid.value[0] != 0:
            raise InputError("the velocity must vanish on the obstacle: NoSlip().")
    sides = {side: side_velocity(problem, momentum.velocity, side) for side in ("y-", "y+", "x-")}
    zero = sympy.Integer(0)
    return Channel(momentum, {**sides, "x+": (zero, zero)}, obstacles)


def _obstacles(problem: Problem) -> tuple[Shape, ...]:
    """Shapes cut out of a box, one after the other."""
    shape, found = problem.domain, []
    while isinstance(shape, Difference):
        found.append(shape.hole)
        shape = shape.outer
    if not isinstance(shape, Box) or not found or problem.periodic:
        raise InputError("it takes a box with obstacles cut out, Box(...) - Disk(...), and no periodic axis.")
    return tuple(reversed(found))


def reason_against(problem: Problem) -> str | None:
    """Why the solver cannot take a problem, or None."""
    try:
        channel = channel_of(problem)
    except InputError as error:
        return str(error)
    momentum = channel.momentum
    extra = {info.name for info in problem.fields} - {*momentum.velocity, momentum.pressure}
    if extra or problem.inputs:
        others = sorted(extra | {info.name for info in problem.inputs})
        return f"it computes velocity and pressure, not {', '.join(others)}."
    outlet = problem.axes[0] + "+"
    for side, condition in problem.boundary.get(momentum.pressure, {}).items():
        if side != "gauge" and (side != outlet or condition != Dirichlet((0,))):
            return f"the pressure is 0 on average at the outlet '{outlet}'; remove its condition on '{side}'."
    return None
