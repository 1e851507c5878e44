"""Metrics by name; each docstring gives the formula and the order of reductions."""

from __future__ import annotations

from sciflow.core.registry import Registry
from sciflow.evaluation.measures.base import Frames, Metric
from sciflow.evaluation.measures.cfdbench import CfdBenchMae, CfdBenchMse, CfdBenchNmse, ScoredFrames
from sciflow.evaluation.measures.compatible import ApeBenchError, PdeBenchError, WellError
from sciflow.evaluation.measures.conserved import ConservationBias, ConservationError, ConservationRelative
from sciflow.evaluation.measures.equivariance import EquivarianceError
from sciflow.evaluation.measures.flow import EnergyError, EnstrophyError
from sciflow.evaluation.measures.forces import DragError, LiftError
from sciflow.evaluation.measures.gradients import GradientError, SobolevError
from sciflow.evaluation.measures.horizon import CorrelationTime
from sciflow.evaluation.measures.physics import ConservedError, Divergence
from sciflow.evaluation.measures.pointwise import (
    BoundaryError,
    MaxError,
    MeanAbsoluteError,
    MeanSquaredError,
    RootMeanSquaredError,
)
from sciflow.evaluation.measures.relative import (
    Gain,
    NormalisedMeanSquaredError,
    NormalisedRootMeanSquaredError,
    PersistenceError,
    Skill,
    VarianceScaledError,
)
from sciflow.evaluation.measures.residual import EquationError
from sciflow.evaluation.measures.sections import MassFluxError, ProfileError
from sciflow.evaluation.measures.shock import ShockPositionError
from sciflow.evaluation.measures.spectra import HighFourierError, LowFourierError, MiddleFourierError, SpectralError
from sciflow.evaluation.measures.uncertainty import (
    CalibrationError,
    Coverage,
    LogLikelihood,
    RankedProbability,
    Sharpness,
)
from sciflow.evaluation.measures.wake import StrouhalError

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
    BoundaryError,
    LowFourierError,
    MiddleFourierError,
    HighFourierError,
    SpectralError,
    GradientError,
    SobolevError,
    CorrelationTime,
    ConservedError,
    ConservationError,
    ConservationBias,
    ConservationRelative,
    Divergence,
    EnergyError,
    EnstrophyError,
    EquationError,
    EquivarianceError,
    RankedProbability,
    Coverage,
    LogLikelihood,
    CalibrationError,
    Sharpness,
    ShockPositionError,
    PdeBenchError,
    WellError,
    ApeBenchError,
    StrouhalError,
    DragError,
    LiftError,
    MassFluxError,
    ProfileError,
    CfdBenchNmse,
    CfdBenchMse,
    CfdBenchMae,
    ScoredFrames,
):
    metrics.add(_metric.name, _metric)

__all__ = ["Frames", "Metric", "metrics"]
