"""A problem in somebody else's package: installed, found, checked, simulated, learned."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parent / "plugin"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plug-in installed into it."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    for file in PLUGIN.glob("*.*"):
        (source / file.name).write_bytes(file.read_bytes())
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--target", str(folder), str(source)], check=True, capture_output=True)
    return folder


def sciflow(site: Path, *arguments: object) -> str:
    command = [sys.executable, "-c", "from sciflow.cli.main import main; main()", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=site)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_declaration_has_at_most_fifteen_lines() -> None:
    lines = (PLUGIN / "kawahara.py").read_text().splitlines()
    code = [line for line in lines if line.strip() and not line.startswith(('"""', "from", "import"))]
    assert len(code) <= 15


def test_listed(site: Path) -> None:
    assert "kawahara" in sciflow(site, "problems", "list")


def test_checked(site: Path) -> None:
    assert "checks passed" in sciflow(site, "check", "kawahara:problem")


def test_generated_trained_and_benchmarked(site: Path, tmp_path: Path) -> None:
    data = tmp_path / "kawahara.h5"
    sets = ["cases=8", "resolution=64", "times.frames=11", "options.dt=0.005"]
    sciflow(site, "data", "generate", "kawahara", "--out", data, *(p for s in sets for p in ("--set", s)))
    suite = tmp_path / "suite.yaml"
    suite.write_text(
        f"name: kawahara\ndata: {{path: {data}}}\ntask: {{horizons: [{{steps: 1}}]}}\n"
        "methods:\n  - {method: persistence}\n"
        "  - {method: fno, config: {width: 16, modes: 12}, training: {steps: 100, batch_size: 16}}\n"
    )
    sciflow(site, "bench", "run", suite, "--out", tmp_path / "out")
    import pandas as pd

    table = pd.read_csv(tmp_path / "out" / "results.csv")
    errors = table[table.metric == "nmse"].groupby("method")["value"].mean()
    assert errors["fno"] < errors["persistence"] / 4
