"""What a network sees of the coordinates: exact periods, and the unit interval elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

from sciflow.pinn.functions import Values
from sciflow.pinn.series import Series, sin_cos, stack
from sciflow.problems.compile import Orders


@dataclass(frozen=True)
class Embedding:
    """Rows of inputs: cos and sin along each periodic coordinate, -1 to 1 along others.

    Attributes:
        names: coordinates, time first.
        bounds: low and high end of each.
        periodic: names of those that are periodic; any function of the embedding then has that period exactly, with all
            its derivatives (Dong and Ni (2021), J. Comput. Phys. 435, 110242).
        mirrors: names of those about whose middle all rows are even: the cosines alone, or the even Chebyshev
            polynomial of lowest degree.
    """

    names: tuple[str, ...]
    bounds: tuple[tuple[float, float], ...]
    periodic: tuple[str, ...] = ()
    mirrors: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Number of inputs."""
        return sum(2 if name in self.periodic and name not in self.mirrors else 1 for name in self.names)

    def __call__(self, values: Values, orders: tuple[Orders, ...]) -> Series:
        """The rows at coordinates (N,)."""
        parts: list[Series] = []
        for axis, (name, (low, high)) in enumerate(zip(self.names, self.bounds, strict=True)):
            place = Series.coordinate(orders, axis, values[name])
            if name in self.periodic:
                sine, cosine = sin_cos((place - low) * (2 * pi / (high - low)))
                parts += [cosine] if name in self.mirrors else [cosine, sine]
            else:
                unit = (place - low) * (2 / (high - low)) - 1.0
                parts.append(unit * unit * 2.0 - 1.0 if name in self.mirrors else unit)
        return stack(parts)
