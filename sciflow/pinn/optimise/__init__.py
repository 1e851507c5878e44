"""Optimisers by name; each compiles whole runs of steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sciflow.core.errors import InputError, near
from sciflow.pinn.objective import Objective
from sciflow.pinn.optimise.broyden import Broyden
from sciflow.pinn.optimise.first import Adam
from sciflow.pinn.optimise.gauss_newton import LevenbergMarquardt

_KINDS: dict[str, Any] = {
    "adam": lambda objective, steps, options: Adam(objective, steps, **options),
    "broyden": lambda objective, steps, options: Broyden(objective, **options),
    "levenberg-marquardt": lambda objective, steps, options: LevenbergMarquardt(objective, **options),
}


def build(name: str, objective: Objective, steps: int, options: Mapping[str, Any]) -> Any:
    """An optimiser.

    Raises:
        InputError: the name or an option is unknown.
    """
    if name not in _KINDS:
        raise InputError(f"There is no optimiser {name!r}.{near(name, _KINDS)}")
    try:
        return _KINDS[name](objective, steps, dict(options))
    except TypeError as error:
        raise InputError(f"The optimiser '{name}' does not take these options: {error}.") from error
