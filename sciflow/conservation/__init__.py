"""Forecasts that obey their conservation laws, with the uncertainty that is left (arXiv:2302.11002)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sciflow.conservation.conformal import Conformal
    from sciflow.conservation.conserving import Conserving
    from sciflow.conservation.constraint import Constraint, combine, joint
    from sciflow.conservation.correlation import residual_correlation
    from sciflow.conservation.covariance import Covariance, Dense, Diagonal, LowRank, Scaled
    from sciflow.conservation.ensemble import Ensemble
    from sciflow.conservation.forecast import conserve, project_forecast
    from sciflow.conservation.nonlinear import NonlinearLaw, condition_nonlinear, nonlinear_law
    from sciflow.conservation.operator import constraints
    from sciflow.conservation.post import post_condition, truncate
    from sciflow.conservation.sections import control_volume, section_flux
    from sciflow.conservation.smoothing import smooth
    from sciflow.conservation.stored import load_method
    from sciflow.conservation.update import Posterior, condition, project

_HOMES = {
    "conformal": ("Conformal",),
    "conserving": ("Conserving",),
    "constraint": ("Constraint", "combine", "joint"),
    "correlation": ("residual_correlation",),
    "covariance": ("Covariance", "Dense", "Diagonal", "LowRank", "Scaled"),
    "ensemble": ("Ensemble",),
    "forecast": ("conserve", "project_forecast"),
    "nonlinear": ("NonlinearLaw", "condition_nonlinear", "nonlinear_law"),
    "operator": ("constraints",),
    "post": ("post_condition", "truncate"),
    "sections": ("control_volume", "section_flux"),
    "smoothing": ("smooth",),
    "stored": ("load_method",),
    "update": ("Posterior", "condition", "project"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Conformal",
    "Conserving",
    "Constraint",
    "Covariance",
    "Dense",
    "Diagonal",
    "Ensemble",
    "LowRank",
    "NonlinearLaw",
    "Posterior",
    "Scaled",
    "combine",
    "condition",
    "condition_nonlinear",
    "conserve",
    "constraints",
    "control_volume",
    "joint",
    "load_method",
    "nonlinear_law",
    "post_condition",
    "project",
    "project_forecast",
    "residual_correlation",
    "section_flux",
    "smooth",
    "truncate",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sciflow.conservation' has no attribute {name!r}")
    return getattr(import_module(f"sciflow.conservation.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
