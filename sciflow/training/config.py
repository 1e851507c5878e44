"""The settings of a training run."""

from __future__ import annotations

from typing import Literal, Self, final

from pydantic import Field, model_validator

from sciflow.core.config import Config
from sciflow.core.errors import InputError


@final
class Training(Config):
    """How a surrogate is trained; the defaults suit networks of 0.1 to 5 million parameters on 2-D flows.

    Attributes:
        steps: optimiser steps; the schedule spans exactly these (1000 to 3000 on small data sets).
        batch_size: windows per step.
        optimizer: ``"adamw"``, or ``"adam"``, which adds weight decay to the gradient instead.
        learning_rate: peak rate.
        weight_decay: of the optimizer; decoupled in AdamW.
        warmup: fraction of the steps over which the rate rises linearly to its peak.
        schedule: after the warm-up, ``"cosine"`` (half a cosine down to 0), ``"constant"``, or ``"step"``: times
            ``decay`` after every ``decay_every`` steps, counted from the first.
        decay: factor of the schedule "step".
        decay_every: steps of the schedule "step"; None means a fifth of all, as 20 of 100 epochs in CFDBench.
        clip: largest Euclidean norm of the gradient; None leaves gradients as they are.
        ema: largest decay of the running average of the weights; 0 keeps the last weights instead.
        loss: ``"mse"`` (mean square in normalised units) or ``"relative"`` (relative L2 norm of each field in each
            window, the mean over a batch of ``(sum of (x - y)^2 / sum of y^2)^(1/2)``), with which published maps such
            as that of Darcy flow are trained, or ``"nmse"`` (``sum of (x - y)^2 / sum of y^2`` over a whole batch and
            all its fields, in physical units), that of CFDBench, or ``"nll"`` (negative log-likelihood of a normal law
            in normalised units, weighted by its deviation), with which the network learns a variance too; see
            :class:`~sciflow.training.step.StepModel`.
        normalise: ``"train"`` (statistics of the training cases), ``"none"`` (fields as they are, the rest as before;
            for images in 0 … 1) or ``"cfdbench"`` (the constants of that benchmark, which leave fields as they are
            too); see :class:`~sciflow.data.normalise.Normaliser`.
        predict: the network gives the normalised ``"increment"`` between frames or the normalised ``"state"``; None
            means increments where there are context frames, else states.
        frames_in: context frames T_in that the network sees; with 0 it does not forecast but finds each frame from
            input fields, parameters and time.
        frame_step: frames of the data from each frame of a window to the next; a step of the network spans as many.
        frames_out: frames T_out that one network call gives; 1 where ``frames_in`` is 0.
        unroll: network calls in a training window, each on the output of the one before; the error is the mean over
            their frames (2 to 5, against errors that grow in long forecasts; a step costs as many times more, and the
            frames of a case must be equally spaced).
        unroll_from: fraction of the steps before which windows are of one call all the same.
        pushforward: with ``unroll`` above 1, only the last call counts and is differentiated.
        points: train on so many cells, drawn with replacement anew in each step and shared by its batch, instead of
            all; for networks that find each point by itself, with ``frames_in = 0`` (1000 in CFDBench).
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
    optimizer: Literal["adamw", "adam"] = "adamw"
    learning_rate: float = Field(2e-3, gt=0, allow_inf_nan=False)
    weight_decay: float = Field(1e-4, ge=0, allow_inf_nan=False)
    warmup: float = Field(0.05, ge=0, le=1)
    schedule: Literal["cosine", "constant", "step"] = "cosine"
    decay: float = Field(0.9, gt=0, le=1)
    decay_every: int | None = Field(None, ge=1)
    clip: float | None = Field(1.0, gt=0)
    ema: float = Field(0.995, ge=0, lt=1)
    loss: Literal["mse", "relative", "nmse", "nll"] = "mse"
    normalise: Literal["train", "none", "cfdbench"] = "train"
    predict: Literal["increment", "state"] | None = None
    frames_in: int = Field(1, ge=0)
    frames_out: int = Field(1, ge=1)
    frame_step: int = Field(1, ge=1)
    unroll: int = Field(1, ge=1)
    unroll_from: float = Field(0.0, ge=0, lt=1)
    pushforward: bool = False
    points: int | None = Field(None, ge=1)
    validate_every: int | None = Field(None, ge=1)
    patience: int | None = Field(None, ge=1)
    seed: int = Field(0, ge=0)
    device: str = "auto"
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    threads: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not self.frames_in:
            if self.predict == "increment":
                raise InputError("predict 'increment' needs context frames; with frames_in = 0 use 'state'.")
            if self.frames_out > 1 or self.unroll > 1:
                raise InputError("with frames_in = 0 each frame stands alone; use frames_out = 1 and unroll = 1.")
        if self.pushforward and self.unroll == 1:
            raise InputError("pushforward needs windows of several calls; set unroll to 2 or more.")
        if self.points is not None and self.frames_in:
            raise InputError("points are for networks without context frames; set frames_in to 0 or leave points out.")
        return self

    @property
    def output(self) -> Literal["increment", "state"]:
        """What the network's output means, where ``predict`` leaves it open too."""
        return self.predict or ("increment" if self.frames_in else "state")

    @property
    def validation_interval(self) -> int:
        """Steps between validations."""
        return self.validate_every or max(1, self.steps // 10)
