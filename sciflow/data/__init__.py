"""How truth is stored and read: data set files, windows of frames, normalisation, splits.

Names are imported when they are first used; only `Windows` and `Normaliser` load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sciflow.data import splits
    from sciflow.data.arrays import from_arrays
    from sciflow.data.check import check_file
    from sciflow.data.generation import generate
    from sciflow.data.normalise import Normaliser
    from sciflow.data.queries import query, truth
    from sciflow.data.reader import Dataset, open_dataset
    from sciflow.data.recipe import Recipe
    from sciflow.data.windows import Windows
    from sciflow.data.writer import write

_HOMES = {
    "arrays": ("from_arrays",),
    "check": ("check_file",),
    "generation": ("generate",),
    "normalise": ("Normaliser",),
    "queries": ("query", "truth"),
    "recipe": ("Recipe",),
    "reader": ("Dataset", "open_dataset"),
    "windows": ("Windows",),
    "writer": ("write",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Dataset",
    "Normaliser",
    "Recipe",
    "Windows",
    "check_file",
    "from_arrays",
    "generate",
    "open_dataset",
    "query",
    "splits",
    "truth",
    "write",
]


def __getattr__(name: str) -> Any:
    if name == "splits":
        return import_module("sciflow.data.splits")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'sciflow.data' has no attribute '{name}'")
    value = getattr(import_module(f"sciflow.data.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
