"""Contexts and targets drawn afresh from the stored grids of training cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, final

import numpy as np

from sciflow.conservation.neural_process.numbers import require_points
from sciflow.core import InputError
from sciflow.data.grid import bounds

if TYPE_CHECKING:
    from sciflow.data import Dataset

Pattern = Literal["lattice", "scattered"]
_HELD_BYTES = 2**30  # cases beyond this are read again whenever they are drawn


@final
@dataclass(frozen=True, eq=False)
class Examples:
    """Some cases, each with a context and targets, in physical units.

    Attributes:
        cases: [B], positions in the data set.
        context, targets: points [B, N, 1 + D] and [B, M, 1 + D]: time in seconds, then position in tensor order.
        context_values, target_values: [B, N, C] and [B, M, C].
    """

    cases: np.ndarray
    context: np.ndarray
    context_values: np.ndarray
    targets: np.ndarray
    target_values: np.ndarray


@final
class Sampler:
    """Draws examples from nodes of the grid.

    Coordinates are drawn evenly over the domain and moved to the nearest node, so that a node is as likely as the
    interval around it is long; solid cells are never drawn::

        "lattice":    n times x m places.  Context: one time in each of n equal parts of the case's duration, and m
                      places that all times share; targets: n times and m places of their own
        "scattered":  up to n m single places, each at its own time; at least n, and as many in all cases of a batch.
                      Targets: n m more

    Args:
        dataset: the cases.
        pattern: "lattice" or "scattered".
        points: n and m.

    Raises:
        InputError: an unknown pattern, or points that are not two integers of at least 1.

    Source: the lattice of Hansen et al. (arXiv:2302.11002), n = m = 10.
    """

    def __init__(self, dataset: Dataset, pattern: Pattern, points: Sequence[int]) -> None:
        if pattern not in ("lattice", "scattered"):
            raise InputError(f"sampling must be 'lattice' or 'scattered', not {pattern!r}.")
        require_points(points)
        self.dataset, self.pattern, (self.times, self.places) = dataset, pattern, points
        self._held: dict[int, np.ndarray] = {}
        self._room = float(_HELD_BYTES)
        axes = [np.asarray(dataset.header[axis].values, np.float64) for axis in dataset.space]
        self._positions = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
        sizes = np.ones(())
        for axis, nodes in zip(dataset.space, axes, strict=True):
            sizes = np.multiply.outer(sizes, _widths(nodes, *bounds(dataset.header, axis), axis in dataset.periodic))
        masks = dataset.mask_values()
        weights = sizes.ravel() * (np.ones((1, 1)) if masks is None else masks.reshape(len(masks), -1))
        self._cumulative = np.cumsum(weights, axis=1) / weights.sum(axis=1, keepdims=True)  # [1 or case, S]

    def draw(self, generator: np.random.Generator, count: int) -> Examples:
        """`count` cases, drawn with replacement."""
        return self.of(generator.integers(len(self.dataset), size=count), generator)

    def of(self, cases: np.ndarray, generator: np.random.Generator) -> Examples:
        """One example of each of some cases."""
        whole = self.times * self.places
        few = whole if self.pattern == "lattice" else int(generator.integers(min(self.times, whole), whole + 1))
        parts = []
        for case in cases:
            frames = self._frames(int(case))
            context = self._lattice(generator, int(case), stratified=True)
            targets = self._lattice(generator, int(case), stratified=False)
            if self.pattern == "scattered":
                context = self._scattered(generator, int(case), few)
                targets = self._scattered(generator, int(case), whole)
            parts.append([array for nodes in (context, targets) for array in self._values(int(case), frames, *nodes)])
        return Examples(cases, *(np.stack(column) for column in zip(*parts, strict=True)))

    def _lattice(self, generator: np.random.Generator, case: int, *, stratified: bool) -> tuple[np.ndarray, np.ndarray]:
        """Frames and cells [n m] of a tensor product."""
        shares = generator.random(self.times)
        if stratified:
            shares = (np.arange(self.times) + shares) / self.times
        frames, cells = self._nearest_frame(case, shares), self._cells(case, generator.random(self.places))
        return np.repeat(frames, self.places), np.tile(cells, self.times)

    def _scattered(self, generator: np.random.Generator, case: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        return self._nearest_frame(case, generator.random(count)), self._cells(case, generator.random(count))

    def _nearest_frame(self, case: int, shares: np.ndarray) -> np.ndarray:
        """Frames nearest to these parts of the duration of a case."""
        times = self.dataset.case_times[case, : self.dataset.lengths[case]]
        wanted = times[0] + shares * (times[-1] - times[0])
        return np.searchsorted((times[1:] + times[:-1]) / 2, wanted)

    def _cells(self, case: int, shares: np.ndarray) -> np.ndarray:
        cumulative = self._cumulative[case if len(self._cumulative) > 1 else 0]
        return np.minimum(np.searchsorted(cumulative, shares, side="right"), len(cumulative) - 1)

    def _values(
        self, case: int, values: np.ndarray, frames: np.ndarray, cells: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Points [N, 1 + D] and values [N, C] at nodes."""
        times = self.dataset.case_times[case, frames]
        return np.column_stack([times, self._positions[cells]]), values[frames, :, cells]

    def _frames(self, case: int) -> np.ndarray:
        """All frames [T, C, S] of a case, kept for the next time while there is room."""
        if case in self._held:
            return self._held[case]
        data = self.dataset
        frames = data.frames(int(data.cases[case]), 0, int(data.lengths[case])).reshape(
            int(data.lengths[case]), len(data.fields), -1
        )
        if self._room >= frames.nbytes:
            self._room -= frames.nbytes
            self._held[case] = frames
        return frames


def _widths(nodes: np.ndarray, low: float, high: float, periodic: bool) -> np.ndarray:
    """Length of the part of an axis to which each node is the nearest."""
    middle = (nodes[1:] + nodes[:-1]) / 2
    if periodic:
        seam = (nodes[-1] + nodes[0] + high - low) / 2  # between the last node and the first, one period on
        return np.diff([seam - (high - low), *middle, seam])
    return np.diff([low, *middle, high])
