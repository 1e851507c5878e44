"""Why a physics-informed network fails or does not: widths of solutions and landscapes of losses."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sciflow.pinn.analysis.landscape import Plane, hessian_eigenpairs, loss_plane
    from sciflow.pinn.analysis.study import speed_study
    from sciflow.pinn.analysis.width import displacements, modes, singular_values

_HOME_OF = {
    "Plane": "landscape",
    "displacements": "width",
    "hessian_eigenpairs": "landscape",
    "loss_plane": "landscape",
    "modes": "width",
    "singular_values": "width",
    "speed_study": "study",
}

__all__ = [
    "Plane",
    "displacements",
    "hessian_eigenpairs",
    "loss_plane",
    "modes",
    "singular_values",
    "speed_study",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'sciflow.pinn.analysis' has no attribute '{name}'")
    value = getattr(import_module(f"sciflow.pinn.analysis.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
