"""Finite sets of rotation rates: the generators of turning flows that a network keeps a slice of memory for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self, final

from sciflow.core.errors import InputError

_WHOLE = 1e-6  # degrees below which two angles are the same


@final
@dataclass(frozen=True)
class Rotations:
    """A set V of rotation rates in degrees per frame, from the x axis towards the y axis.

    Rates are defined modulo a whole turn. The set is *closed* if the sum of any two of its members is one of them;
    turning the input at one of its rates then only permutes the slices. Otherwise it is *truncated*.

    Args:
        rates: the members.

    Raises:
        InputError: there is no member, two are the same, or one is not finite.
    """

    rates: tuple[float, ...]

    def __post_init__(self) -> None:
        rates = tuple(float(rate) for rate in self.rates)
        if not rates or not all(math.isfinite(rate) for rate in rates):
            raise InputError(f"A set of rotation rates needs finite numbers of degrees per frame, not {self.rates!r}.")
        object.__setattr__(self, "rates", rates)
        if len({_place(rate) for rate in rates}) < len(rates):
            raise InputError(f"Two of the rates {list(rates)} are a whole turn apart or the same; give each once.")

    @classmethod
    def box(cls, radius: int, spacing: float) -> Self:
        """The multiples -radius … radius of ``spacing``."""
        return cls(tuple(spacing * step for step in range(-radius, radius + 1)))

    @classmethod
    def ring(cls, spacing: float) -> Self:
        """The closed set: all multiples of ``spacing`` up to a whole turn.

        Raises:
            InputError: a whole turn is no multiple of the spacing.
        """
        count = round(360 / spacing)
        if count < 1 or abs(count * spacing - 360) > _WHOLE:
            raise InputError(f"A closed set of rates needs a spacing that divides 360 degrees, not {spacing:g}.")
        return cls(tuple(spacing * step for step in range(count)))

    def __len__(self) -> int:
        return len(self.rates)

    def after(self, shift: float) -> list[int | None]:
        """For each member the number of the member ``shift`` below it, or None where that is not in the set.

        An input that turns at the rate ``shift`` leaves in slice v what the input at rest leaves in slice v - shift,
        turned; members with a number are those that the set *covers*.
        """
        known = {_place(rate): number for number, rate in enumerate(self.rates)}
        return [known.get(_place(rate - shift)) for rate in self.rates]

    @property
    def closed(self) -> bool:
        """Whether the set is a group."""
        return all(None not in self.after(rate) for rate in self.rates)

    def describe(self) -> str:
        """One line: how many, how fast, and whether closed or truncated."""
        reach = max(abs(rate) for rate in self.rates)
        return f"{len(self)} rates up to {reach:g} degrees per frame, {'closed' if self.closed else 'truncated'}"


def _place(rate: float) -> int:
    """What tells a rate from others, to a millionth of a degree."""
    return round(rate / _WHOLE) % round(360 / _WHOLE)
