"""Finite sets of velocities: the generators of flows that a network keeps a slice of memory for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self, final

from sciflow.core.errors import InputError

_WHOLE = 1e-9  # distance from a whole number below which a component counts as one


@final
@dataclass(frozen=True)
class Velocities:
    """A set V of translations in cells per frame, in tensor order ((z,) y, x).

    Velocities are defined modulo the grid: on n points v and v + n are the same. On a grid the set is *closed* if the
    sum of any two of its members is one of them; moving the input with a member then only permutes the slices, and
    what is pooled over them is equivariant. Otherwise it is *truncated*: slices that leave it are lost, others come in.

    Args:
        vectors: the members, one number per space axis each.

    Raises:
        InputError: there is no member, members differ in length or are the same, or a number is not finite.
    """

    vectors: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        vectors = tuple(tuple(float(part) for part in vector) for vector in self.vectors)
        if not vectors or len({len(vector) for vector in vectors}) > 1 or not vectors[0]:
            raise InputError(f"A velocity set needs vectors of one length, one number per axis, not {self.vectors!r}.")
        if not all(math.isfinite(part) for vector in vectors for part in vector):
            raise InputError("A velocity set holds NaN or infinity; give cells per frame.")
        if len(set(vectors)) < len(vectors):
            raise InputError(f"A velocity is twice in the set {list(vectors)}; give each once.")
        object.__setattr__(self, "vectors", vectors)

    @classmethod
    def box(cls, radius: int, axes: Iterable[int], dims: int, spacing: float = 1.0) -> Self:
        """All multiples -radius … radius of ``spacing`` along each of the given axes."""
        steps = [spacing * step for step in range(-radius, radius + 1)]
        moving = set(axes)
        columns = [steps if axis in moving else [0.0] for axis in range(dims)]
        return cls(tuple(itertools.product(*columns)))

    @classmethod
    def ring(cls, axes: Iterable[int], shape: Sequence[int], spacing: float = 1.0) -> Self:
        """The closed set: all multiples of ``spacing`` along the given axes, up to a whole turn.

        Raises:
            InputError: the points of an axis are no multiple of the spacing.
        """
        columns, moving = [], set(axes)
        for axis, points in enumerate(shape):
            count = points / spacing
            if axis in moving and abs(count - round(count)) > _WHOLE:
                raise InputError(f"A closed set on {points} points needs a spacing that divides it, not {spacing:g}.")
            columns.append([spacing * step for step in range(round(count))] if axis in moving else [0.0])
        return cls(tuple(itertools.product(*columns)))

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dims(self) -> int:
        """Space axes."""
        return len(self.vectors[0])

    @cached_property
    def whole(self) -> bool:
        """Whether all are whole numbers of cells, so that moving is exact."""
        return all(abs(part - round(part)) < _WHOLE for vector in self.vectors for part in vector)

    def moving(self) -> tuple[int, ...]:
        """Axes along which some member moves."""
        return tuple(axis for axis in range(self.dims) if any(vector[axis] for vector in self.vectors))

    def require_fits(self, shape: Sequence[int]) -> None:
        """Raise unless all members are different on a grid.

        Raises:
            InputError: two of them differ by whole turns of the grid.
        """
        if len(shape) != self.dims:
            raise InputError(f"The velocities have {self.dims} components and the grid {len(shape)} axes.")
        places = {self._place(vector, shape) for vector in self.vectors}
        if len(places) < len(self):
            size = " x ".join(str(points) for points in shape)
            raise InputError(
                f"The set of {len(self)} velocities is larger than the grid of {size} points: some of them move it by "
                "the same, a whole turn apart; take a smaller set or a finer grid."
            )

    def after(self, shift: Sequence[float], shape: Sequence[int]) -> list[int | None]:
        """For each member v the number of the member v - shift on a grid, or None where that is not in the set.

        An input that moves with the flow ``shift`` leaves in slice v what the input at rest leaves in slice v - shift,
        moved; members with a number are those that the set *covers*.
        """
        known = {self._place(vector, shape): number for number, vector in enumerate(self.vectors)}
        moved = (tuple(a - b for a, b in zip(vector, shift, strict=True)) for vector in self.vectors)
        return [known.get(self._place(vector, shape)) for vector in moved]

    def closed(self, shape: Sequence[int]) -> bool:
        """Whether the set is a group on a grid."""
        return all(None not in self.after(vector, shape) for vector in self.vectors)

    def describe(self, shape: Sequence[int]) -> str:
        """One line: how many, how far, and whether closed or truncated on a grid."""
        reach = max(abs(part) for vector in self.vectors for part in vector)
        kind = "closed" if self.closed(shape) else "truncated"
        return f"{len(self)} velocities up to {reach:g} cells per frame along an axis, {kind}"

    @staticmethod
    def _place(vector: Sequence[float], shape: Sequence[int]) -> tuple[int, ...]:
        """What tells a velocity from others on a grid, to a millionth of a cell."""
        turns = zip(vector, shape, strict=True)
        return tuple(round(part * 1_000_000) % (points * 1_000_000) for part, points in turns)
