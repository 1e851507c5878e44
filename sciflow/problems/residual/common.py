"""What all residual engines share: the compiled equations and the look-up of what they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sciflow.core.errors import InputError
from sciflow.problems.compile import Compiled, Orders, compile_expressions

if TYPE_CHECKING:
    from sciflow.problems.problem import Problem


class Equations:
    """The compiled equations of a problem for one backend."""

    def __init__(self, problem: Problem, backend: str) -> None:
        self.problem = problem
        self.names = tuple(problem.equations)
        self.compiled: Compiled = compile_expressions(list(problem.equations.values()), problem.coordinates, backend)

    def evaluate(
        self,
        derivative: Callable[[str, Orders], Any],
        coordinates: Mapping[str, Any],
        parameters: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Residual by equation, from a function that gives derivatives and the arrays of the coordinates."""
        values = {**self.problem.values(parameters), **coordinates}
        arrays = [derivative(name, orders) for name, orders in self.compiled.derivatives]
        outputs = self.compiled.function(*arrays, *(values[name] for name in self.compiled.symbols))
        return dict(zip(self.names, outputs, strict=True))


def columns(problem: Problem, points: Any, output: Any) -> dict[str, int]:
    """Column of each field in the output, after checking the shapes of points and output."""
    names = [symbol.name for symbol in problem.coordinates]
    if points.ndim != 2 or points.shape[1] != len(names):
        raise InputError(
            f"Points of '{problem.name}' have shape [N, {len(names)}] for {names}, not {list(points.shape)}."
        )
    wanted = [info.name for info in (*problem.fields, *problem.inputs)]
    if output.ndim != 2 or output.shape[1] != len(wanted):
        raise InputError(
            f"The network of '{problem.name}' must give [N, {len(wanted)}] for the fields {wanted}, not "
            f"{list(output.shape)}."
        )
    return {name: column for column, name in enumerate(wanted)}
