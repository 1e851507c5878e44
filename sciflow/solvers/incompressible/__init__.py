"""Incompressible 2-D flow on a staggered grid: grid, walls, operators, direct solves, stepping, frames."""

from __future__ import annotations

from sciflow.solvers.incompressible.solver import Incompressible

__all__ = ["Incompressible"]
