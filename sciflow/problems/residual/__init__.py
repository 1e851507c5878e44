"""Residuals of a problem's equations: what is left when a candidate solution is put in."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sciflow.core.errors import InputError, near

if TYPE_CHECKING:
    from sciflow.problems.problem import Problem

ENGINES = {
    "torch": "autograd_torch",
    "jax": "autograd_jax",
    "spectral": "spectral",
    "difference": "difference",
    "volume": "volume",
}


def build(problem: Problem, engine: str, **options: Any) -> Any:
    """A callable that computes the residual of each equation.

    At points, by automatic differentiation: ``residual(net, points, **parameters)`` with `net` from points [N, D] to
    fields [N, F] (columns in the order of `problem.coordinates` and of `problem.fields`, then inputs); gives
    {field name: [N]}.

    - ``"torch"``: nested reverse mode.
    - ``"jax"``: forward mode, with Taylor series for high orders.

    On a grid, both as ``residual(dataset)``, which gives a data set of residuals, and as ``residual.tensors(fields,
    times, axes, parameters, inputs)`` on torch tensors [B, T, *S], which is differentiable
    (`sciflow.problems.residual.grid.GridResidual`).

    - ``"spectral"``: Fourier derivatives; all axes periodic.
    - ``"difference"``, `accuracy=4`, `open_sides=False`: differences of order 2, 4 or 6 up to the sides of a box, with
      the declared conditions; nodes or cells.
    - ``"volume"``, `open_sides=False`, `side_cells=None`: conservation laws and divergence equations in flux form on
      cells; the one for discontinuous coefficients.

    Args:
        problem: what is solved.
        engine: a name of those above.
        options: options of the engine.

    Raises:
        InputError: the engine is unknown, the problem has no equations, or the engine does not fit the problem.
    """
    if engine not in ENGINES:
        raise InputError(f"There is no residual engine {engine!r}.{near(engine, ENGINES)}")
    if not problem.equations:
        raise InputError(
            f"Problem '{problem.name}' declares no equations, so it has no residual; declare evolution=..."
        )
    return import_module(f"sciflow.problems.residual.{ENGINES[engine]}").Residual(problem, **options)
