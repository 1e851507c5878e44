"""The declaration in README.md does what README.md says."""

import re
from functools import partial
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_new_equation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sciflow as sf

    monkeypatch.chdir(tmp_path)
    # tests/cli/test_plugin.py checks the same equation with its solution.
    monkeypatch.setattr(sf.testing, "check_problem", partial(sf.testing.check_problem, solve=False))
    declaration = next(block for block in blocks() if "kawahara = Problem(" in block)
    uses = next(block for block in blocks() if 'kawahara.residual("torch")' in block)
    code = [line for line in declaration.splitlines() if line.strip() and not line.startswith(("import", "from"))]
    assert len(code) <= 15
    space: dict = {}
    exec(declaration, space)
    exec(uses, space)
    assert "kawahara" in sf.problems.names()
    assert len(sf.open_dataset("kawahara.h5")) == 32


def test_notebook_example_has_at_most_twenty_lines_and_current_names() -> None:
    import sciflow as sf

    example = next(block for block in blocks() if "sf.Surrogate" in block)
    assert len([line for line in example.splitlines() if line.strip()]) <= 20
    for name in set(re.findall(r"\bsf\.(\w+)", example)):
        assert getattr(sf, name)
