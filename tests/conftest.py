"""Settings shared by all tests."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("MPLBACKEND", "Agg")
if "PYTEST_XDIST_WORKER" in os.environ:  # several processes share the cores, so each computes with one thread
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")

settings.register_profile(
    "sciflow", deadline=None, max_examples=25, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("sciflow")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--results", metavar="FILE", help="write what tests measured (record_property) as a table")


def pytest_collection_finish() -> None:
    """Collect garbage more rarely, and never look at what was imported."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Table of measured figures with their bars, also in FILE."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    rows = sorted((name, *value) for report in reports for name, value in getattr(report, "user_properties", []))
    path = config.getoption("--results")
    if not rows or path is None:
        return
    lines = [
        "# Measured by the slow tests",
        "",
        "Command: `make test-slow`.",
        "",
        "| figure | measured | bar |",
        "|---|---|---|",
    ]
    lines += [f"| {name} | {value:.3g} | {bar} |" for name, value, bar in rows]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
    terminalreporter.write_line(f"measured figures: {path}")
