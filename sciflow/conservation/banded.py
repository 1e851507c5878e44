"""Symmetric positive definite pentadiagonal systems, many at once, in time linear in their size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor


@final
@dataclass(frozen=True, eq=False)
class Pentadiagonal:
    """L D L^T of M [B..., m, m] with two bands beside the diagonal.

    Attributes:
        pivots: D, one tensor [B...] for each row.
        first, second: entries (i+1, i) and (i+2, i) of L, by column i; 0 beyond the end.
    """

    pivots: tuple[Tensor, ...]
    first: tuple[Tensor, ...]
    second: tuple[Tensor, ...]

    @classmethod
    def of(cls, diagonal: Tensor, first: Tensor, second: Tensor) -> Pentadiagonal:
        """Factorise M.

        Args:
            diagonal: M[i, i], [m, B...].
            first: M[i+1, i], [m, B...], the last entry unused.
            second: M[i+2, i], [m, B...], the last two unused.
        """
        size = len(diagonal)
        zero = torch.zeros_like(diagonal[0])
        pivots: list[Tensor] = []
        near: list[Tensor] = []
        far: list[Tensor] = []
        for i in range(size):
            left, beyond = (near[i - 1] if i else zero), (far[i - 2] if i > 1 else zero)
            before, earlier = (pivots[i - 1] if i else zero), (pivots[i - 2] if i > 1 else zero)
            pivot = diagonal[i] - left * left * before - beyond * beyond * earlier
            crossed = (far[i - 1] if i else zero) * before * left
            near.append((first[i] - crossed) / pivot if i + 1 < size else zero)
            far.append(second[i] / pivot if i + 2 < size else zero)
            pivots.append(pivot)
        return cls(tuple(pivots), tuple(near), tuple(far))

    def solve(self, right: Tensor) -> Tensor:
        """M^-1 right for a right-hand side [m, ...] whose trailing dimensions broadcast against B...."""
        down: list[Tensor] = []
        for i, row in enumerate(right.unbind(0)):
            if i:
                row = row - self.first[i - 1] * down[i - 1]
            if i > 1:
                row = row - self.second[i - 2] * down[i - 2]
            down.append(row)
        up: list[Tensor] = []  # from the last row on
        for i in reversed(range(len(down))):
            row = down[i] / self.pivots[i]
            if up:
                row = row - self.first[i] * up[-1]
            if len(up) > 1:
                row = row - self.second[i] * up[-2]
            up.append(row)
        return torch.stack(up[::-1])

    def inverse_bands(self) -> tuple[Tensor, Tensor, Tensor]:
        """Entries (i, i), (i+1, i) and (i+2, i) of M^-1, each [m, B...], 0 beyond the end.

        Takahashi's recurrence from the last row on: of the inverse only the entries in the bands are ever needed.
        """
        zero = torch.zeros_like(self.pivots[0])
        own: list[Tensor] = []
        near: list[Tensor] = []
        far: list[Tensor] = []
        for i in reversed(range(len(self.pivots))):
            next_own, after_own = (own[-1] if own else zero), (own[-2] if len(own) > 1 else zero)
            next_near = near[-1] if near else zero
            two = -self.first[i] * next_near - self.second[i] * after_own
            one = -self.first[i] * next_own - self.second[i] * next_near
            far.append(two)
            near.append(one)
            own.append(1 / self.pivots[i] - self.first[i] * one - self.second[i] * two)
        return torch.stack(own[::-1]), torch.stack(near[::-1]), torch.stack(far[::-1])
