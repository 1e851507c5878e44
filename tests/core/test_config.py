from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError, field_validator

from sciflow.core.config import Config, override, validate
from sciflow.core.errors import InputError


class Model(Config):
    name: str
    width: Annotated[int, Field(ge=1)] = 8
    kind: Literal["a", "b"] = "a"


class Suite(Config):
    title: str = "untitled"
    models: list[Model] = []
    named: dict[str, Model] = {}
    best: Model | None = None
    share: float = 0.5

    @field_validator("share")
    @classmethod
    def _share_is_a_fraction(cls, value: float) -> float:
        if not 0 <= value <= 1:
            raise ValueError(f"a fraction between 0 and 1 is needed, not {value}")
        return value


def test_a_valid_mapping_becomes_an_immutable_object() -> None:
    suite = validate(Suite, {"models": [{"name": "fno", "width": 4}], "best": {"name": "unet"}})
    assert suite.models[0].width == 4 and suite.best == Model(name="unet")
    with pytest.raises(ValidationError, match="frozen"):
        suite.title = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (
            {"models": [{"name": "fno"}, {"name": "u", "width": "wide"}]},
            r"s\.yaml: models\.1\.width: .*integer.*'wide'",
        ),
        ({"models": [{"name": "fno", "width": 0}]}, r"models\.0\.width: .*greater than or equal to 1, not 0"),
        ({"models": [{"width": 1}]}, r"models\.0\.name is required but missing"),
        ({"models": [{"name": "fno", "widht": 1}]}, r"models\.0\.widht is not an option\. Did you mean 'width'\?"),
        ({"named": {"x": {"name": "fno", "widht": 1}}}, r"named\.x\.widht is not an option\. Did you mean 'width'\?"),
        ({"best": {"name": "fno", "knd": "a"}}, r"best\.knd is not an option\. Did you mean 'kind'\?"),
        ({"titel": "x"}, r"s\.yaml: titel is not an option\. Did you mean 'title'\? Known: best, models"),
        ({"models": 3}, r"models: .*list, not 3"),
        ({"models": [{"name": "fno", "kind": "c"}]}, r"models\.0\.kind: .*'a' or 'b'.*'c'"),
        ({"share": 2}, r"s\.yaml: share: a fraction between 0 and 1 is needed, not 2\.0\.$"),
    ],
)
def test_errors_name_the_field(mapping: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        validate(Suite, mapping, where="s.yaml")
    assert "\n" not in str(caught.value)


def test_several_errors_are_listed_and_long_lists_cut() -> None:
    with pytest.raises(InputError, match=r"a is not.*; b is not.*; and 2 more\.$"):
        validate(Suite, {letter: 1 for letter in "abcdefg"})


@pytest.mark.parametrize("value", [None, [1], "text"])
def test_a_configuration_must_be_a_mapping(value: object) -> None:
    with pytest.raises(InputError, match=r"s\.yaml must be a mapping"):
        validate(Suite, value, where="s.yaml")  # type: ignore[arg-type]


def test_override_replaces_values_in_a_copy() -> None:
    original = {"a": {"b": 1}, "models": [{"width": 4}, {"width": 8}]}
    changed = override(
        original, ["a.b=2", "models.1.width=16", "a.new.deep=[1, 2.5]", "rate=1e-3", "text=a=b", "off=no"]
    )
    assert changed == {
        "a": {"b": 2, "new": {"deep": [1, 2.5]}},
        "models": [{"width": 4}, {"width": 16}],
        "rate": 1e-3,
        "text": "a=b",
        "off": "no",
    }
    assert original == {"a": {"b": 1}, "models": [{"width": 4}, {"width": 8}]}


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("a.b", "must read 'name.name=value'"),
        ("=3", "must read 'name.name=value'"),
        ("a..b=3", "must read 'name.name=value'"),
        ("a.b.c=3", "'a.b' holds a value"),
        ("models.3.width=1", "needs an index below 1 after 'models', not '3'"),
        ("models.first=1", "needs an index below 1 after 'models', not 'first'"),
        ("a.b=[1", "the value of 'a.b', line 1 is not valid YAML"),
    ],
)
def test_overrides_that_cannot_be_applied(assignment: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        override({"a": {"b": 1}, "models": [{}]}, [assignment])
