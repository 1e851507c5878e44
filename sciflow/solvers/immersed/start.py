"""What a case of a channel flow is solved with, and the velocities that it starts from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sciflow.problems import Case, Problem
from sciflow.problems.compile import numeric
from sciflow.solvers.base import Grid
from sciflow.solvers.immersed.channel import Channel
from sciflow.solvers.immersed.program import Program
from sciflow.solvers.immersed.stepping import Solid
from sciflow.solvers.incompressible.cases import Units
from sciflow.solvers.initial import initial_fields

POINTS = 64  # on the inlet, to look for its largest speed


@dataclass(frozen=True)
class Setting:
    """A case, its units, the programs of its grid and its bodies on that grid."""

    case: Case
    unit: Units
    program: Program
    solid: Solid


def inlet_speed(problem: Problem, channel: Channel, setting: Setting, times: np.ndarray) -> np.ndarray:
    """Largest speed on the side x- at each time, in m/s."""
    (x0, _), (y0, y1) = setting.unit.bounds.values()
    points = y0 + (y1 - y0) * (np.arange(POINTS) + 0.5) / POINTS
    symbols = [problem.t, *problem.space, *(i.symbol for i in (*problem.parameters, *problem.coefficients))]
    numbers = problem.values(setting.case.values).values()
    u, v = (
        np.broadcast_to(numeric(symbols, component)(times[:, None], x0, points, *numbers), (len(times), POINTS))
        for component in channel.sides["x-"]
    )
    return np.hypot(u, v).max(axis=1)


def declared_start(
    problem: Problem, channel: Channel, setting: Setting, time: float, perturbation: float
) -> tuple[np.ndarray, np.ndarray]:
    """The problem's initial velocities (v, u) at the inner faces, in units of the case, with a swirl behind each body
    of `perturbation` times the unit of speed."""
    unit, grid = setting.unit, setting.program.grid
    (x, (x0, x1)), (y, (y0, y1)) = unit.bounds.items()
    name_u, name_v = channel.momentum.velocity
    places = {name_v: (grid.x.centres, grid.y.faces[1:-1]), name_u: (grid.x.faces[1:-1], grid.y.centres)}
    fields = {}
    for name, (xs, ys) in places.items():
        lines = Grid({x: x0 + (x1 - x0) * xs, y: y0 + (y1 - y0) * ys}, "nodes")
        fields[name] = initial_fields(problem, [setting.case], lines, time)[name][0] / unit.speed
        if name == name_v:
            fields[name] += perturbation * _swirl(problem, channel, setting.case, lines)
    return fields[name_v], fields[name_u]


def _swirl(problem: Problem, channel: Channel, case: Case, lines: Grid) -> np.ndarray:
    """Bumps of height 1 and of the size of each body, half a diameter behind it: an even v breaks mirror symmetry."""
    x, y = lines.axes.values()
    total = np.zeros((len(y), len(x)))
    for shape in channel.obstacles:
        (_, x1), (y0, y1) = shape.box(problem.values(case.values)).values()
        size = y1 - y0
        total += np.exp(-(((y[:, None] - (y0 + y1) / 2) ** 2 + (x - x1 - size / 2) ** 2) / size**2))
    return total
