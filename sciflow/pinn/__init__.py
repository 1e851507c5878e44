"""Physics-informed networks: `solve` a problem from its declaration alone."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sciflow.pinn.settings import Phase, Settings
    from sciflow.pinn.solution import Solution
    from sciflow.pinn.solving import solve

_HOME = {"Phase": "settings", "Settings": "settings", "Solution": "solution", "solve": "solving"}

__all__ = ["Phase", "Settings", "Solution", "solve"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sciflow.pinn' has no attribute {name!r}")
    return getattr(import_module(f"sciflow.pinn.{_HOME[name]}"), name)
