"""What the options of neural processes must be, said in one sentence each."""

from __future__ import annotations

import math
from typing import Any

from sciflow.core.errors import InputError


def is_whole(value: Any, least: int = 1) -> bool:
    """Whether a value is an integer (True is none) of at least `least`."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def require_whole(name: str, value: Any, least: int = 1) -> None:
    """Raise unless a value is an integer of at least `least`.

    Raises:
        InputError: it is not; the message has the name of the option.
    """
    if not is_whole(value, least):
        raise InputError(f"{name} must be a whole number of at least {least}, not {value!r}.")


def require_number(name: str, value: Any, *, positive: bool) -> None:
    """Raise unless a value is a finite number above 0, or of at least 0 where it need not be positive.

    Raises:
        InputError: it is not; the message has the name of the option.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or value < 0 or (positive and value == 0):
        raise InputError(f"{name} must be {'positive' if positive else 'a number of at least 0'}, not {value!r}.")


def require_points(value: Any) -> None:
    """Raise unless a value is a pair of integers of at least 1.

    Raises:
        InputError: it is not.
    """
    if not isinstance(value, tuple | list) or len(value) != 2 or not all(is_whole(number) for number in value):
        raise InputError(f"points must be two whole numbers of at least 1 (times and places), not {value!r}.")
