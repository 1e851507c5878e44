"""The speeds of a flow, cells per frame by axis, as suites and functions take them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator

from sciflow.core import InputError, near

_AXES = ("z", "y", "x")
Speeds = Mapping[str, float]


def flow_name(speeds: Speeds) -> str:
    """What tables call a flow, such as ``"x+1 y-0.5"``."""
    return " ".join(f"{axis}{speed:+g}" for axis, speed in speeds.items())


def require_speeds(speeds: Speeds) -> None:
    """Raise unless these are the speeds of a flow.

    Raises:
        InputError: an axis is unknown, or the flow moves nothing.
    """
    for axis, speed in speeds.items():
        if axis not in _AXES:
            raise InputError(f"A flow has no axis '{axis}'.{near(axis, _AXES)}")
        if not math.isfinite(speed):
            raise InputError(f"The flow along {axis} is {speed} cells per frame; give a finite number.")
    if not any(speeds.values()):
        raise InputError("A flow of zero moves nothing; give cells per frame by axis, such as {x: 1}.")


def _different(given: tuple[dict[str, float], ...]) -> tuple[dict[str, float], ...]:
    for speeds in given:
        require_speeds(speeds)
    names = [flow_name(speeds) for speeds in given]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"the flow {twice[0]} is there twice")
    return given


Flows = Annotated[tuple[dict[str, float], ...], AfterValidator(_different)]
