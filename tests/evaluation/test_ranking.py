"""The leaderboard against numbers worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from sciflow.core import InputError
from sciflow.evaluation import Results, leaderboard, report
from sciflow.evaluation.leaderboard_notes import left_out
from sciflow.evaluation.leaderboard_table import columns, markdown, rich_table
from sciflow.evaluation.number_text import short
from sciflow.evaluation.ranking import as_json, as_table
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


LADDER = {
    "solver, 16 x 16": {"seconds_per_frame": 0.1, "points": 256.0, "learns": False, "flops": None},
    "solver, 32 x 32": {"seconds_per_frame": 0.4, "points": 1024.0, "learns": False},
    "POD + ridge (roll-out)": {"seconds_per_frame": 0.9, "training_seconds": 0.05, "learns": True},
    "FNO": {
        "parameters": 2.37e6,
        "flops": 3.5e9,
        "tuning_seconds": 30.0,
        "training_seconds": 60.0,
        "seconds_per_frame": 0.05,
        "peak_memory": 2.0**20,
        "history": [[1.0, 0.5], [9.0, 0.1]],
        "learns": True,
    },
}
LADDER_ERRORS = {"solver, 16 x 16": 0.1, "solver, 32 x 32": 0.01, "POD + ridge (roll-out)": 0.5, "FNO": 0.02}


def full(make_results: Callable[..., Results], kind: str = "forecast") -> Results:
    """Solvers at two resolutions, a network and a baseline; the network and one solver also on a finer grid."""
    errors = {name: [[error, error]] for name, error in LADDER_ERRORS.items()}
    finer = {"FNO": [[0.04, 0.04]], "solver, 32 x 32": [[0.01, 0.01]]}
    steps = 1 if kind == "map" else 10
    made = make_results(errors, LADDER, horizon=steps, task={"kind": kind}, nrmse=kind == "map")
    made.facts.update(generation_seconds=100.0, cases={"train": 3, "valid": 1, "all": 4})
    other = make_results(finer, split="random@64", horizon=steps, nrmse=kind == "map").table
    return replace(made, table=pd.concat([made.table, other], ignore_index=True))


def test_all_costs_have_columns(make_results: Callable[..., Results]) -> None:
    entries = {entry.method: entry for entry in leaderboard(full(make_results))}
    fno = entries["FNO"]
    assert (fno.cost["flops"], fno.cost["tuning_seconds"]) == (3.5e9, 30.0)
    assert (fno.cost["seconds_to_target"], fno.cost["target_error"]) == (9.0, 0.1)
    assert fno.break_even is not None and fno.break_even.grid == "solver, 32 x 32"
    assert fno.break_even.solves.value == pytest.approx(190 / 3.5)
    assert fno.transfer["random@64"].nmse.value == pytest.approx(0.04) and fno.scores[10].nmse.value == 0.02
    assert entries["solver, 16 x 16"].transfer == {} and entries["solver, 16 x 16"].break_even is None
    text = markdown(list(entries.values()))
    heads, _, *rows = text.split("\n\n")[0].splitlines()
    assert heads.endswith(
        "| worst case x | NMSE at 64 [95% CI] | parameters | FLOPs/frame | tuning s | training s | s to target "
        "| ms/frame | peak MB | break-even, solves [95% CI] | matched at |"
    )
    (row,) = (row for row in rows if row.startswith("| FNO"))
    assert row.endswith(
        "| 50 | 0.04 [0.04, 0.04] | 2.37 M | 3.5 G | 30.0 | 60.0 | 9.0 | 50 | 1 | 55 [55, 55] "
        "| solver, 32 x 32 (NMSE 0.01) |"
    )
    (row,) = (row for row in rows if row.startswith("| POD"))
    assert row.endswith("| never [never, never] | solver, 16 x 16 (NMSE 0.1; solver still better) |")
    assert next(row for row in rows if row.startswith("| solver, 16")).count("| - |") > 0


def test_every_column_is_explained(make_results: Callable[..., Results]) -> None:
    for kind in ("forecast", "map"):
        text = markdown(leaderboard(full(make_results, kind)))
        explained = text.split("\n\n")[1].lower()
        for head in text.splitlines()[0].strip("| ").split(" | ")[2:]:
            assert f"{head.split(' [')[0].split(',')[0].split(' at ')[0].removesuffix(' x')}:".lower() in explained, (
                head
            )
    assert "fourier transforms and point-wise functions are not counted" in explained


def test_tasks_without_start_frames(make_results: Callable[..., Results]) -> None:
    text = markdown(leaderboard(full(make_results, "map")))
    assert text.startswith(
        "| method | seeds | NMSE [95% CI] | relative L2 [95% CI] | x over training mean | worst case x"
    )
    assert "| relative L2 at 64 [95% CI] |" in text and "| 0.2 [0.2, 0.2] |" in text
    assert "always giving the mean of the training cases" in text and "persistence" not in text
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(rich_table(leaderboard(full(make_results, "map"))))
    assert "x over\n" not in console.export_text(clear=False) and "mean" in console.export_text()


def test_files_keep_every_digit(make_results: Callable[..., Results], tmp_path: Path) -> None:
    made = full(make_results)
    entries = leaderboard(made)
    row = as_table(entries).set_index("method").loc["FNO"]
    assert row["nmse_random@64"] == pytest.approx(0.04) and row["seconds_to_target"] == 9.0
    assert row["break_even"] == row["break_even_high"] == pytest.approx(190 / 3.5)
    assert (row["break_even_grid"], row["break_even_grid_error"]) == ("solver, 32 x 32", pytest.approx(0.01))
    found = {item["method"]: item["break_even"] for item in json.loads(as_json(entries))}
    assert found["solver, 16 x 16"] is None and found["FNO"]["solves"]["value"] == pytest.approx(190 / 3.5)
    assert found["POD + ridge (roll-out)"]["solves"]["value"] == "inf"
    made.write(tmp_path)  # costs that are missing stay missing
    assert leaderboard(Results.read(tmp_path)) == entries


def test_wide_leaderboards_fit_into_100_columns(make_results: Callable[..., Results]) -> None:
    made = full(make_results)
    first = made.table[made.table["split"] == "random"].assign(horizon=1)
    second = first.assign(horizon=5)
    made = replace(made, table=pd.concat([made.table, first, second], ignore_index=True))
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(rich_table(leaderboard(made), "small"))
    text = console.export_text()
    assert "…" not in text and "never" in text and "55" in text and "POD + ridge (roll-out)" in text
    assert "5 steps" not in text and "10 steps" in text and "1 step" in text  # the first and the last horizon


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


def test_methods_that_do_not_beat_the_reference_are_named() -> None:
    """Over 4 steps the mean error of "good" is (1 + 3 + 1 + 5) / 4 = 2.5, as that of persistence, (1 + 4) / 2."""
    text = markdown(leaderboard(results()))
    assert "No better than persistence over 1 step: bad, broken." in text
    assert "No better than persistence over 4 steps: good, bad, broken." in text
    assert left_out(0.25) == "Under-resolved: 25% of the cases; none of them is tested on.\n" and left_out(0.0) == ""
