"""Several data sets on one page, against numbers worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from sciflow.evaluation import Results
from sciflow.evaluation.collection_table import combined, geometric_mean, relative_nrmse

Make = Callable[..., Results]


def test_relative_nrmse(make_results: Make) -> None:
    """sqrt of each case, then the mean: (0.1 + 0.3) / 2 against sqrt(0.25)."""
    made = make_results({"net": [[0.01, 0.09]], "broken": [[math.inf, 0.1]]}, held=0.25)
    assert relative_nrmse(made, "net") == pytest.approx(0.2 / 0.5)
    assert relative_nrmse(made, "broken") == math.inf
    assert math.isnan(relative_nrmse(made, "other"))
    assert relative_nrmse(make_results({"net": [[0.1]], "exact": [[0.0]]}, held=0.0), "net") == math.inf
    assert relative_nrmse(make_results({"exact": [[0.0]]}, held=0.0), "exact") == 1.0


def test_geometric_mean() -> None:
    assert geometric_mean([0.1, 0.4]) == pytest.approx(0.2)
    assert geometric_mean([0.0, 0.4]) == 0.0 and geometric_mean([math.inf, 0.0]) == math.inf
    assert math.isnan(geometric_mean([0.1, math.nan]))


def test_page(make_results: Make) -> None:
    net = {"seconds_per_frame": 0.01, "training_seconds": 90.0, "learns": True}
    costs = {"net": net, "solver": {"seconds_per_frame": 0.1, "points": 16.0}}
    cases = {"train": 4, "all": 8}
    waves = make_results(
        {"net": [[0.01, 0.01]], "tree": [[0.16, 0.16]], "solver": [[0.01, 0.01]]},
        costs,
        title="Waves",
        nrmse=True,
        generation_seconds=0.0,
        cases=cases,
    )
    darcy = make_results(
        {"net": [[0.04, 0.04]], "kernel": [[0.01, 0.01]]}, held=0.25, horizon=1, task={"kind": "map"}, nrmse=True
    )
    text = combined({"waves": waves, "darcy": darcy})
    sections = text.split("\n## ")
    assert [section.splitlines()[0].removeprefix("## ") for section in sections] == [
        "waves: Waves",
        "darcy",
        "All data sets",
    ]
    first, second, last = sections
    assert "NMSE, 10 steps [95% CI] | nRMSE | x over persistence | training s | ms/frame | break-even, solves" in first
    assert "| net | 0.01 [0.01, 0.01] | 0.1 | 100 [100, 100] |" not in first  # short: no interval of the factor
    assert "| net | 0.01 [0.01, 0.01] | 0.1 | 100 | 90.0 | 10 | 100 | solver (NMSE 0.01) |" in first
    assert "NMSE [95% CI] | nRMSE | x over training mean |" in second and "break-even" not in second
    rows = {row.split(" | ")[0].removeprefix("| "): row for row in last.splitlines() if row.startswith("| ")}
    errors, relative, paid = last.split("method | waves | darcy")[1:]
    assert "| net | 0.01 (0.1) | 0.04 (0.2) |" in errors and "| tree | 0.16 (0.4) | - |" in errors
    assert "| net | 0.1 | 0.4 | 0.2 |" in relative  # the geometric mean of 0.1 and 0.4
    assert "| kernel | - | 0.2 | - |" in relative  # not scored on both
    assert "| net | 100 [100, 100] | - |" in paid
    assert relative.index("| net |") < relative.index("| tree |") and set(rows) >= {"net", "tree", "kernel", "solver"}
    assert "Geometric mean: over all data sets" in last
