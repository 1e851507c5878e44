"""Recognises a channel flow in a declaration: reads viscosity, mean pressure gradient and bulk velocity off it."""

from __future__ import annotations

from dataclasses import dataclass

import sympy
from sympy.core.function import AppliedUndef

from sciflow.core.errors import InputError
from sciflow.problems import Box, Dirichlet, Problem
from sciflow.problems.distributions import Distribution
from sciflow.solvers.channel.grid import HEIGHT


@dataclass(frozen=True)
class ChannelEquations:
    """What the declaration says, as expressions of its parameters."""

    velocity: tuple[str, str, str]
    pressure: str
    viscosity: sympy.Expr
    force: sympy.Expr
    profile: sympy.Expr  # u at the start, of y

    @property
    def bulk(self) -> sympy.Expr:
        """Mean of the start over y: the bulk velocity."""
        y = next((s for s in self.profile.free_symbols if s.name == "y"), sympy.Symbol("y", real=True))
        return sympy.integrate(self.profile, (y, 0, HEIGHT)) / HEIGHT


def channel_equations(problem: Problem) -> ChannelEquations:
    r"""Match the declaration with :math:`u_t = -u\cdot\nabla u - \nabla p + \nu\nabla^2 u + f e_x`, div u = 0.

    Raises:
        InputError: it has another form; the sentence says which part does not fit.
    """
    if problem.t is None or problem.axes != ("x", "y", "z") or len(problem.evolution) != 3:
        raise InputError("it takes three evolving velocity components in x, y, z.")
    if set(problem.periodic) != {"x", "z"} or not isinstance(problem.domain, Box):
        raise InputError("it takes a box that is periodic in x and z and has walls in y.")
    if len(problem.constraints) != 1 or problem.steady:
        raise InputError("it takes one constraint, p: Eq(div(velocity), 0).")
    names = tuple(problem.evolution)
    symbols = [problem.field(name).symbol for name in names]
    (pressure,) = problem.constraints
    p = problem.field(pressure).symbol
    x, y, z = problem.space
    equation = problem.constraints[pressure]
    spread = sum(part.diff(axis) for part, axis in zip(symbols, problem.space, strict=True))
    if sympy.expand((equation.lhs - equation.rhs).doit() - spread) != 0:
        raise InputError("its constraint must be Eq(div(velocity), 0).")
    viscosity = sympy.expand(problem.evolution[names[0]].doit()).coeff(symbols[0].diff(x, 2))
    rest = []
    for name, part, axis in zip(names, symbols, problem.space, strict=True):
        form = -sum(speed * part.diff(along) for speed, along in zip(symbols, problem.space, strict=True))
        form += viscosity * sum(part.diff(along, 2) for along in (x, y, z)) - p.diff(axis)
        rest.append(sympy.expand(problem.evolution[name].doit() - form))
    moving = {*problem.coordinates}
    if any(part.has(AppliedUndef) or part.free_symbols & moving for part in (viscosity, *rest)) or any(rest[1:]):
        raise InputError("its evolution must be -u . grad u - grad p + nu laplacian(u) and a constant force along x.")
    for name in names:
        sides = problem.boundary.get(name, {})
        walls = [sides.get(side) for side in ("y-", "y+")]
        if not all(isinstance(wall, Dirichlet) and wall.value[0] == 0 for wall in walls):
            raise InputError(f"both walls must be NoSlip() for '{name}'.")
    profile = problem.initial.get(names[0], sympy.Integer(0))
    if isinstance(profile, Distribution) or profile.free_symbols & {x, z, problem.t}:
        raise InputError("its velocity along x must start from an expression of y; see the option disturbance.")
    return ChannelEquations(names, pressure, viscosity, rest[0], profile)  # type: ignore[arg-type]
