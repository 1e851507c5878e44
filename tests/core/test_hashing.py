from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sciflow.core import InputError, canonical, digest
from sciflow.core.config import Config

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Point:
    x: float
    tags: tuple[str, ...] = ()


class Options(Config):
    width: int = 3


@given(JSON)
def test_json_values_survive(value: Any) -> None:
    assert json.loads(canonical(value)) == value


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_order_of_keys_does_not_matter(mapping: dict[str, int]) -> None:
    assert digest(mapping) == digest(dict(reversed(mapping.items())))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": (1, 2.5), "a": None}, '{"a":null,"b":[1,2.5]}'),
        ({3, 1, 2}, "[1,2,3]"),
        (Point(0.5, ("é",)), '{"tags":["é"],"x":0.5}'),
        (Options(), '{"width":3}'),
        (Colour.RED, '"red"'),
        (Path("a/b"), '"a/b"'),
        (np.float64(0.1), "0.1"),
        (np.int32(3), "3"),
        (np.array([[True, False]]), "[[true,false]]"),
    ],
)
def test_known_forms(value: object, text: str) -> None:
    assert canonical(value) == text


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [0.0, float("nan")]}, r"a\.1 is nan"),
        (float("inf"), "the value is inf"),
        ({"a": {1: 2}}, "a has the key 1"),
        ({"a": object()}, r"type object has no canonical form; a holds one"),
    ],
)
def test_what_has_no_canonical_form(value: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        canonical(value)


def test_digest_is_the_same_in_another_process() -> None:
    code = "from sciflow.core import digest; print(digest({'set': {'x', 'y', 'z'}, 'n': 1}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest({"n": 1, "set": {"z", "y", "x"}})
    assert len(digest(0)) == 16
