"""Numbers as tables show them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sciflow.evaluation.breakeven import BreakEven
    from sciflow.evaluation.statistics import Interval


def short(value: float | None, digits: int = 3) -> str:
    """A number with few significant digits; infinity is an error that diverged."""
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "diverged" if value > 0 else "-inf"
    if value != 0 and (abs(value) < 1e-2 or abs(value) >= 1e5):
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{value:.{digits}g}" if abs(value) < 100 else f"{value:.0f}"


def ranged(interval: Interval | None) -> str:
    """A value with its interval, as in ``0.25 [0.1, 0.4]``."""
    if interval is None or math.isnan(interval.value):
        return "-"
    return f"{short(interval.value)} [{short(interval.low)}, {short(interval.high)}]"


def factor(value: float) -> str:
    """A factor below a reference; infinity is a forecast without error."""
    return "exact" if math.isinf(value) else short(value)


def seconds(value: float | None) -> str:
    """Seconds of a training, to a tenth below 100."""
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "not reached"
    return "<0.1" if 0 < value < 0.1 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def count(number: float | None) -> str:
    """A large number with k, M, G or T."""
    if number is None or math.isnan(number):
        return "-"
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return f"{number:.0f}"


def solves(found: BreakEven | None, *, interval: bool = True, smooth: bool = False) -> str:
    """A break-even number of solves, ``never`` where it is infinite, with ≥ or ≤ where it is a bound.

    Args:
        found: the break-even of a method.
        interval: with its interval.
        smooth: the number against the interpolated cost of the solver.
    """
    number = None if found is None else found.smooth if smooth else found.solves
    if found is None or number is None or math.isnan(number.value):
        return "-"
    low, value, high = (
        "never" if math.isinf(part) else short(math.ceil(part)) for part in (number.low, number.value, number.high)
    )
    sign = "" if value == "never" else {"lower": "≥ ", "upper": "≤ ", "": ""}[found.bound]
    return f"{sign}{value} [{low}, {high}]" if interval else f"{sign}{value}"


def matched(found: BreakEven | None) -> str:
    """The solver that a method was matched with, its error, and whether another grid would be needed."""
    if found is None:
        return "-"
    why = {"lower": "; solver still better", "upper": "; even the finest is less accurate", "": ""}[found.bound]
    return f"{found.grid} (NMSE {short(found.grid_error)}{why})"
