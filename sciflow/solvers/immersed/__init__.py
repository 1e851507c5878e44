"""Incompressible 2-D flow through a channel past solid bodies: graded grid, forcing by volume fractions, forces."""

from __future__ import annotations

from sciflow.solvers.immersed.solver import Immersed

__all__ = ["Immersed"]
