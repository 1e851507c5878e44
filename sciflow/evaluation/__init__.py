"""Evaluation: metrics, tasks, suites and their runner, statistics, leaderboard and report.

Names are imported when they are first used; pandas comes with the first of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sciflow.evaluation.breakeven import BreakEven, break_even
    from sciflow.evaluation.callable_method import CallableMethod
    from sciflow.evaluation.equivariance import equivariance_error
    from sciflow.evaluation.forecast import Evaluation, evaluate
    from sciflow.evaluation.horizon import Horizon
    from sciflow.evaluation.lead_times import mean_curves
    from sciflow.evaluation.measures import Frames, Metric, metrics
    from sciflow.evaluation.methods import build
    from sciflow.evaluation.page import report
    from sciflow.evaluation.predictions import PredictionFile, save_predictions
    from sciflow.evaluation.ranking import leaderboard
    from sciflow.evaluation.results import Results
    from sciflow.evaluation.runner import run
    from sciflow.evaluation.scoring import score
    from sciflow.evaluation.statistics import Interval, bootstrap_mean, bootstrap_ratio
    from sciflow.evaluation.suite import Suite, load_suite
    from sciflow.evaluation.tasks import FieldTask, ForecastTask

_HOMES = {
    "breakeven": ("BreakEven", "break_even"),
    "callable_method": ("CallableMethod",),
    "equivariance": ("equivariance_error",),
    "forecast": ("Evaluation", "evaluate"),
    "horizon": ("Horizon",),
    "lead_times": ("mean_curves",),
    "methods": ("build",),
    "measures": ("Frames", "Metric", "metrics"),
    "predictions": ("PredictionFile", "save_predictions"),
    "page": ("report",),
    "ranking": ("leaderboard",),
    "results": ("Results",),
    "runner": ("run",),
    "scoring": ("score",),
    "statistics": ("Interval", "bootstrap_mean", "bootstrap_ratio"),
    "suite": ("Suite", "load_suite"),
    "tasks": ("FieldTask", "ForecastTask"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "BreakEven",
    "CallableMethod",
    "Evaluation",
    "FieldTask",
    "ForecastTask",
    "Frames",
    "Horizon",
    "Interval",
    "Metric",
    "PredictionFile",
    "Results",
    "Suite",
    "bootstrap_mean",
    "bootstrap_ratio",
    "break_even",
    "build",
    "equivariance_error",
    "evaluate",
    "leaderboard",
    "load_suite",
    "mean_curves",
    "metrics",
    "report",
    "run",
    "save_predictions",
    "score",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'sciflow.evaluation' has no attribute '{name}'")
    value = getattr(import_module(f"sciflow.evaluation.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
