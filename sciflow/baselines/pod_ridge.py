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
    """a(t + dt) = a(t) + W phi, phi = [a, p, 1/p, s(t), s(t + dt), a q^T, 1] with q = [p, 1/p].

    a are POD coefficients, p the case parameters (logarithmic where declared) and s the signals. The products a q^T let
    the linear operator depend on the case; there are no quadratic terms in a. W minimises
    ``|Y - W phi|^2 + ridge |W|^2`` over all single steps of the training cases (the constant term is not penalised).

    Args:
        rank: numbers of modes to try.
        ridge: penalties to try; the features have been scaled so that the leading coefficient has unit variance.
        select: what the choice among them minimises on validation cases: ``"one-step"`` or ``"rollout"`` error. The
            best one-step map is often unstable when rolled out.
        signal_products: let the operator depend on the signals as well, q = [p, 1/p, s(t), s(t + dt)]. In flows driven
            by a moving wall, whose speed multiplies the flow, this lowers the error several times.
    """

    name = "pod-ridge"

    def __init__(
        self,
        rank: tuple[int, ...] = (16, 32, 64, 128),
        ridge: tuple[float, ...] = (1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3),
        select: str = "one-step",
        signal_products: bool = False,
    ) -> None:
        self.rank, self.ridge, self.select = tuple(rank), tuple(ridge), select
        self.signal_products = signal_products
        if not self.ridge or min(self.ridge) < 0:
            raise InputError(f"ridge must hold penalties of at least 0, not {ridge}.")
        super().__init__()

    def _maps(self, train: list[Trajectory], rank: int) -> Iterator[StepMap]:
        now, inputs, change = pairs(train, rank)
        scale = float(now[:, 0].std()) or 1.0
        factors = inputs.shape[1] if self.signal_products else len(train[0].parameters)
        features = _features(now / scale, inputs, factors)
        centre, target = features.mean(axis=0), change.mean(axis=0)
        features, change = features - centre, change - target
        values, vectors = np.linalg.eigh(features.T @ features)
        projected = vectors.T @ (features.T @ change)
        values = np.maximum(values, 0.0)[:, None]
        for ridge in self.ridge:
            weights = vectors @ (projected / np.maximum(values + ridge, 1e-12 * values.max()))
            yield RidgeMap(weights, target - centre @ weights, scale, ridge, factors)

    def _map(self) -> StepMap:
        scalars = {name: self.state[name] for name in ("scale", "ridge", "factors")}
        return RidgeMap(self.arrays["weights"], self.arrays["constant"], **scalars)


@final
@dataclass(frozen=True, eq=False)
class RidgeMap(StepMap):
    """Increment = features(a / scale, inputs) @ weights + constant; the first `factors` inputs multiply a."""

    weights: np.ndarray
    constant: np.ndarray
    scale: float
    ridge: float
    factors: int

    def __call__(self, now: np.ndarray, inputs: np.ndarray) -> tuple[np.ndarray, None]:
        return _features(now / self.scale, inputs, self.factors) @ self.weights + self.constant, None

    def stored(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Scalars; weights and constant."""
        scalars = {"scale": self.scale, "ridge": self.ridge, "factors": self.factors}
        return scalars, {"weights": self.weights, "constant": self.constant}


def _features(coefficients: np.ndarray, inputs: np.ndarray, factors: int) -> np.ndarray:
    products = (coefficients[:, :, None] * inputs[:, None, :factors]).reshape(len(coefficients), -1)
    return np.concatenate([coefficients, inputs, products], axis=1)
