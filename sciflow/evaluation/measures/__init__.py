"""Metrics by name; each docstring gives the formula and the order of reductions."""

from __future__ import annotations

from sciflow.core.registry import Registry
from sciflow.evaluation.measures.base import Frames, Metric
from sciflow.evaluation.measures.physics import ConservedError, Divergence
from sciflow.evaluation.measures.pointwise import MaxError, MeanAbsoluteError, MeanSquaredError, RootMeanSquaredError
from sciflow.evaluation.measures.relative import (
    Gain,
    NormalisedMeanSquaredError,
    NormalisedRootMeanSquaredError,
    PersistenceError,
    Skill,
    VarianceScaledError,
)

metrics: Registry[type[Metric]] = Registry("metric", "sciflow.metrics")
for _metric in (
    MeanSquaredError,
    RootMeanSquaredError,
    MeanAbsoluteError,
    MaxError,
    NormalisedMeanSquaredError,
    NormalisedRootMeanSquaredError,
    VarianceScaledError,
    PersistenceError,
    Gain,
    Skill,
    ConservedError,
    Divergence,
):
    metrics.add(_metric.name, _metric)

__all__ = ["Frames", "Metric", "metrics"]
