"""The built wheel works on its own: installed in an empty environment, used outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(*command: str | Path, cwd: Path) -> str:
    """Standard output of a command that must succeed, run with nothing of this process's Python settings."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, cwd=cwd, check=False, env=environment
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of an environment that holds the wheel, and finds its dependencies where this one has them."""
    home = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", home, cwd=home)
    scripts = home / ("Scripts" if os.name == "nt" else "bin")
    run(sys.executable, "-m", "pip", "--python", scripts / "python", "install", "--no-deps", "--quiet", wheel, cwd=home)
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(run(scripts / "python", "-c", code, cwd=home).strip())
    # Put after the environment's own packages, and without the .pth files there, so that the checkout stays unseen.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return scripts


def test_recipes_and_suites_are_inside(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert {"sciflow/__init__.py", "sciflow/py.typed", "sciflow/cli/main.py"} <= inside
    for kind in ("datasets", "benchmarks"):
        recipes = [path.name for path in (ROOT / kind).glob("*.yaml")]
        assert recipes, f"{kind}/ holds no recipe"
        assert {f"sciflow/_share/{kind}/{name}" for name in recipes} <= inside
    assert not [
        name for name in inside if name.startswith(("tests/", "benchmarks/", "sciflow/_share/benchmarks/peers"))
    ]


def test_the_command_line_runs_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    assert "problems" in run(installed / "sciflow", "--help", cwd=tmp_path)
    assert "burgers" in run(installed / "sciflow", "problems", "list", cwd=tmp_path)


def test_what_comes_along_is_found_by_name(installed: Path, tmp_path: Path) -> None:
    suites = [path.name for path in (ROOT / "benchmarks").glob("*.yaml")]
    code = f"from sciflow.core import shared\nfor name in {suites}: print(shared('benchmarks', name))"
    found = [Path(line) for line in run(installed / "python", "-c", code, cwd=tmp_path).splitlines()]
    assert suites and [path.name for path in found] == suites
    assert all(path.is_relative_to(installed.parent.resolve()) for path in found)
