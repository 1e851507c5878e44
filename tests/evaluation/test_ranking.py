"""The leaderboard against numbers worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from sciflow.core import InputError
from sciflow.evaluation import Results, leaderboard, report
from sciflow.evaluation.ranking import as_json, as_table, columns, markdown, rich_table, short
from sciflow.evaluation.results import COLUMNS, CURVE_COLUMNS

ERRORS = {"good": [[0.1, 0.3], [0.1, 0.5]], "bad": [[2.0, 8.0]], "broken": [[0.5, np.inf]]}
HELD = [1.0, 4.0]


def results() -> Results:
    """Two cases; "good" has two seeds, the errors of horizon 4 are ten times those of horizon 1."""
    rows, curves = [], []
    for method, seeds in ERRORS.items():
        for seed, cases in enumerate(seeds):
            for horizon in (1, 4):
                for case, (error, held) in enumerate(zip(cases, HELD, strict=True)):
                    key = ("small", method, seed, "random", horizon)
                    factor = 1.0 if horizon == 1 else 10.0
                    rows.append((*key, "nmse", "all", 7 + case, factor * error))
                    rows.append((*key, "persistence_nmse", "all", 7 + case, held))
                    curves += [(*key, "nmse", "all", step, case, step * error) for step in range(1, horizon + 1)]
                    curves += [(*key, "persistence_nmse", "all", step, case, held) for step in range(1, horizon + 1)]
    costs = [
        {"method": "good", "seed": seed, "parameters": 2.37e6, "training_seconds": 70.0 + 10 * seed} for seed in (0, 1)
    ]
    facts = {"suite": "small", "title": "A <small> suite", "budget": "none", "data": "waves.h5"}
    return Results(
        pd.DataFrame(rows, columns=COLUMNS),
        pd.DataFrame(curves, columns=CURVE_COLUMNS),
        pd.DataFrame(costs),
        facts,
        {"lost, seed 0": "ValueError: no"},
    )


def test_entries() -> None:
    good, bad, broken = leaderboard(results())
    assert (good.method, good.seeds, bad.method, broken.method) == ("good", 2, "bad", "broken")
    score = good.scores[1]
    assert score.nmse.value == pytest.approx(0.25)
    assert score.gain.value == pytest.approx(2.5 / 0.25)
    assert (score.worst, score.worst_case) == (pytest.approx(10.0), 7)  # 1 / 0.1, and 4 / 0.4 in the other case
    assert score.nmse.low <= 0.25 <= score.nmse.high
    assert good.scores[4].nmse.value == pytest.approx(2.5)
    assert good.cost == {"parameters": 2.37e6, "training_seconds": 75.0}
    assert bad.cost == {}
    assert broken.scores[1].gain.value == 0.0 and broken.scores[1].worst == 0.0
    assert broken.scores[1].nmse.value == np.inf


def test_texts() -> None:
    entries = leaderboard(results())
    text = markdown(entries)
    assert text.splitlines()[0].startswith(
        "| method | seeds | NMSE, 1 step [95% CI] | x over persistence | worst case x |"
    )
    assert "2.37 M" in text and "diverged" in text and "75.0" in text
    rows, notes = text.split("\n\n")
    assert len({line.count("|") for line in rows.splitlines()}) == 1
    assert "whole process" in notes and "earlier methods" in notes  # what the memory column can and cannot say
    console = Console(width=100, record=True, quiet=True)
    console.print(rich_table(entries, "small"))
    heads, rows = columns(entries)
    assert all(len(row) == len(heads) for row in rows)
    assert json.loads(as_json(entries))[2]["scores"]["1"]["nmse"]["value"] == "inf"
    table = as_table(entries).set_index("method")
    assert table.loc["good", "nmse_1"] == pytest.approx(0.25) and table.loc["bad", "worst_case_1"] == 7


def test_terminal_table_fits_into_100_columns() -> None:
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(rich_table(leaderboard(results()), "small"))
    text = console.export_text()
    assert "…" not in text and "good" in text and "2.37 M" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0341, "0.0341"), (4.2e-4, "4.20e-4"), (81.04, "81"), (751.2, "751"), (1.5e10, "1.50e10"), (np.inf, "diverged")],
)
def test_short_numbers(value: float, text: str) -> None:
    assert short(value) == text


def test_files_are_read_back(tmp_path: Path) -> None:
    first = results()
    first.write(tmp_path)
    again = Results.read(tmp_path)
    pd.testing.assert_frame_equal(first.table, again.table)
    pd.testing.assert_frame_equal(first.curves, again.curves)
    assert again.failures == first.failures and again.facts == first.facts
    assert json.loads((tmp_path / "results.json").read_text())["results"][0]["method"] == "good"
    with pytest.raises(InputError, match="holds no results"):
        Results.read(tmp_path / "elsewhere")


def test_report_is_one_page() -> None:
    made = results()
    page = report(made, leaderboard(made), command="sciflow bench run small.yaml")
    assert "A &lt;small&gt; suite" in page and "sciflow bench run small.yaml" in page and "ValueError: no" in page
    assert "data:image/png;base64," in page
    assert "http://" not in page and "https://" not in page and 'src="/' not in page
