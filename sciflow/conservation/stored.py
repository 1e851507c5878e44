"""Folders of methods that consist of other methods, and reading any method back without knowing its kind."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sciflow.core import InputError, Method, atomic_path

_FILE, _ARRAYS = "wrapper.json", "arrays.safetensors"


def save_wrapper(
    folder: str | Path, kind: str, config: Mapping[str, Any], arrays: Mapping[str, np.ndarray], inner: Sequence[Method]
) -> None:
    """Write ``wrapper.json``, ``arrays.safetensors`` and the inner methods in sub-folders ``0``, ``1``, ...

    Raises:
        InputError: an inner method cannot be saved, or the folder cannot be written.
    """
    from safetensors.numpy import save_file

    with atomic_path(folder) as temporary:
        temporary.mkdir()
        for number, method in enumerate(inner):
            method.save(temporary / str(number))
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary / _ARRAYS)
        text = json.dumps({"kind": kind, "config": dict(config), "methods": len(inner)}, indent=1)
        (temporary / _FILE).write_text(text, encoding="utf-8")


def load_wrapper(folder: str | Path, kind: str) -> tuple[dict[str, Any], dict[str, np.ndarray], list[Method]]:
    """Config, arrays and inner methods that `save_wrapper` wrote.

    Raises:
        InputError: the folder holds no such method.
    """
    from safetensors.numpy import load_file

    path = Path(folder)
    content = _read(path / _FILE)
    if content.get("kind") != kind:
        found = content.get("kind") or "nothing of the kind"
        raise InputError(f"{path} holds no saved method of the kind '{kind}' but {found}; give another folder.")
    arrays = load_file(path / _ARRAYS)
    return content["config"], arrays, [load_method(path / str(number)) for number in range(content["methods"])]


def load_method(folder: str | Path) -> Method:
    """Any saved method: a network, a registered method, or an ensemble, constrained or calibrated one of these.

    Raises:
        InputError: the folder holds none, or one whose kind is not known here.
    """
    path = Path(folder)
    kind = _read(path / _FILE).get("kind")
    if kind is not None:
        from sciflow import conservation

        classes = {"conserving": "Conserving", "conformal": "Conformal", "ensemble": "Ensemble"}
        if kind not in classes:
            raise InputError(f"{path} holds a method of the kind '{kind}', which this version of sciflow lacks.")
        found: Method = getattr(conservation, classes[kind]).load(path)
        return found
    for file in sorted(path.glob("*.json")):
        name = _read(file).get("method")
        if isinstance(name, str):
            from sciflow.baselines import methods

            return methods.get(name).load(path)
    from sciflow.training import Surrogate

    return Surrogate.load(path)


def _read(path: Path) -> dict[str, Any]:
    """A JSON file's mapping, empty where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
