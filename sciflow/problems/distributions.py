"""Random fields for initial conditions and input coefficients; each draw is a function, so it has no resolution."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sciflow.core.errors import InputError

Bounds = Mapping[str, tuple[float, float]]


class Distribution(ABC):
    """A distribution of functions of space."""

    @abstractmethod
    def sample(
        self, rng: np.random.Generator, grid: Mapping[str, np.ndarray], bounds: Bounds, periodic: tuple[str, ...]
    ) -> np.ndarray:
        """One draw on the tensor grid `grid` (name -> points); shape in the order of the mapping."""

    def describe(self) -> dict[str, Any]:
        """Name and settings, for JSON."""
        return {"distribution": type(self).__name__, **asdict(self)}  # type: ignore[call-overload]


@dataclass(frozen=True)
class RandomFourier(Distribution):
    """Sum of the Fourier modes with wave numbers 1 to `modes` on a periodic domain, of exact RMS `amplitude`.

    u(x) = mean + sum_k a_k cos(2 pi k.x / L) + b_k sin(2 pi k.x / L), with a_k, b_k normal, damped by |k|^-decay
    and scaled so that the root mean square of the fluctuation is `amplitude`.
    Values that work well: modes 3 to 8, decay 0 to 2.
    """

    modes: int = 5
    amplitude: float = 1.0
    mean: float = 0.0
    decay: float = 1.0

    def sample(
        self, rng: np.random.Generator, grid: Mapping[str, np.ndarray], bounds: Bounds, periodic: tuple[str, ...]
    ) -> np.ndarray:
        open_axes = [axis for axis in grid if axis not in periodic]
        if open_axes:
            raise InputError(f"random_fourier needs periodic axes, and {open_axes} are not; use gaussian_field.")
        waves = [
            k for k in itertools.product(range(-self.modes, self.modes + 1), repeat=len(grid)) if k > (0,) * len(k)
        ]
        norms = np.linalg.norm(np.array(waves, dtype=float), axis=1)
        coefficients = rng.standard_normal((len(waves), 2)) * norms[:, None] ** -self.decay
        coefficients *= self.amplitude / np.sqrt(0.5 * np.sum(coefficients**2))
        phases = [
            np.exp(2j * np.pi * np.outer(np.arange(-self.modes, self.modes + 1), (points - low) / (high - low)))
            for points, (low, high) in ((grid[axis], bounds[axis]) for axis in grid)
        ]
        spectrum = np.zeros((2 * self.modes + 1,) * len(grid), dtype=complex)
        for wave, (cosine, sine) in zip(waves, coefficients, strict=True):
            spectrum[tuple(k + self.modes for k in wave)] = cosine - 1j * sine
        for phase in phases:  # contracts the leading axis and appends the points: axes keep their order
            spectrum = np.tensordot(spectrum, phase, axes=(0, 0))
        return self.mean + spectrum.real


@dataclass(frozen=True)
class GaussianField(Distribution):
    """Gaussian random field with covariance amplitude^2 (-laplacian + scale^2)^-smoothness, as in Li et al. (2021).

    Lengths are in units of the domain's sides (each side is 1), and the constant mode is left out. Fourier modes on
    periodic axes, cosines (zero normal derivative) on the others. With `threshold = (a, b)` the field is a where the
    draw is negative and b elsewhere (the coefficient of the Darcy problem).
    Values that work well: smoothness 2, scale 3, threshold (3, 12).
    """

    smoothness: float = 2.0
    scale: float = 3.0
    amplitude: float = 1.0
    mean: float = 0.0
    threshold: tuple[float, float] | None = None
    modes: int = 24

    def sample(
        self, rng: np.random.Generator, grid: Mapping[str, np.ndarray], bounds: Bounds, periodic: tuple[str, ...]
    ) -> np.ndarray:
        numbers: list[np.ndarray] = []
        bases: list[np.ndarray] = []
        for axis, points in grid.items():
            low, high = bounds[axis]
            position = (points - low) / (high - low)
            orders = np.arange(self.modes + 1)
            if axis in periodic:
                cosine = np.cos(2 * np.pi * np.outer(orders, position))
                sine = np.sin(2 * np.pi * np.outer(orders[1:], position))
                bases.append(np.concatenate([cosine, sine]) * np.sqrt(2))
                numbers.append(2 * np.pi * np.concatenate([orders, orders[1:]]))
            else:
                bases.append(np.cos(np.pi * np.outer(orders, position)) * np.sqrt(2))
                numbers.append(np.pi * orders)
            bases[-1][0] /= np.sqrt(2)
        squares = sum(np.meshgrid(*[number**2 for number in numbers], indexing="ij"))
        spread = (squares + self.scale**2) ** (-self.smoothness / 2)
        spread.flat[0] = 0.0  # the mean is set, not drawn
        field = rng.standard_normal(spread.shape) * spread * self.amplitude
        for basis in bases:
            field = np.tensordot(field, basis, axes=(0, 0))
        if self.threshold is None:
            return self.mean + field
        return np.where(field < 0, self.threshold[0], self.threshold[1])


@dataclass(frozen=True)
class Blobs(Distribution):
    """Sum of `count` round bumps of Gaussian profile at random places, on a constant background.

    u(x) = background + sum_i a_i exp(-|x - c_i|^2 / (2 width^2)), with lengths in units of the domain's sides (each
    side is 1), centres c_i uniform in the domain and heights a_i uniform in amplitude / 2 to amplitude. Periodic along
    the periodic axes, to rounding.
    Values that work well: count 3 to 10, width 0.03 to 0.1.
    """

    count: int = 5
    width: float = 0.05
    amplitude: float = 1.0
    background: float = 0.0

    def __post_init__(self) -> None:
        if self.count < 1 or not 0 < self.width <= 0.25:
            raise InputError(
                f"blobs(count={self.count}, width={self.width}) needs a count of at least 1 and a width of at most "
                "0.25, in units of the domain's sides."
            )

    def sample(
        self, rng: np.random.Generator, grid: Mapping[str, np.ndarray], bounds: Bounds, periodic: tuple[str, ...]
    ) -> np.ndarray:
        field = self.amplitude * rng.uniform(0.5, 1.0, self.count)
        for axis, points in grid.items():
            low, high = bounds[axis]
            distance = (points - low) / (high - low) - rng.random((self.count, 1))
            images = np.arange(-3, 4) if axis in periodic else np.zeros(1)
            bumps = np.exp(-((distance[..., None] + images) ** 2) / (2 * self.width**2)).sum(axis=-1)
            field = field[..., None] * bumps.reshape(self.count, *[1] * (field.ndim - 1), len(points))
        return self.background + field.sum(axis=0)


def random_fourier(modes: int = 5, amplitude: float = 1.0, mean: float = 0.0, decay: float = 1.0) -> RandomFourier:
    """Seeded sum of Fourier modes on a periodic domain; see `RandomFourier`."""
    return RandomFourier(modes, amplitude, mean, decay)


def gaussian_field(
    smoothness: float = 2.0,
    scale: float = 3.0,
    amplitude: float = 1.0,
    mean: float = 0.0,
    threshold: tuple[float, float] | None = None,
) -> GaussianField:
    """Gaussian random field on any box; see `GaussianField`."""
    return GaussianField(smoothness, scale, amplitude, mean, threshold)


def blobs(count: int = 5, width: float = 0.05, amplitude: float = 1.0, background: float = 0.0) -> Blobs:
    """Round bumps at random places; see `Blobs`."""
    return Blobs(count, width, amplitude, background)
