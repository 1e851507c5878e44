"""What else is known of an equation: conservation laws and symmetries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sympy

from sciflow.problems.symbols import plain


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
    """A one-parameter group that maps solutions to solutions.

    kind ``"translation"``: shift along `axis`; kind ``"galilean"``: shift by ``c t`` along `axis` together with
    ``velocity -> velocity + c``.
    """

    kind: str
    axis: str
    velocity: str = ""


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
    """Invariance under a boost: x -> x + c t, velocity -> velocity + c."""
    return Symmetry("galilean", axis, plain(velocity).func.__name__)
