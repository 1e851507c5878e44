"""Principal components of the inputs and a Gaussian process to POD coefficients, with a variance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, final

import numpy as np

from sciflow.baselines.pca import PcaBaseline, leading_size
from sciflow.baselines.pod_gp import GaussianProcessMap, conditioned
from sciflow.baselines.pod_steps import StepMap
from sciflow.core import InputError


@final
class PcaGaussianProcess(PcaBaseline):
    """a is a Gaussian process of components z of the input fields and of the case parameters p.

    One process per POD coefficient with the kernel of :class:`~sciflow.baselines.pod_gp.PodGaussianProcess`: linear,
    smooth and noise. It answers maps (from input fields) and parametric queries (from parameters, whole cases at once)
    alike. The variance is that of the coefficients and what the basis misses of the validation cases.

    Args:
        rank: numbers of POD modes to try.
        input_rank: numbers of components of the inputs to try.
        points: training cases to condition on; cost grows with their cube, memory with their square.
        seed: of the draw of these cases where there are more.

    Source: Higdon et al., Computer model calibration using high-dimensional output, J. Am. Stat. Assoc. 103 (2008)
    570-583, section 2.2 (a Gaussian process for each coefficient).
    """

    name = "pca-gp"
    seeded: ClassVar[bool] = True

    def __init__(
        self,
        rank: tuple[int, ...] = (16, 64),
        input_rank: tuple[int, ...] = (16, 64),
        points: int = 1000,
        seed: int = 0,
    ) -> None:
        self.rank, self.input_rank, self.points, self.seed = tuple(rank), tuple(input_rank), points, seed
        if points < 2:
            raise InputError(f"points must be at least 2, not {points}.")
        super().__init__()

    def _maps(self, components: np.ndarray, parameters: np.ndarray, coefficients: np.ndarray) -> Iterator[StepMap]:
        drawn = np.random.default_rng(self.seed).permutation(len(components))[: self.points]
        scale = leading_size(components)
        places = np.concatenate([components / scale, parameters], axis=1)
        yield conditioned(places, coefficients, drawn, scale, self.seed)

    def _map(self) -> StepMap:
        return GaussianProcessMap.of(self.state, self.arrays)
