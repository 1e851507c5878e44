"""``sciflow data refine``."""

from pathlib import Path

import pytest
import yaml

RECIPE = {"name": "potentials", "problem": "poisson", "cases": 3, "resolution": 8, "splits": {}}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "potentials.yaml"
    path.write_text(yaml.safe_dump(RECIPE))
    return path


def test_changes_are_listed_case_by_case(sciflow, recipe: Path) -> None:
    """The error of the second-order scheme falls from h to h/3 by 8/9 of itself: small, and not zero."""
    done = sciflow("data", "refine", recipe, "--with", "options.oversample=3", "--cases", "0,2")
    assert done.code == 0
    rows = [line.split() for line in done.out.splitlines() if line.strip().startswith(("0", "2"))]
    assert [row[0] for row in rows] == ["0", "2"]
    assert all(0.1 < float(row[2].rstrip("%")) < 20 for row in rows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cases", "first"], "whole numbers joined by commas"),
        (["--cases", "7"], "has the cases 0 to 2"),
        ([], "declares no number 'Re'"),
    ],
)
def test_bad_input(sciflow, recipe: Path, options: list[str], message: str) -> None:
    done = sciflow("data", "refine", recipe, "--with", "options.oversample=3", *options)
    assert done.code == 2 and message in done.err and "Traceback" not in done.err
