"""Training of networks on data sets: `Surrogate` (fit, predict, save, load, export) and its settings, `Training`."""

from __future__ import annotations

from sciflow.training.config import Training
from sciflow.training.loggers import Logger, loggers, open_logger
from sciflow.training.progress import OnStep, Record
from sciflow.training.surrogate import Surrogate

__all__ = ["Logger", "OnStep", "Record", "Surrogate", "Training", "loggers", "open_logger"]
