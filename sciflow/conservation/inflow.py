"""What has flowed in since the start: integrals of rates over time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.integrate import quad_vec

from sciflow.core.errors import InputError

_REACH = 4.0  # of the double-exponential substitution; beyond it the weights are below rounding
_PRECISION = 1e-12


def added(rate: Any, start: np.ndarray, times: np.ndarray, law: str) -> np.ndarray:
    """Integral of the rate from the start (case,) to each of the times (case, T).

    Args:
        rate: a function of times (case, N) -> (case, N); values (case, T) at `times`, linear between and constant
            before the first; or a pair (times, rates), linear between.
        start: seconds.
        times: seconds, in increasing order and not before the start.
        law: its name, for messages.

    Raises:
        InputError: shapes do not fit, times do not increase, or a pair does not cover the times.
    """
    if (np.diff(times, axis=1) < 0).any() or (times[:, :1] < start[:, None]).any():
        raise InputError(f"The inflow of the law '{law}' needs times that increase from the start frame on.")
    if callable(rate):
        return _of_function(rate, start, times)
    if isinstance(rate, tuple) and len(rate) == 2:
        points, values = (np.asarray(part, np.float64) for part in rate)
    else:
        values = np.asarray(rate, np.float64)
        if values.shape != times.shape:
            raise InputError(
                f"The inflow of the law '{law}' has the shape {values.shape}; expected {times.shape}, or a pair "
                "(times, rates)."
            )
        points = np.concatenate([start[:, None], times], axis=1)
        values = np.concatenate([values[:, :1], values], axis=1)
    try:
        points, values = np.broadcast_arrays(points, values)
        points, values = (np.broadcast_to(part, (len(times), part.shape[-1])) for part in (points, values))
    except ValueError:
        raise InputError(
            f"The inflow of the law '{law}' is a pair of shapes {points.shape} and {values.shape}; expected times and "
            f"rates of the shape (N,) or ({len(times)}, N)."
        ) from None
    if not (np.isfinite(values).all() and np.isfinite(points).all() and (np.diff(points, axis=1) >= 0).all()):
        raise InputError(f"The inflow of the law '{law}' needs finite rates at finite times that increase.")
    slack = 1e-9 * (1 + np.abs(times[:, -1:]))
    if (points[:, :1] > start[:, None] + slack).any() or (points[:, -1:] < times[:, -1:] - slack).any():
        raise InputError(
            f"The inflow of the law '{law}' is given from {points.min():g} to {points.max():g} s, but is needed from "
            f"{start.min():g} to {times.max():g} s; give rates for all of this time."
        )
    both = np.concatenate([start[:, None], times], axis=1)
    found = np.stack([_piecewise(*case) for case in zip(points, values, both, strict=True)])
    return np.asarray(found[:, 1:] - found[:, :1])


def _piecewise(points: np.ndarray, values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Integral of the line through (points, values) from the first point to each time."""
    steps = np.diff(points)
    sums = np.concatenate([[0.0], np.cumsum(0.5 * steps * (values[1:] + values[:-1]))])
    place = np.clip(np.searchsorted(points, times, side="right") - 1, 0, len(points) - 1)
    passed = np.clip(times - points[place], 0.0, None)
    return np.asarray(sums[place] + 0.5 * passed * (values[place] + np.interp(times, points, values)))


def _of_function(rate: Callable[[np.ndarray], np.ndarray], start: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Integral from frame to frame: the double-exponential substitution takes roots and poles at the ends of a step,
    adaptive subdivision takes jumps within it, to about 1e-6 of a step."""
    ends = np.concatenate([start[:, None], times], axis=1)
    steps = np.diff(ends, axis=1)

    def integrand(place: float) -> np.ndarray:
        inner = 0.5 * np.pi * np.sinh(place)
        share = 1 / (1 + np.exp(-2 * inner))  # of the step that has passed, precise at its beginning
        weight = 0.25 * np.pi * np.cosh(place) / np.cosh(inner) ** 2
        return np.asarray(steps * weight * rate(ends[:, :-1] + steps * share))

    size = max(float(np.abs(integrand(place)).max(initial=0.0)) for place in (-1.0, 0.0, 1.0))
    if size == 0:
        size = 1.0
    found, _ = quad_vec(integrand, -_REACH, _REACH, epsabs=_PRECISION * size, epsrel=_PRECISION, norm="max", limit=1000)
    return np.asarray(np.cumsum(found, axis=1))
