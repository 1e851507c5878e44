"""Public conformance suites: whether a problem, a network or a data set keeps what sciflow expects of it.

Each suite comes in two forms: ``check_...`` raises AssertionError that names every failed check, for tests;
``run_..._checks`` gives the list of `Check` results, for tables.

Example, in the tests of a plug-in:
    >>> from sciflow.testing import check_problem
    >>> check_problem("heat", solve=False)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sciflow.testing.dataset import check_dataset, run_dataset_checks
    from sciflow.testing.model import check_model, run_model_checks
    from sciflow.testing.problem import check_problem, run_problem_checks
    from sciflow.testing.report import Check

_HOME = {
    "Check": "report",
    "check_dataset": "dataset",
    "check_model": "model",
    "check_problem": "problem",
    "run_dataset_checks": "dataset",
    "run_model_checks": "model",
    "run_problem_checks": "problem",
}

__all__ = [
    "Check",
    "check_dataset",
    "check_model",
    "check_problem",
    "run_dataset_checks",
    "run_model_checks",
    "run_problem_checks",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sciflow.testing' has no attribute {name!r}")
    return getattr(import_module(f"sciflow.testing.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
