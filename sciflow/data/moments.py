"""Mean and standard deviation of values that come in blocks."""

from __future__ import annotations

from typing import final

import numpy as np


@final
class Moments:
    """Running mean and standard deviation by channel, merged block by block in float64.

    Two blocks with counts n, m and means a, b have the joint sum of squared deviations
    M_a + M_b + (b - a)^2 n m / (n + m)  (Chan, Golub and LeVeque 1983, The American Statistician 37, 242-247), which
    does not cancel when the mean is large.
    """

    def __init__(self, channels: int) -> None:
        self.count = 0
        self.mean = np.zeros(channels)
        self._squares = np.zeros(channels)

    def add(self, values: np.ndarray) -> None:
        """Add a block [T, C, N], float64; an empty one changes nothing."""
        count = values.shape[0] * values.shape[2]
        if count == 0:
            return
        mean = values.mean(axis=(0, 2))
        squares = np.square(values - mean[:, None]).sum(axis=(0, 2))
        total = self.count + count
        gap = mean - self.mean
        self._squares += squares + gap**2 * (self.count * count / total)
        self.mean = self.mean + gap * (count / total)
        self.count = total

    @property
    def std(self) -> np.ndarray:
        """Standard deviation of all values so far, divided by their number."""
        return np.sqrt(self._squares / max(1, self.count))
