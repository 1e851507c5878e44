"""The settings of a training run."""

from __future__ import annotations

from typing import Literal, final

from pydantic import Field

from sciflow.core.config import Config


@final
class Training(Config):
    """How a surrogate is trained; the defaults suit networks of 0.1 to 5 million parameters on 2-D flows.

    Attributes:
        steps: optimiser steps; the schedule spans exactly these (1000 to 3000 on small data sets).
        batch_size: windows per step.
        learning_rate: peak rate of AdamW.
        weight_decay: decoupled weight decay of AdamW.
        warmup: fraction of the steps over which the rate rises linearly to its peak.
        schedule: after the warm-up, ``"cosine"`` (half a cosine down to 0) or ``"constant"``.
        clip: largest Euclidean norm of the gradient; None leaves gradients as they are.
        ema: largest decay of the running average of the weights; 0 keeps the last weights instead.
        predict: the network gives the normalised ``"increment"`` between frames or the normalised next ``"state"``.
        frames_in: context frames T_in that the network sees.
        frames_out: frames T_out that one network call gives.
        validate_every: steps between validations; None means ten validations in a run.
        patience: stop after so many validations without a better error, and keep the weights of the best one; None
            trains all steps and keeps the last averaged weights.
        seed: of initial weights, batches and random layers.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
        precision: ``"32-true"``, or ``"bf16-mixed"`` for the networks' matrix products while training.
        threads: CPU threads while training and predicting; None leaves torch's choice.
    """

    steps: int = Field(2000, ge=1)
    batch_size: int = Field(16, ge=1)
    learning_rate: float = Field(2e-3, gt=0, allow_inf_nan=False)
    weight_decay: float = Field(1e-4, ge=0, allow_inf_nan=False)
    warmup: float = Field(0.05, ge=0, le=1)
    schedule: Literal["cosine", "constant"] = "cosine"
    clip: float | None = Field(1.0, gt=0)
    ema: float = Field(0.995, ge=0, lt=1)
    predict: Literal["increment", "state"] = "increment"
    frames_in: int = Field(1, ge=1)
    frames_out: int = Field(1, ge=1)
    validate_every: int | None = Field(None, ge=1)
    patience: int | None = Field(None, ge=1)
    seed: int = Field(0, ge=0)
    device: str = "auto"
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    threads: int | None = Field(None, ge=1)

    @property
    def validation_interval(self) -> int:
        """Steps between validations."""
        return self.validate_every or max(1, self.steps // 10)
