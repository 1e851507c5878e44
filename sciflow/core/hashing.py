"""Canonical JSON of plain values, and a short hash of it that is the same in every process and on every machine."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

from sciflow.core.errors import InputError


def canonical(obj: Any) -> str:
    """JSON with sorted keys and no spaces; equal values give equal text.

    Args:
        obj: None, bool, int, finite float, str, enum, path, list, tuple, set, mapping with string keys, dataclass,
            pydantic model, NumPy scalar or array, nested as you like. Sets are sorted.

    Raises:
        InputError: a number is not finite, a key is not a string, or a type has no canonical form; the message gives
            the place inside ``obj``.
    """
    return json.dumps(_plain(obj, ""), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(obj: Any) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of :func:`canonical` JSON."""
    return hashlib.sha256(canonical(obj).encode()).hexdigest()[:16]


def _plain(obj: Any, where: str) -> Any:
    """``obj`` in terms of JSON types; ``where`` is its dotted place, for messages."""
    if isinstance(obj, Enum):
        return _plain(obj.value, where)
    if obj is None or isinstance(obj, bool | int | str):
        return obj
    if isinstance(obj, float):
        if not math.isfinite(obj):
            raise InputError(f"Only finite numbers can be hashed; {where or 'the value'} is {obj}.")
        return float(obj)
    if isinstance(obj, PurePath):
        return obj.as_posix()
    if isinstance(obj, Mapping):
        return {_key(key, where): _plain(value, _inside(where, key)) for key, value in obj.items()}
    if isinstance(obj, list | tuple):
        return [_plain(value, _inside(where, index)) for index, value in enumerate(obj)]
    if isinstance(obj, set | frozenset):
        return sorted((_plain(value, where) for value in obj), key=canonical)
    if dataclasses.is_dataclass(obj) and not isinstance(obj, type):
        return {
            item.name: _plain(getattr(obj, item.name), _inside(where, item.name)) for item in dataclasses.fields(obj)
        }
    for method in ("model_dump", "tolist"):  # pydantic models; NumPy scalars and arrays
        if callable(getattr(obj, method, None)) and not isinstance(obj, type):
            return _plain(getattr(obj, method)(), where)
    raise InputError(f"A value of type {type(obj).__name__} has no canonical form; {where or 'the value'} holds one.")


def _key(key: Any, where: str) -> str:
    if not isinstance(key, str):
        raise InputError(f"Keys must be strings to be hashed; {where or 'the mapping'} has the key {key!r}.")
    return key


def _inside(where: str, part: object) -> str:
    return f"{where}.{part}" if where else str(part)
