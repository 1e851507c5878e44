"""Settings of physics-informed solvers, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from sciflow.core.config import Config, validate
from sciflow.pinn.networks import Kind


class Phase(Config):
    """One optimiser.

    Attributes:
        method: ``"adam"``, ``"soap"``, ``"lbfgs"``, ``"broyden"`` or ``"levenberg-marquardt"``.
        steps: at most so many.
        seconds: at most so long, compilation not counted.
        options: of the optimiser.
        chunk: steps between two looks at the clock; by default those after which points are drawn anew, or 100, and 10
            of Levenberg-Marquardt.
    """

    method: str
    steps: int = Field(ge=1)
    seconds: float | None = Field(default=None, gt=0)
    options: dict[str, Any] = {}
    chunk: int | None = Field(default=None, ge=1)

    def stride(self, resample: int, done: int = 0) -> int:
        """Steps to the next look at the clock, which is also due where points are drawn anew."""
        own = self.chunk or (10 if self.method == "levenberg-marquardt" else resample or 100)
        return min(own, resample - done % resample, self.steps - done) if resample else min(own, self.steps - done)


class Settings(Config):
    """How a physics-informed network is built and trained.

    Attributes:
        width, depth, network: of the hidden layers, and their kind.
        hard: conditions by construction where they can be.
        mirrors: symmetries of the case by construction too (see `sciflow.pinn.mirrors`); not without `hard`.
        points: collocation points; `boundary_points` for each condition that is left to the loss.
        resample: steps after which new points are drawn; 0 keeps them.
        adaptive: new points where the residual is large.
        condition_weight: of the terms of conditions in the loss; the equations have 1.
        phases: optimisers, one after the other.
        causal: tolerance of causal weights, which let early times be learnt before late ones; see
            `sciflow.pinn.causal`.
        seconds: for all of them, compilation not counted.
        target: a loss that is low enough to stop at.
        precision: ``"float64"`` for the dense quasi-Newton methods; ``"float32"`` suffices for Adam.
        seed: of weights and points.
    """

    width: int = Field(default=20, ge=1)
    depth: int = Field(default=3, ge=1)
    network: Kind = "mlp"
    hard: bool = True
    mirrors: bool = True
    points: int = Field(default=2000, ge=16)
    boundary_points: int = Field(default=200, ge=4)
    resample: int = Field(default=250, ge=0)
    adaptive: bool = True
    condition_weight: float = Field(default=1.0, gt=0)
    causal: float | None = Field(default=None, gt=0)
    phases: tuple[Phase, ...] = (
        Phase(method="adam", steps=1000),
        Phase(method="broyden", steps=100000),
    )
    seconds: float | None = Field(default=60.0, gt=0)
    target: float | None = Field(default=None, gt=0)
    precision: Literal["float32", "float64"] = "float64"
    seed: int = Field(default=0, ge=0)

    @classmethod
    def make(cls, values: Mapping[str, Any]) -> Settings:
        """Settings from a mapping.

        Raises:
            InputError: a name is unknown or a value out of range.
        """
        return validate(cls, values, "the settings")
