"""Water and air in two dimensions by geometric volume of fluid: layout, interface, momentum, friction, pressure."""

from __future__ import annotations

from sciflow.solvers.twophase.solver import TwoPhase

__all__ = ["TwoPhase"]
