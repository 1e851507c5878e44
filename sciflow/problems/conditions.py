"""Boundary conditions: what holds on a named side of the domain (``"x-"``, ``"y+"``, or an obstacle's name)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy

from sciflow.problems.symbols import plain


def _tuple(value: Any) -> tuple[Any, ...]:
    values = tuple(value) if isinstance(value, tuple | list | sympy.MatrixBase) else (value,)
    return tuple(plain(item) for item in values)


@dataclass(frozen=True)
class Condition:
    """What holds on one side; ``value`` has one entry for each component of the field."""

    value: Any = ()  # becomes a tuple

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", _tuple(self.value))

    @property
    def kind(self) -> str:
        return type(self).__name__

    def of(self, component: int) -> Condition:
        """The condition on one component of a vector field."""
        return type(self)(self.value[component : component + 1])

    def fits(self, components: int) -> bool:
        """Whether there is a value for each component, no more and no less."""
        return len(self.value) == components


@dataclass(frozen=True)
class Dirichlet(Condition):
    """u = value on the side; an expression of t, space, parameters and signals."""


@dataclass(frozen=True)
class Neumann(Condition):
    """du/dn = value on the side, n pointing outwards."""


@dataclass(frozen=True)
class Robin(Condition):
    """a u + b du/dn = value on the side."""

    a: Any = 1
    b: Any = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "a", plain(self.a))
        object.__setattr__(self, "b", plain(self.b))

    def of(self, component: int) -> Condition:
        return Robin(self.value[component : component + 1], self.a, self.b)


@dataclass(frozen=True)
class NoSlip(Condition):
    """All velocity components vanish: a wall at rest."""

    def of(self, component: int) -> Condition:
        return Dirichlet((0,))

    def fits(self, components: int) -> bool:
        return not self.value


@dataclass(frozen=True)
class Outflow(Condition):
    """The flow leaves freely; the solver chooses the discrete form."""

    def of(self, component: int) -> Condition:
        return Outflow()

    def fits(self, components: int) -> bool:
        return not self.value
