"""Reference solvers: how truth is computed, in JAX. `simulate` picks one by the declaration."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sciflow.core.registry import Registry

if TYPE_CHECKING:
    from sciflow.solvers.base import Grid, ReferenceSolver
    from sciflow.solvers.simulation import build, choose, simulate

solvers: Registry = Registry("solver", "sciflow.solvers")
solvers.add(
    "periodic", "sciflow.solvers.periodic.solver:Periodic", summary="any periodic evolution equation: Fourier, ETDRK4"
)
solvers.add(
    "incompressible",
    "sciflow.solvers.incompressible.solver:Incompressible",
    summary="incompressible 2-D flow between walls: staggered grid, SBDF2 projection",
)

_HOME = {
    "Grid": "base",
    "ReferenceSolver": "base",
    "build": "simulation",
    "choose": "simulation",
    "simulate": "simulation",
}

__all__ = ["Grid", "ReferenceSolver", "build", "choose", "simulate", "solvers"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sciflow.solvers' has no attribute {name!r}")
    return getattr(import_module(f"sciflow.solvers.{_HOME[name]}"), name)
