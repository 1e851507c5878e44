"""Named profiles: initial conditions without chance, on any box."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sciflow.core.errors import InputError, near
from sciflow.problems.distributions import Bounds, Distribution

_WIDTH = 0.1  # of gaussian, bump and step, in units of a side
_SHAPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sine": lambda s: np.sin(2 * np.pi * s),
    "cosine": lambda s: np.cos(2 * np.pi * s),
    "gaussian": lambda s: np.exp(-((s - 0.5) ** 2) / (2 * _WIDTH**2)),
    "bump": lambda s: np.where(np.abs(s - 0.5) < 2.5 * _WIDTH, np.cos(np.pi * (s - 0.5) / (5 * _WIDTH)) ** 4, 0.0),
    "step": lambda s: 0.5 * (np.tanh((s - 0.25) / (_WIDTH / 4)) - np.tanh((s - 0.75) / (_WIDTH / 4))),
    "tent": lambda s: 1 - np.abs(2 * s - 1),
}
PROFILES = tuple(_SHAPES)


@dataclass(frozen=True)
class Profile(Distribution):
    """mean + amplitude times the product over the axes of one shape f(s), with s from 0 to 1 along each axis.

    =========  ==================================================================
    sine       sin(2 pi s)
    cosine     cos(2 pi s)
    gaussian   exp(-(s - 1/2)^2 / (2 0.1^2)), 4e-6 at the ends
    bump       cos^4 of half a wave over the middle half, 0 outside; three continuous derivatives
    step       1 over the middle half, 0 outside, tanh flanks of width 0.025
    tent       1 - |2 s - 1|
    =========  ==================================================================
    """

    name: str
    amplitude: float = 1.0
    mean: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in _SHAPES:
            raise InputError(f"There is no profile {self.name!r}.{near(self.name, _SHAPES)}")

    def sample(
        self, rng: np.random.Generator, grid: Mapping[str, np.ndarray], bounds: Bounds, periodic: tuple[str, ...]
    ) -> np.ndarray:
        field = np.ones(())
        for axis, points in grid.items():
            low, high = bounds[axis]
            field = np.multiply.outer(field, _SHAPES[self.name]((points - low) / (high - low)))
        return np.asarray(self.mean + self.amplitude * field)


def profile(name: str, amplitude: float = 1.0, mean: float = 0.0) -> Profile:
    """A named initial condition: sine, cosine, gaussian, bump, step or tent; see `Profile`."""
    return Profile(name, amplitude, mean)
