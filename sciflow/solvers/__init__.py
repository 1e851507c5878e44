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
solvers.add(
    "incompressible-steady",
    "sciflow.solvers.incompressible.steady:SteadyIncompressible",
    summary="steady incompressible 2-D flow between walls: marched until it rests",
)
solvers.add(
    "immersed",
    "sciflow.solvers.immersed.solver:Immersed",
    summary="incompressible 2-D flow through a channel past bodies: graded staggered grid, volume-fraction forcing",
)
solvers.add(
    "channel",
    "sciflow.solvers.channel.solver:Channel",
    summary="turbulent flow between two walls in 3-D: Fourier along x and z, staggered grid along y, subgrid models",
)
solvers.add(
    "two-phase",
    "sciflow.solvers.twophase.solver:TwoPhase",
    summary="water and air in 2-D, obstacles, gravity: geometric volume of fluid, direct pressure solve",
)
solvers.add(
    "elliptic",
    "sciflow.solvers.elliptic.solver:Elliptic",
    summary="linear steady equations in 1-D and 2-D: finite volumes, sparse direct",
)
solvers.add(
    "volume",
    "sciflow.solvers.volume.solver:Volume",
    summary="conservation laws in 1-D and 2-D, with shocks and degenerate diffusion: MUSCL, HLL, Kirchhoff potential",
)
solvers.add(
    "shallow-water",
    "sciflow.solvers.volume.lake:ShallowWater",
    summary="shallow water over a bed in 1-D and 2-D: well-balanced finite volumes",
)
solvers.add(
    "lines",
    "sciflow.solvers.lines.solver:Lines",
    summary="any evolution equation between walls: finite differences, adaptive explicit or implicit steps",
)
solvers.add(
    "exact", "sciflow.solvers.exact:Exact", summary="the exact solution that a problem declares, chosen by name"
)
solvers.add(
    "moving-images",
    "sciflow.solvers.images.solver:MovingImages",
    summary="digits that move across a canvas or turn about its centre, chosen by name",
)
solvers.add("pinn", "sciflow.pinn.solver:PinnSolver", summary="physics-informed networks, chosen by name")
solvers.add(
    "lpinn", "sciflow.pinn.solver:LagrangianSolver", summary="Lagrangian physics-informed networks, chosen by name"
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
