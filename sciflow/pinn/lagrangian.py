r"""Evolution equations in the coordinates of the particles that their characteristic velocity carries.

Every field of :math:`\partial_t u + f \cdot \nabla u = g` is a function of a particle's label X (its place at the
start) and of time, and so is the particle's place x:

.. math::
    \partial_t x\,|_X = f(u, x, t), \qquad \partial_t u\,|_X = g(u, \nabla u, \nabla^2 u, \dots), \qquad
    \nabla = J^{-T} \nabla_X, \quad J = \partial x / \partial X.

All derivatives in g are those in space, by the Jacobian; second derivatives with respect to the labels instead
(``label_space``, which the first published code used) solve another equation wherever J is not 1.

Source: Mojgani, Balajewicz and Hassanzadeh (2023), Comput. Methods Appl. Mech. Eng. 404, 115810 (the two branches and
their loss); the corrected diffusion follows from the chain rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import sympy

from sciflow.core.errors import InputError
from sciflow.pinn.series import Series, product_of, reciprocal, shifted, sum_of
from sciflow.problems.compile import Compiled, Orders, compile_expressions

if TYPE_CHECKING:
    from sciflow.problems import Problem


@dataclass(frozen=True, eq=False)
class Transport:
    """A problem split into transport and the rest.

    Attributes:
        velocity: f by axis, expressions of the fields, coordinates and parameters.
        sources: g of every evolving field, compiled for JAX: fields, spatial derivatives, coordinates, parameters.
        speeds: f compiled for JAX, in the order of the axes.
    """

    problem: Problem
    velocity: Mapping[str, sympy.Expr]
    sources: Compiled
    speeds: Compiled


def transport_of(problem: Problem) -> Transport:
    """Split the equations of a problem.

    Raises:
        InputError: it is steady, has constraints or input fields, declares no characteristic velocity, or has a field
            that another velocity carries.
    """
    for lacks, reason in (
        (not problem.equations, "declares no equations"),
        (bool(problem.steady), "is steady"),
        (bool(problem.constraints), "has constraints"),
        (bool(problem.inputs), "has input fields"),
    ):
        if lacks:
            raise InputError(
                f"The Lagrangian method follows particles of evolution equations alone; '{problem.name}' {reason}. "
                "Use the method 'pinn'."
            )
    lost = [axis for axis in problem.axes if axis not in problem.characteristic]
    if lost:
        raise InputError(
            f"The problem '{problem.name}' declares no characteristic velocity along {lost[0]}; add "
            f"characteristic={{{lost[0]}: ...}} to its declaration, or use the method 'pinn'."
        )
    velocity = {axis: problem.drive(problem.characteristic[axis]) for axis in problem.axes}
    sources = {}
    for name, right in problem.evolution.items():
        symbol = problem.field(name).symbol
        carried = sum(velocity[axis.name] * symbol.diff(axis) for axis in problem.space)
        source = sympy.expand(problem.drive(right).doit() + carried)
        for axis in problem.space:
            left = source.coeff(symbol.diff(axis))
            if sympy.simplify(left) != 0:
                raise InputError(
                    f"The field '{name}' of '{problem.name}' is carried along {axis} with another velocity than the "
                    f"declared characteristic {velocity[axis.name]} (the difference is {-left}); the Lagrangian method "
                    "needs one velocity for all fields."
                )
        sources[name] = source
    return Transport(
        problem,
        velocity,
        compile_expressions(list(sources.values()), problem.coordinates, "jax"),
        compile_expressions(list(velocity.values()), problem.coordinates, "jax"),
    )


def needed_orders(transport: Transport) -> list[Orders]:
    """Orders of label derivatives: as high as those in space of sources and speeds, mixed, one at least; one in time.

    Raises:
        InputError: they hold time derivatives.
    """
    dims = len(transport.problem.axes)
    needed = [order for _, order in (*transport.sources.derivatives, *transport.speeds.derivatives)]
    highest = max([1, *(sum(order[1:]) for order in needed)])
    if any(order[0] for order in needed):
        raise InputError(f"The sources of '{transport.problem.name}' hold time derivatives; the method takes none.")
    spatial = [order for order in product(range(highest + 1), repeat=dims) if sum(order) <= highest]
    return [(1,) + (0,) * dims, *((0, *order) for order in spatial)]


class Frame:
    """Derivatives in space of fields that are known by label, at the same points.

    Args:
        places: the place x of each particle by axis, as series in (t, X...).
        label_space: take derivatives with respect to the labels for those in space (an ablation).
    """

    def __init__(self, places: list[Series], *, label_space: bool = False) -> None:
        gradient = [[shifted(place, axis + 1) for axis in range(len(places))] for place in places]  # dx_a / dX_b
        self._label_space = label_space
        if len(places) == 1:
            self.jacobian = gradient[0][0]
            self._inverse = [[reciprocal(self.jacobian)]]
            return
        (a, b), (c, d) = gradient
        self.jacobian = sum_of([product_of(a, d), -product_of(b, c)])
        scale = reciprocal(self.jacobian)
        self._inverse = [[product_of(item, scale) for item in row] for row in ((d, -b), (-c, a))]

    def derivative(self, field: Series, order: Orders) -> Series:
        """The derivative of that order in space (time first, and zero), as a series on what orders are left."""
        for axis, count in enumerate(order[1:]):
            for _ in range(count):
                field = self._along(field, axis)
        return field

    def _along(self, field: Series, axis: int) -> Series:
        """d/dx_a = sum_b (dX_b / dx_a) d/dX_b."""
        if self._label_space:
            return shifted(field, axis + 1)
        rows = enumerate(self._inverse)
        return sum_of([product_of(shifted(field, b + 1), row[axis]) for b, row in rows])
