"""Subgrid models for a channel on a coarse grid, by name."""

from __future__ import annotations

from typing import Literal

from sciflow.core.errors import InputError, near
from sciflow.solvers.channel.stepping import Subgrid
from sciflow.solvers.channel.subgrid.smagorinsky import DynamicSmagorinsky
from sciflow.solvers.channel.subgrid.stress import EddyViscosity
from sciflow.solvers.channel.subgrid.wale import Wale

SubgridName = Literal["none", "smagorinsky", "wale"]
NAMES = ("none", "smagorinsky", "wale")


def subgrid_model(name: str, nu: float) -> Subgrid | None:
    """None, the dynamic Smagorinsky model averaged over planes, or WALE; `nu` is the viscosity of the fluid.

    Raises:
        InputError: there is no such model.
    """
    if name not in NAMES:
        raise InputError(f"There is no subgrid model {name!r}; use one of {', '.join(NAMES)}.{near(name, NAMES)}")
    if name == "none":
        return None
    return EddyViscosity(DynamicSmagorinsky(nu) if name == "smagorinsky" else Wale())
