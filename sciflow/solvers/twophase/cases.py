"""From a declared two-phase problem and its cases to the arrays of the scheme."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import sympy

from sciflow.core.errors import InputError
from sciflow.problems import Case, Problem
from sciflow.problems.compile import numeric
from sciflow.problems.conditions import Dirichlet, Neumann, Outflow
from sciflow.problems.geometry import Box, Difference
from sciflow.problems.symbols import TIME
from sciflow.solvers.base import Grid
from sciflow.solvers.initial import on_grid
from sciflow.solvers.twophase.layout import Layout, layout

FIELDS = ("u", "v", "p", "alpha")
WATER = ("u_water", "v_water")  # volume flux of water, alpha u: given where the problem declares it
PARAMETERS = ("rho", "mu")
POINTS = 8  # along each axis of a cell, for its mean


def reason_against(problem: Problem) -> str | None:
    """Why the solver cannot take a problem, or None."""
    names = {info.name for info in problem.fields}
    if problem.axes != ("x", "y") or names not in ({*FIELDS}, {*FIELDS, *WATER}):
        return "it needs the coordinates x, y and the fields u, v, p and alpha; beside them u_water and v_water only."
    if problem.evolution or problem.constraints or problem.steady:
        return "it solves its own equations; the problem must declare none."
    known = {info.name for info in problem.parameters}
    if any(name not in known for name in PARAMETERS):
        return "it needs the parameters rho and mu of the water."
    outer = problem.domain.outer if isinstance(problem.domain, Difference) else problem.domain
    hole = problem.domain.hole if isinstance(problem.domain, Difference) else None
    if not isinstance(outer, Box) or not (hole is None or isinstance(hole, Box)):
        return "its domain must be a Box, or a Box with one Box cut out."
    if problem.periodic:
        return "no axis may be periodic."
    return _reason_against_sides(problem)


def _reason_against_sides(problem: Problem) -> str | None:
    for name in ("u", "v"):
        sides = problem.boundary.get(name, {})
        for side in ("x-", "x+", "y-", "y+"):
            condition = sides.get(side)
            still = isinstance(condition, Dirichlet) and condition.value[0] == 0
            fits = {
                "x-": isinstance(condition, Dirichlet) and (name == "u" or still),
                "x+": still or isinstance(condition, Outflow),
            }.get(side, still or (name == "u" and isinstance(condition, Neumann) and condition.value[0] == 0))
            if not fits:
                return (
                    f"the condition on '{name}' at {side} must be a wall (NoSlip), an inflow along x on x-, Outflow on "
                    "x+ or, for u on y- and y+, Neumann(0)."
                )
    if problem.boundary["u"]["x-"].value[0] != 0 and not is_open(problem):
        return "what flows in through x- must leave through x+; declare Outflow there."
    return None


def is_open(problem: Problem) -> bool:
    """Whether the side x+ is open."""
    return isinstance(problem.boundary["u"]["x+"], Outflow)


def layout_of(problem: Problem, case: Case, shape: tuple[int, int]) -> Layout:
    """Layout of a case on `shape` (ny, nx) cells; the faces of an obstacle move to the nearest faces of the grid."""
    bounds = problem.bounds(case.parameters)
    lengths = [bounds[axis][1] - bounds[axis][0] for axis in ("y", "x")]
    solid = np.zeros(shape, bool)
    if isinstance(problem.domain, Difference):
        hole = problem.domain.hole.box(problem.values(case.values))
        parts = []
        for axis, cells, length in zip(("y", "x"), shape, lengths, strict=True):
            low, high = ((end - bounds[axis][0]) / length * cells for end in hole[axis])
            first = round(low)
            parts.append(slice(max(first, 0), max(round(high), first + 1)))
        solid[parts[0], parts[1]] = True
    walls = [isinstance(problem.boundary["u"][side], Neumann) for side in ("y-", "y+")]
    return layout(shape, (lengths[0], lengths[1]), solid, outlet=is_open(problem), slip=(walls[0], walls[1]))


def inlet_of(problem: Problem) -> Callable[[Any, Layout, Any], Any]:
    """Mean velocity of each face of x- as a function of the case's values, its layout and the time."""
    value = problem.drive(problem.boundary["u"]["x-"].value[0])
    infos = (*problem.parameters, *problem.coefficients)
    time, x, y = sympy.Symbol(TIME, real=True), *problem.space
    low = [problem.domain.box(problem.values())[axis][0] for axis in ("x", "y")]
    if value.has(x):
        value = value.subs(x, low[0])
    function = numeric([time, y, *(info.symbol for info in infos)], value, "jax")

    def inlet(values: Any, layout: Layout, moment: Any) -> Any:
        cells = layout.fluid.shape[0]
        places = low[1] + layout.hy * (jnp.arange(cells * POINTS) + 0.5) / POINTS
        profile = jnp.broadcast_to(function(moment, places, *values), places.shape)
        return profile.reshape(cells, POINTS).mean(axis=1) * layout.fluid[:, 0]

    return inlet


def values_of(problem: Problem, case: Case) -> np.ndarray:
    """Parameters and coefficients in the order of the problem."""
    values = problem.values(case.values)
    return np.array([values[info.name] for info in (*problem.parameters, *problem.coefficients)])


def start_of(problem: Problem, case: Case, shape: tuple[int, int], time: float) -> tuple[np.ndarray, ...]:
    """Declared volume fraction (cell means) and velocities (at faces) of a case: alpha, u, v."""
    bounds = problem.bounds(case.parameters)
    (y0, y1), (x0, x1) = bounds["y"], bounds["x"]
    ny, nx = shape

    def sampled(name: str, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
        value = problem.initial.get(name)
        if value is None:
            return np.zeros((len(ys), len(xs)))
        if not isinstance(value, sympy.Expr):
            raise InputError(f"Problem '{problem.name}': the initial '{name}' must be an expression, not a draw.")
        points = {"x": x0 + (x1 - x0) * xs, "y": y0 + (y1 - y0) * ys}
        return on_grid(problem, value, case, Grid(points, "cells"), time)

    fine = [(np.arange(n * POINTS) + 0.5) / (n * POINTS) for n in shape]
    alpha = sampled("alpha", fine[1], fine[0]).reshape(ny, POINTS, nx, POINTS).mean(axis=(1, 3))
    centres = [(np.arange(n) + 0.5) / n for n in shape]
    u = sampled("u", np.arange(nx + 1) / nx, centres[0])
    v = sampled("v", centres[1], np.arange(ny + 1) / ny)
    return alpha, u, v
