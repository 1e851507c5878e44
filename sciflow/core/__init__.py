"""The contracts that every other package builds on; its names are imported when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sciflow.core.config import Config, override, validate
    from sciflow.core.environment import describe, versions
    from sciflow.core.errors import InputError, SciflowError, UnknownNameError, near
    from sciflow.core.files import atomic_path, explained, require_writable, shared, shared_names
    from sciflow.core.hashing import canonical, digest
    from sciflow.core.method import Forecast, Method, Query
    from sciflow.core.registry import Registry
    from sciflow.core.yamlfile import load_yaml, parse_yaml

_HOMES = {
    "config": ("Config", "override", "validate"),
    "environment": ("describe", "versions"),
    "errors": ("InputError", "SciflowError", "UnknownNameError", "near"),
    "files": ("atomic_path", "explained", "require_writable", "shared", "shared_names"),
    "hashing": ("canonical", "digest"),
    "method": ("Forecast", "Method", "Query"),
    "registry": ("Registry",),
    "yamlfile": ("load_yaml", "parse_yaml"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Config",
    "Forecast",
    "InputError",
    "Method",
    "Query",
    "Registry",
    "SciflowError",
    "UnknownNameError",
    "atomic_path",
    "canonical",
    "describe",
    "digest",
    "explained",
    "load_yaml",
    "near",
    "override",
    "parse_yaml",
    "require_writable",
    "shared",
    "shared_names",
    "validate",
    "versions",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'sciflow.core' has no attribute '{name}'")
    value = getattr(import_module(f"sciflow.core.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
