"""Training of networks on data sets: `Surrogate` (fit, predict, save, load) and its settings, `Training`."""

from __future__ import annotations

from sciflow.training.config import Training
from sciflow.training.progress import OnStep, Record
from sciflow.training.surrogate import Surrogate

__all__ = ["OnStep", "Record", "Surrogate", "Training"]
