"""Residuals of a problem's equations: what is left when a candidate solution is put in."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sciflow.core.errors import InputError, near

if TYPE_CHECKING:
    from sciflow.problems.problem import Problem

ENGINES = {"torch": "autograd_torch", "jax": "autograd_jax", "spectral": "spectral"}


def build(problem: Problem, engine: str, **options: Any) -> Any:
    """A callable that computes the residual of each equation.

    - ``"torch"``, ``"jax"``: ``residual(net, points, **parameters)`` with `net` from points [N, D] to fields [N, F]
      (columns in the order of `problem.coordinates` and `problem.fields`); gives {field name: [N]}.
    - ``"spectral"``: ``residual(dataset)`` on a periodic grid; gives a data set of residuals.

    Raises:
        InputError: the engine is unknown, or the problem has no equations.
    """
    if engine not in ENGINES:
        raise InputError(f"There is no residual engine {engine!r}.{near(engine, ENGINES)}")
    if not problem.equations:
        raise InputError(
            f"Problem '{problem.name}' declares no equations, so it has no residual; declare evolution=..."
        )
    return import_module(f"sciflow.problems.residual.{ENGINES[engine]}").Residual(problem, **options)
