"""POD and a ridge regression from frame to frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from sciflow.baselines.pod import PodBaseline
from sciflow.baselines.pod_basis import Trajectory
from sciflow.baselines.pod_steps import StepMap, pairs
from sciflow.core import InputError


@final
class PodRidge(PodBaseline):
    """a(t + dt) = a(t) + W phi, phi = [a, q, a q^T, 1] with q = [p, 1/p, s(t), s(t + dt)].

    a are POD coefficients, p the case parameters (logarithmic where declared) and s the signals. The products a q^T let
    the linear operator depend on the case; there are no quadratic terms in a. W minimises
    ``|Y - W phi|^2 + ridge |W|^2`` over all single steps of the training cases (the constant term is not penalised).

    Args:
        rank: numbers of modes to try.
        ridge: penalties to try; the features have been scaled so that the leading coefficient has unit variance.
        select: what the choice among them minimises on validation cases: ``"one-step"`` or ``"rollout"`` error. The
            best one-step map is often unstable when rolled out.
    """

    name = "pod-ridge"

    def __init__(
        self,
        rank: tuple[int, ...] = (16, 32, 64, 128),
        ridge: tuple[float, ...] = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3),
        select: str = "one-step",
    ) -> None:
        self.rank, self.ridge, self.select = tuple(rank), tuple(ridge), select
        if not self.ridge or min(self.ridge) < 0:
            raise InputError(f"ridge must hold penalties of at least 0, not {ridge}.")
        super().__init__()

    def _maps(self, train: list[Trajectory], rank: int) -> Iterator[StepMap]:
        now, inputs, change = pairs(train, rank)
        scale = float(now[:, 0].std()) or 1.0
        features = _features(now / scale, inputs)
        centre, target = features.mean(axis=0), change.mean(axis=0)
        features, change = features - centre, change - target
        values, vectors = np.linalg.eigh(features.T @ features)
        projected = vectors.T @ (features.T @ change)
        values = np.maximum(values, 0.0)[:, None]
        for ridge in self.ridge:
            weights = vectors @ (projected / np.maximum(values + ridge, 1e-12 * values.max()))
            yield RidgeMap(weights, target - centre @ weights, scale, ridge)

    def _map(self) -> StepMap:
        return RidgeMap(self.arrays["weights"], self.arrays["constant"], self.state["scale"], self.state["ridge"])


@final
@dataclass(frozen=True, eq=False)
class RidgeMap(StepMap):
    """Increment = features(a / scale, inputs) @ weights + constant."""

    weights: np.ndarray
    constant: np.ndarray
    scale: float
    ridge: float

    def __call__(self, now: np.ndarray, inputs: np.ndarray) -> tuple[np.ndarray, None]:
        return _features(now / self.scale, inputs) @ self.weights + self.constant, None

    def stored(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Scale and penalty; weights and constant."""
        return {"scale": self.scale, "ridge": self.ridge}, {"weights": self.weights, "constant": self.constant}


def _features(coefficients: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    products = (coefficients[:, :, None] * inputs[:, None, :]).reshape(len(coefficients), -1)
    return np.concatenate([coefficients, inputs, products], axis=1)
