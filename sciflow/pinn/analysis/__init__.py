"""Why a physics-informed network fails or does not: widths of solutions, landscapes of losses, pictures of both."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sciflow.pinn.analysis.landscape import Plane, hessian_eigenpairs, loss_plane
    from sciflow.pinn.analysis.pictures import loss_planes, singular_value_decay, solution_maps, top_eigenvalues
    from sciflow.pinn.analysis.study import speed_study
    from sciflow.pinn.analysis.width import displacements, modes, singular_values

_HOME_OF = {
    "Plane": "landscape",
    "displacements": "width",
    "hessian_eigenpairs": "landscape",
    "loss_plane": "landscape",
    "loss_planes": "pictures",
    "modes": "width",
    "singular_value_decay": "pictures",
    "singular_values": "width",
    "solution_maps": "pictures",
    "speed_study": "study",
    "top_eigenvalues": "pictures",
}

__all__ = [
    "Plane",
    "displacements",
    "hessian_eigenpairs",
    "loss_plane",
    "loss_planes",
    "modes",
    "singular_value_decay",
    "singular_values",
    "solution_maps",
    "speed_study",
    "top_eigenvalues",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'sciflow.pinn.analysis' has no attribute '{name}'")
    value = getattr(import_module(f"sciflow.pinn.analysis.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
