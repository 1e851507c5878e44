"""Settings that serve a method and a problem, where none are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sciflow.pinn.settings import Phase, Settings

if TYPE_CHECKING:
    from sciflow.problems import Problem


def settings_for(problem: Problem, method: str, changes: Mapping[str, Any] | None = None) -> Settings:
    """Settings with which most problems of that kind do well, and changes to them.

    - Particles that a velocity independent of the fields carries: two networks of 2 x 10 and Levenberg-Marquardt,
      which is done in seconds.
    - Other Lagrangian problems: 2 x 20, Adam, then self-scaled Broyden.
    - Ordinary networks: 3 x 20 in one space dimension, 4 x 20 in more, the same optimisers.

    Raises:
        InputError: a setting is unknown or out of range.
    """
    base: dict[str, Any] = {}
    if method == "lpinn":
        fields = [info.symbol for info in problem.fields]
        linear = not any(f.has(symbol) for f in problem.characteristic.values() for symbol in fields)
        base = (
            {"width": 10, "depth": 2, "points": 512, "resample": 0, "target": 1e-15}
            | {"phases": (Phase(method="levenberg-marquardt", steps=1000, chunk=10),)}
            if linear
            else {
                "width": 20,
                "depth": 2,
                "phases": (Phase(method="adam", steps=300), Phase(method="broyden", steps=100000)),
            }
        )
    elif len(problem.axes) > 1:
        base = {"depth": 4, "points": 4000}
    return Settings.make({**base, **(changes or {})})
