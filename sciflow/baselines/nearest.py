"""Nearest training case."""

from __future__ import annotations

from typing import final

import numpy as np

from sciflow.baselines.parametric import ParametricBaseline


@final
class Nearest(ParametricBaseline):
    """The training case with the nearest parameters, at the same time.

    Distance: Euclidean in parameters mapped to [0, 1] over the training range (logarithmic where declared). Training
    cases at exactly the same distance are averaged, so without any varying parameter this is the mean training case.
    Signals and the start frame are not used.
    """

    name = "nearest"

    def weights(self, points: np.ndarray) -> np.ndarray:
        """1 at the nearest case of each point."""
        distances = np.linalg.norm(points[:, None] - self.arrays["points"][None], axis=-1)
        nearest = distances <= distances.min(axis=1, keepdims=True) + 1e-12
        return nearest / nearest.sum(axis=1, keepdims=True)
