"""What DeepXDE trained, in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import pi
from typing import TYPE_CHECKING, Any

import numpy as np

from sciflow.pinn.training import has_converged

if TYPE_CHECKING:
    from sciflow.pinn.embedding import Embedding
    from sciflow.pinn.training import Record


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained network; evaluating it does not need DeepXDE.

    Attributes:
        names: the fields, one for each output.
        weights: matrix (n, m) and bias (n, 1) of each layer.
        history: losses, the first one before training.
        reasons: why each phase ended.
        seconds: of training; nothing is compiled.
        time: the interval solved on; None for a steady problem.
    """

    embedding: Embedding
    names: tuple[str, ...]
    weights: Sequence[tuple[np.ndarray, np.ndarray]]
    history: tuple[Record, ...]
    reasons: tuple[str, ...]
    seconds: float
    time: tuple[float, float] | None
    compile_seconds: float = 0.0

    @property
    def count(self) -> int:
        """Number of weights."""
        return sum(matrix.size + bias.size for matrix, bias in self.weights)

    @property
    def converged(self) -> bool:
        """See `sciflow.pinn.training.Trained`."""
        return has_converged(self.history, self.reasons)

    @property
    def loss(self) -> float:
        """The last loss."""
        return self.history[-1].loss

    def evaluate(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """Fields (N,) at points (D, N), time first."""
        rows = np.stack(features(self.embedding, list(np.asarray(points, np.float64)), np.cos, np.sin))
        for matrix, bias in self.weights[:-1]:
            rows = np.tanh(matrix @ rows + bias)
        matrix, bias = self.weights[-1]
        return dict(zip(self.names, matrix @ rows + bias, strict=True))


def features(
    embedding: Embedding, coordinates: Sequence[Any], cos: Callable[[Any], Any], sin: Callable[[Any], Any]
) -> list[Any]:
    """The rows of an embedding, by the functions of NumPy or torch."""
    rows = []
    for name, (low, high), place in zip(embedding.names, embedding.bounds, coordinates, strict=True):
        if name not in embedding.periodic:
            rows.append((place - low) * (2 / (high - low)) - 1.0)
            continue
        phase = (place - low) * (2 * pi / (high - low))
        rows += [cos(phase), sin(phase)]
    return rows
