"""Forecasts that obey their conservation laws, with the uncertainty that is left (arXiv:2302.11002)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sciflow.conservation.conformal import Conformal
    from sciflow.conservation.conserving import Conserving
    from sciflow.conservation.ensemble import Ensemble
    from sciflow.conservation.stored import load_method

_HOMES = {
    "conformal": ("Conformal",),
    "conserving": ("Conserving",),
    "ensemble": ("Ensemble",),
    "stored": ("load_method",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["Conformal", "Conserving", "Ensemble", "load_method"]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'sciflow.conservation' has no attribute '{name}'")
    value = getattr(import_module(f"sciflow.conservation.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
