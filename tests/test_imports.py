"""Importing sciflow and asking the command line simple questions must stay quick: nothing heavy is loaded for it."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ["torch", "jax", "jaxlib", "deepxde", "sklearn", "matplotlib", "pandas", "lightning_fabric"]
ROOT = Path(__file__).resolve().parents[1]


def loaded(code: str) -> list[str]:
    """The heavy packages loaded by a fresh interpreter that runs ``code``."""
    report = f"\nimport json, sys\nprint(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout.splitlines()[-1]))


def seconds(*command: str) -> float:
    """Processor time of a command, the shortest of three, so that other tests running at once do not count."""
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *command], capture_output=True, cwd=ROOT, check=True, env=os.environ)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return min(spent)


@pytest.mark.parametrize(
    "code",
    [
        "import sciflow; sciflow.__version__; dir(sciflow)",
        "import sciflow.core; from sciflow.core import *",
        "import sciflow; sciflow.problems",
        "import sciflow.cli.main",
    ],
)
def test_nothing_heavy_is_imported(code: str) -> None:
    assert loaded(code) == []


@pytest.mark.parametrize(("arguments", "limit"), [(["--help"], 0.5), (["problems", "list"], 1.0)])
def test_the_command_line_answers_at_once_without_a_framework(arguments: list[str], limit: float) -> None:
    run = f"import sys; sys.argv = {['sciflow', *arguments]}\nfrom sciflow.cli.main import main"
    assert loaded(f"{run}\ntry:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code") == []
    assert seconds("-c", f"{run}; main()") < limit


def test_the_core_is_imported_in_no_time() -> None:
    """Its own files take less than 50 ms beside the standard library, and no other package is loaded."""
    core = "import sciflow.core, sciflow.core.registry, sciflow.core.method"
    others = "print(sorted({name.split('.')[0] for name in sys.modules} - set(sys.stdlib_module_names) - before))"
    found = subprocess.run(
        [sys.executable, "-c", f"import sys; before = {{n.split('.')[0] for n in sys.modules}}; {core}; {others}"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    assert found.stdout.strip() == "['sciflow']"
    library = "import copy, dataclasses, difflib, importlib.metadata, inspect, pathlib, typing"
    assert seconds("-c", core) - seconds("-c", library) < 0.05


def test_every_public_name_exists_and_others_are_refused() -> None:
    import sciflow

    assert set(sciflow.__all__) <= set(dir(sciflow))
    for name in sciflow.__all__:
        assert getattr(sciflow, name) is not None
    with pytest.raises(AttributeError, match="'sciflow' has no attribute 'nothing'"):
        _ = sciflow.nothing
    with pytest.raises(AttributeError, match=r"'sciflow\.core' has no attribute 'nothing'"):
        _ = sciflow.core.nothing
