"""Problems: PDEs declared once, in SymPy, and read by every other part of sciflow."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sciflow.problems.calculus import div, dot, grad, laplacian, ramp
    from sciflow.problems.conditions import Condition, Dirichlet, Neumann, NoSlip, Outflow, Robin
    from sciflow.problems.distributions import Distribution, blobs, gaussian_field, random_fourier
    from sciflow.problems.geometry import Box, Disk, Shape
    from sciflow.problems.physics import conservation, galilean, rotation, translation
    from sciflow.problems.problem import Problem, Solver
    from sciflow.problems.profiles import profile
    from sciflow.problems.registry import get, names, register
    from sciflow.problems.sampling import Case, dealt, grid, sampled, table
    from sciflow.problems.special import positive_power, stefan_root
    from sciflow.problems.symbols import Field, Parameter, Signal, coordinates
    from sciflow.problems.waves import numbered_waves

# SymPy takes longer to import than a listing may take, so names are loaded when they are used.
_HOME = {
    "calculus": ("div", "dot", "grad", "laplacian", "ramp"),
    "compile": ("numeric",),
    "conditions": ("Condition", "Dirichlet", "Neumann", "NoSlip", "Outflow", "Robin"),
    "distributions": ("Distribution", "blobs", "gaussian_field", "random_fourier"),
    "geometry": ("Box", "Disk", "Shape"),
    "physics": ("conservation", "galilean", "rotation", "translation"),
    "problem": ("Problem", "Solver"),
    "profiles": ("profile",),
    "registry": ("get", "names", "problems", "register"),
    "sampling": ("Case", "dealt", "grid", "sampled", "table"),
    "special": ("positive_power", "stefan_root"),
    "symbols": ("Field", "Parameter", "Signal", "coordinates"),
    "waves": ("numbered_waves",),
}
_MODULE = {name: module for module, names_ in _HOME.items() for name in names_}

__all__ = [
    "Box", "Case", "Condition", "Dirichlet", "Disk", "Distribution", "Field", "Neumann", "NoSlip", "Outflow",
    "Parameter", "Problem", "Robin", "Shape", "Signal", "Solver", "blobs", "conservation", "coordinates", "dealt",
    "div", "dot", "galilean", "gaussian_field", "get", "grad", "grid", "laplacian", "names", "numbered_waves",
    "positive_power", "profile", "ramp", "random_fourier", "register", "rotation", "sampled", "stefan_root", "table",
    "translation",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module 'sciflow.problems' has no attribute {name!r}")
    return getattr(import_module(f"sciflow.problems.{_MODULE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
