"""``sciflow info``: versions and devices."""

from __future__ import annotations

from typing import Any

from sciflow.cli.output import show_table


def info() -> None:
    """Show versions, the platform and the devices that torch and JAX see."""
    from sciflow.core.environment import describe

    show_table("", ("", ""), list(_flat(describe(probe=True))))


def _flat(mapping: dict[str, Any], prefix: str = "") -> Any:
    for key, value in mapping.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key} ")
        else:
            yield f"{prefix}{key}", value
