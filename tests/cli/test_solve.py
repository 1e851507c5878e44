from __future__ import annotations

from pathlib import Path
from typing import Any

import sciflow as sf


def test_solve_writes_a_data_set_and_tells_the_error(sciflow: Any, tmp_path: Path) -> None:
    path = tmp_path / "c.h5"
    answer = sciflow(
        "solve", "convection", "--method", "lpinn", "--set", "c=30", "--set", "nu=0.01", "--out", str(path),
        "--resolution", "64", "--frames", "11", "--compare", "--option", "target=1e-13",
    )  # fmt: skip
    assert answer.code == 0, answer
    assert "converged: True" in answer.out and "smallest jacobian: 1" in answer.out
    error = float(answer.out.split("relative L2 error of u: ")[1].split()[0])
    assert error < 1e-6
    assert sf.open_dataset(path).shape == (64,)


def test_what_has_not_converged_is_said_and_kept(sciflow: Any, tmp_path: Path) -> None:
    path = tmp_path / "c.h5"
    answer = sciflow("solve", "convection", "--option", 'phases=[{"method": "adam", "steps": 5}]', "--out", str(path))
    assert answer.code == 1 and "has not converged" in answer.err and path.exists()


def test_bad_input_of_solve(sciflow: Any) -> None:
    for arguments, word in (
        (["solve", "convectoin"], "convection"),
        (["solve", "convection", "--method", "fem"], "fem"),
        (["solve", "convection", "--set", "d=1"], "'d'"),
        (["solve", "convection", "--option", "depht=2"], "depth"),
        (["solve", "convection", "--end", "-1"], "--end"),
        (["solve", "convection", "--frames", "1"], "--frames 1"),
        (["solve", "convection", "--out", "nowhere/c.h5"], "no folder nowhere"),
        (["solve", "convection", "--resolution", "2"], "resolution 2"),
        (["solve", "convection", "--set", "c=abc"], "finite number"),
        (["solve", "cavity-steady", "--end", "1"], "steady"),
        (["solve", "convection", "--option", "strategy.windows=3"], "--strategy"),
        (["solve", "darcy"], "input field"),
    ):
        answer = sciflow(*arguments)
        assert answer.code == 2 and word in answer.err and "Traceback" not in answer.err, (arguments, answer)
