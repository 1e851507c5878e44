from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciflow.core import InputError, load_yaml, parse_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        (".5", 0.5),
        ("2.", 2.0),
        ("-7", -7),
        ("010", 10),
        ("no", "no"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("2024-01-31", "2024-01-31"),
        ("1_000", "1_000"),
        ("true", True),
        ("~", None),
        ("", None),
        ("'5'", "5"),
        ("{a: 1, b: [x, null]}", {"a": 1, "b": ["x", None]}),
        ("base: &b {x: 1}\ncopy: {<<: *b, y: 2}", {"base": {"x": 1}, "copy": {"x": 1, "y": 2}}),
    ],
)
def test_scalars_read_as_meant(text: str, value: object) -> None:
    result = parse_yaml(text)
    assert result == value and type(result) is type(value)


@given(st.floats(allow_nan=False))
def test_every_float_survives(number: float) -> None:
    text = repr(number).replace("inf", ".inf")
    assert parse_yaml(text) == number


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", r"s\.yaml, line 3 is not valid YAML: the key 'a' is given twice\.$"),
        ("a: [1", r"s\.yaml, line 1 is not valid YAML"),
        ("a: b: c", r"line 1 is not valid YAML: mapping values are not allowed here"),
        ("[a]: 1\n[b]: 2", "unhashable key"),
        ("a: !!python/object:os.system {}", "could not determine a constructor"),
    ],
)
def test_bad_text_gives_the_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_yaml(text, "s.yaml")


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("a: 1")
    assert load_yaml(path) == {"a": 1}
    path.write_text("")
    assert load_yaml(path) == {}
    path.write_text("- 1")
    with pytest.raises(InputError, match="must hold a mapping of names to values, not a list"):
        load_yaml(path)
    path.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(InputError, match="not UTF-8 text"):
        load_yaml(path)
    with pytest.raises(InputError, match=r"gone\.yaml cannot be read: No such file"):
        load_yaml(tmp_path / "gone.yaml")
