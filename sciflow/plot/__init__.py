"""Figures and animations of fields; figures of roll-outs, costs, uncertainties and solvers. They bring matplotlib."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sciflow.plot.animation import Motion, animate
    from sciflow.plot.cost_picture import Mark, accuracy_cost
    from sciflow.plot.error_map import error_map
    from sciflow.plot.field_pictures import fields
    from sciflow.plot.figure import png
    from sciflow.plot.rollout_curves import rollout
    from sciflow.plot.solver_pictures import loss_planes, singular_value_decay, solution_maps, top_eigenvalues
    from sciflow.plot.uncertainty_pictures import bands, calibration, front_positions

_HOME_OF = {
    "Mark": "cost_picture",
    "Motion": "animation",
    "accuracy_cost": "cost_picture",
    "animate": "animation",
    "bands": "uncertainty_pictures",
    "calibration": "uncertainty_pictures",
    "error_map": "error_map",
    "fields": "field_pictures",
    "front_positions": "uncertainty_pictures",
    "loss_planes": "solver_pictures",
    "png": "figure",
    "rollout": "rollout_curves",
    "singular_value_decay": "solver_pictures",
    "solution_maps": "solver_pictures",
    "top_eigenvalues": "solver_pictures",
}

__all__ = [
    "Mark",
    "Motion",
    "accuracy_cost",
    "animate",
    "bands",
    "calibration",
    "error_map",
    "fields",
    "front_positions",
    "loss_planes",
    "png",
    "rollout",
    "singular_value_decay",
    "solution_maps",
    "top_eigenvalues",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'sciflow.plot' has no attribute '{name}'")
    value = getattr(import_module(f"sciflow.plot.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
