"""Principal components of the inputs and a ridge regression to POD coefficients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from sciflow.baselines.pca import PcaBaseline, leading_size
from sciflow.baselines.pod_steps import StepMap
from sciflow.core import InputError


@final
class PcaRidge(PcaBaseline):
    """a = W [z, p, 1]: POD coefficients of the fields, linear in components z of the inputs and in the parameters p.

    W minimises ``|a - W [z, p, 1]|^2 + ridge |W|^2`` over the training cases (the constant is not penalised). The best
    linear map between the fields, up to its rank: what a network gains over it is what is not linear in the problem.

    Args:
        rank: numbers of POD modes to try.
        input_rank: numbers of components of the inputs to try.
        ridge: penalties to try; the components have been scaled so that the leading one has unit variance.

    Source: Bhattacharya et al., Model reduction and neural networks for parametric PDEs, SMAI J. Comput. Math. 7
    (2021) 121-157, section 4, with a ridge map where they compare a linear and a neural one.
    """

    name = "pca-ridge"

    def __init__(
        self,
        rank: tuple[int, ...] = (16, 64, 256),
        input_rank: tuple[int, ...] = (16, 64, 256),
        ridge: tuple[float, ...] = (1e-6, 1e-4, 1e-2, 1.0, 1e2),
    ) -> None:
        self.rank, self.input_rank, self.ridge = tuple(rank), tuple(input_rank), tuple(ridge)
        if not self.ridge or min(self.ridge) < 0:
            raise InputError(f"ridge must hold penalties of at least 0, not {ridge}.")
        super().__init__()

    def _maps(self, components: np.ndarray, parameters: np.ndarray, coefficients: np.ndarray) -> Iterator[StepMap]:
        scale = leading_size(components)
        features = np.concatenate([components / scale, parameters], axis=1)
        centre, target = features.mean(axis=0), coefficients.mean(axis=0)
        left, values, right = np.linalg.svd(features - centre, full_matrices=False)
        projected = left.T @ (coefficients - target)
        least = (1e-10 * values.max(initial=0.0)) ** 2 + np.finfo(float).tiny
        for ridge in self.ridge:
            weights = right.T @ ((values / np.maximum(values**2 + ridge, least))[:, None] * projected)
            yield LinearMap(weights, target - centre @ weights, scale)

    def _map(self) -> StepMap:
        return LinearMap(self.arrays["weights"], self.arrays["constant"], self.state["scale"])


@final
@dataclass(frozen=True, eq=False)
class LinearMap(StepMap):
    """Coefficients = [components / scale, parameters] @ weights + constant."""

    weights: np.ndarray
    constant: np.ndarray
    scale: float

    def __call__(self, now: np.ndarray, inputs: np.ndarray) -> tuple[np.ndarray, None]:
        return np.concatenate([now / self.scale, inputs], axis=1) @ self.weights + self.constant, None

    def stored(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The scale; weights and constant."""
        return {"scale": self.scale}, {"weights": self.weights, "constant": self.constant}
