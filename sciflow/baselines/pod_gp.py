"""POD and a Gaussian process from frame to frame, with a variance."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, final

import numpy as np

from sciflow.baselines.pod import PodBaseline
from sciflow.baselines.pod_basis import Trajectory
from sciflow.baselines.pod_steps import StepMap, pairs
from sciflow.core import InputError

if TYPE_CHECKING:
    from sklearn.gaussian_process.kernels import Kernel

_TUNED_ON = 200  # points used to find the kernel's constants; the cost grows with their cube
_TUNED_FOR = 8  # leading coefficients used for it; the many small ones would drown them
_ARRAYS = ("points", "weights", "lower", "theta", "centre", "size")


@final
class PodGaussianProcess(PodBaseline):
    """a(t + dt) - a(t) is a Gaussian process of z = [a, p, 1/p, s(t), s(t + dt)].

    One process per coefficient; all share the kernel ``c1 (z . z' + c0) + c2 exp(-|z - z'|^2 / (2 l^2)) + noise``,
    whose constants maximise the marginal likelihood of the eight leading coefficients on 200 of the points
    (scikit-learn). Only `points` of the single training steps are used, drawn with `seed`. A forecast has a variance:
    the sum of the variances of the steps made (their correlation through the state is left out, so it is too small for
    long roll-outs) and the energy that the basis misses.

    On few smooth trajectories, such as those of a driven cavity below Re 2000, this is hard to beat.

    Args:
        rank: numbers of modes to try.
        points: single steps to condition on; cost grows with their cube, memory with their square (500 to 2000).
        select: what the choice of the rank minimises on validation cases: ``"one-step"`` or ``"rollout"`` error.
        seed: of the draw of points.
    """

    name = "pod-gp"
    seeded: ClassVar[bool] = True

    def __init__(
        self, rank: tuple[int, ...] = (16, 32, 64), points: int = 800, select: str = "one-step", seed: int = 0
    ) -> None:
        self.rank, self.points, self.select, self.seed = tuple(rank), points, select, seed
        if points < 2:
            raise InputError(f"points must be at least 2, not {points}.")
        super().__init__()

    def _maps(self, train: list[Trajectory], rank: int) -> Iterator[StepMap]:
        now, inputs, change = pairs(train, rank)
        drawn = np.random.default_rng(self.seed).permutation(len(now))[: self.points]
        scale = float(now[:, 0].std()) or 1.0
        yield conditioned(np.concatenate([now / scale, inputs], axis=1), change, drawn, scale, self.seed)

    def _map(self) -> StepMap:
        return GaussianProcessMap.of(self.state, self.arrays)


@final
@dataclass(frozen=True, eq=False)
class GaussianProcessMap(StepMap):
    """Posterior of the increments (or of other targets); `lower` is the Cholesky factor of the kernel matrix."""

    points: np.ndarray
    weights: np.ndarray
    lower: np.ndarray
    theta: np.ndarray
    centre: np.ndarray
    size: np.ndarray
    scale: float

    @classmethod
    def of(cls, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """The map that was stored."""
        return cls(**{name: arrays[name] for name in _ARRAYS}, scale=state["scale"])

    def __call__(self, now: np.ndarray, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from scipy.linalg import solve_triangular

        places = np.concatenate([now / self.scale, inputs], axis=1)
        if not np.isfinite(places).all():  # a roll-out that has diverged
            unknown = np.full((len(now), len(self.size)), np.nan)
            return unknown, np.full_like(unknown, np.inf)
        kernel = _kernel().clone_with_theta(self.theta)
        cross = kernel(places, self.points)
        mean = cross @ self.weights * self.size + self.centre
        explained = solve_triangular(self.lower, cross.T, lower=True)
        variance = np.maximum(kernel.diag(places) - np.sum(explained**2, axis=0), 0.0)
        return mean, variance[:, None] * self.size**2

    def stored(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The scale; everything else is arrays."""
        return {"scale": self.scale}, {name: getattr(self, name) for name in _ARRAYS}


def conditioned(
    places: np.ndarray, targets: np.ndarray, drawn: np.ndarray, scale: float, seed: int
) -> GaussianProcessMap:
    """A process with tuned constants, conditioned on some of its data.

    Args:
        places: [N, I], whose leading columns have been divided by `scale`.
        targets: [N, R], standardised here.
        drawn: which of them to condition on, in random order.
        scale: kept with the map, which divides by it.
        seed: of the tuning.
    """
    centre, size = targets.mean(axis=0), targets.std(axis=0)
    size = np.maximum(size, 1e-12 * max(float(size.max()), np.finfo(float).tiny))
    points, targets = places[drawn], ((targets - centre) / size)[drawn]
    theta = _tuned(points[:_TUNED_ON], targets[:_TUNED_ON, :_TUNED_FOR], seed)
    kernel = _kernel().clone_with_theta(theta)
    lower = np.linalg.cholesky(kernel(points) + 1e-10 * np.eye(len(points)))
    weights = np.linalg.solve(lower.T, np.linalg.solve(lower, targets))
    return GaussianProcessMap(points, weights, lower, theta, centre, size, scale)


def _kernel() -> Kernel:
    """The kernel with its starting constants; those found later are set by `theta` (their logarithms)."""
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, WhiteKernel

    scale = (1e-6, 1e6)
    linear = ConstantKernel(0.1, scale) * DotProduct(1.0, (1e-3, 1e3))
    smooth = ConstantKernel(1.0, scale) * RBF(3.0, (1e-1, 1e3))
    return linear + smooth + WhiteKernel(1e-3, (1e-9, 1.0))


def _tuned(points: np.ndarray, targets: np.ndarray, seed: int) -> np.ndarray:
    """Logarithms of the kernel's constants that maximise the marginal likelihood."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor

    process = GaussianProcessRegressor(_kernel(), alpha=1e-10, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        process.fit(points, targets)
    return np.asarray(process.kernel_.theta, np.float64)
