from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version

import pytest

from sciflow.core import describe, environment, versions


def test_versions_are_those_installed() -> None:
    found = versions()
    assert found["numpy"] == version("numpy")
    assert found["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}")


def test_description_is_json_and_names_what_matters() -> None:
    description = describe()
    assert set(json.loads(json.dumps(description))) == {
        "python",
        "platform",
        "machine",
        "cpus",
        "packages",
        "commit",
        "devices",
    }
    assert description["cpus"] >= 1


def test_describing_imports_no_framework() -> None:
    code = "import sys; from sciflow.core import describe; print(describe()['devices'], 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["{}", "False"]


def test_probing_lists_the_processor_for_both_frameworks() -> None:
    code = "from sciflow.core import describe; print(sorted(describe(probe=True)['devices']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['jax', 'torch']"


def test_no_commit_without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert environment.commit() is None
