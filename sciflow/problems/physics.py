"""What else is known of an equation: conservation laws and symmetries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sympy
from sympy.core.function import AppliedUndef

from sciflow.core.errors import InputError
from sciflow.problems.symbols import Parameter, plain


@dataclass(frozen=True)
class Conservation:
    """d/dt (integral of density) + (flux through the boundary) = 0, in flux form ``density_t + div flux = 0``.

    Attributes:
        total: the integral of the density over the domain, as an expression of t and parameters, where it is known.
        inflow: the net rate at which the density enters through the boundary, d(total)/dt, likewise.
    """

    name: str
    density: sympy.Expr
    flux: tuple[sympy.Expr, ...]
    total: sympy.Expr | None = None
    inflow: sympy.Expr | None = None


@dataclass(frozen=True)
class Symmetry:
    """A one-parameter group that maps solutions to solutions, f'(t, x) = f(t, x - c t) for ``"galilean"``.

    Attributes:
        kind: ``"translation"``: shift along `axis`. ``"galilean"``: shift by c t along `axis` while every one of the
            `velocities` rises by c; a velocity that is a field changes its values, one that is a parameter leaves the
            values of all fields as they are. ``"rotation"``: turn by the angle c t, from x towards y, about the centre
            of the domain while every one of the `velocities` (rates) rises by c.
        axis: name of a coordinate; ``"xy"`` for a rotation.
        velocity: name of a field or parameter, or names of several parameters.
    """

    kind: str
    axis: str
    velocity: str | tuple[str, ...] = ""

    @property
    def velocities(self) -> tuple[str, ...]:
        """Names of the field or of the parameters that rise by c; none for a translation."""
        return ((self.velocity,) if self.velocity else ()) if isinstance(self.velocity, str) else self.velocity

    def __str__(self) -> str:
        by = f" by {', '.join(self.velocities)}" if self.velocities else ""
        return f"{self.kind} in {self.axis}{by}"


def conservation(
    name: str, density: Any, flux: Sequence[Any], *, total: Any = None, inflow: Any = None
) -> Conservation:
    """The law ``density_t + div(flux) = 0``; `flux` has one entry for each space coordinate.

    Args:
        total: the integral of the density over the domain in closed form, b(t), an expression of t and parameters.
        inflow: the net rate at which it enters through the boundary, b'(t), likewise.
    """
    known = (None if value is None else plain(value) for value in (total, inflow))
    return Conservation(name, plain(density), tuple(plain(component) for component in flux), *known)


def translation(axis: str) -> Symmetry:
    """Invariance under shifts along a periodic axis."""
    return Symmetry("translation", axis)


def galilean(axis: str, velocity: Any) -> Symmetry:
    """Invariance under motion with a constant velocity c: x -> x + c t, velocity -> velocity + c.

    Args:
        velocity: a field, whose values rise by c (a boost); or a `Parameter` or several of them (the mean flow, or the
            velocities of all objects), which rise by c while no value of a field changes.

    Raises:
        InputError: the velocity is neither one field nor Parameters, or names a Parameter twice.
    """
    if isinstance(velocity, AppliedUndef):
        return Symmetry("galilean", axis, velocity.func.__name__)
    return Symmetry("galilean", axis, _names("velocity of galilean", "one field, or ", velocity))


def rotation(rate: Any) -> Symmetry:
    """Invariance of scalar fields under turning at a constant rate c about the domain's centre: rate -> rate + c.

    Args:
        rate: a `Parameter`, or several of them (one for each object): an angle per unit of time in the unit that it
            declares, such as deg/s, positive from x towards y.

    Raises:
        InputError: the rate is no Parameter, or names one twice.
    """
    return Symmetry("rotation", "xy", _names("rate of rotation", "", rate))


def _names(what: str, else_: str, given: Any) -> str | tuple[str, ...]:
    """Name of a parameter, or names of several."""
    parameters = list(given) if isinstance(given, Sequence) else [given]
    if not parameters or not all(isinstance(parameter, Parameter) for parameter in parameters):
        raise InputError(f"The {what} is {given!r}; expected {else_}a Parameter or a sequence of them.")
    names = tuple(parameter.name for parameter in parameters)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"The {what} lists {twice!r} twice; list every Parameter once.")
    return names[0] if len(names) == 1 else names
