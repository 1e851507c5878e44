"""Optimisers by name; each compiles whole runs of steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sciflow.core.errors import InputError, near
from sciflow.pinn.objective import Objective
from sciflow.pinn.optimise.broyden import Dense
from sciflow.pinn.optimise.descent import Descent
from sciflow.pinn.optimise.first import Adam
from sciflow.pinn.optimise.gauss_newton import LevenbergMarquardt
from sciflow.pinn.optimise.lbfgs import Limited
from sciflow.pinn.optimise.soap import Soap

_KINDS: dict[str, Any] = {
    "adam": lambda objective, steps, options: Adam(objective, steps, **options),
    "soap": lambda objective, steps, options: Soap(objective, steps, **options),
    "lbfgs": lambda objective, steps, options: Descent(objective, Limited(**options)),
    "broyden": lambda objective, steps, options: Descent(objective, Dense(**options)),
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
