"""Checkpoints: tensors as safetensors with a checksum, everything else as JSON; nothing in them can run code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sciflow.core import InputError, atomic_path, require_writable, versions

_FORMAT = "sciflow-surrogate-1"
_MODEL, _WEIGHTS, _STATE = "model.json", "weights.safetensors", "training-state.safetensors"


def save_model(folder: str | Path, tensors: Mapping[str, Tensor], description: Mapping[str, Any]) -> None:
    """Write a fitted model: ``model.json`` and ``weights.safetensors`` in ``folder``.

    Each file appears whole or not at all; JSON comes last and names the checksum of the weights it belongs to.

    Raises:
        InputError: the folder cannot be written or the disk is full.
    """
    root = require_writable(folder)
    checksum = _write_tensors(root / _WEIGHTS, tensors, {})
    content = {"format": _FORMAT, **description, "checksum": checksum, "versions": versions()}
    with atomic_path(root / _MODEL) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def load_model(folder: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`save_model` wrote.

    Returns:
        The tensors, on the CPU, and the description.

    Raises:
        InputError: a file is missing, damaged, of another format, or the two files do not belong together.
    """
    path = Path(folder) / _MODEL
    remedy = "save the model again, or train it again"
    if not path.is_file():
        raise InputError(f"There is no saved model in {folder}: {path} is missing; give the folder that was saved to.")
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"The file {path} is damaged or incomplete; {remedy}.") from error
    if not isinstance(description, dict) or description.get("format") != _FORMAT:
        raise InputError(f"The file {path} is not a model of the format '{_FORMAT}'; {remedy}.")
    tensors, _, checksum = _read_tensors(path.with_name(_WEIGHTS), remedy)
    if checksum != description.get("checksum"):
        raise InputError(f"The weights in {path.with_name(_WEIGHTS)} are not those that {path} describes; {remedy}.")
    return tensors, description


@final
@dataclass
class Counters:
    """Where a run stands, apart from its tensors.

    Attributes:
        step: optimiser steps done.
        seconds: spent so far, interruptions not counted.
        waited: seconds of these spent waiting for data.
        best: lowest validation error so far.
        stale: validations since then.
    """

    step: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    best: float | None = None
    stale: int = 0


@final
class TrainingState:
    """The file from which an interrupted training goes on; replaced whole at every write.

    Args:
        folder: where the file lies; made if missing.
        identity: what must be the same for the run to be continued (network, settings, data), as JSON values.

    Raises:
        InputError: the folder cannot be written.
    """

    def __init__(self, folder: str | Path, identity: Mapping[str, Any]) -> None:
        self.path = require_writable(folder) / _STATE
        self._identity = json.loads(json.dumps(identity))

    def save(self, tensors: Mapping[str, Tensor], counters: Counters) -> None:
        """Replace the file.

        Raises:
            InputError: the folder cannot be written or the disk is full.
        """
        _write_tensors(self.path, tensors, {"identity": self._identity, "counters": asdict(counters)})

    def load(self) -> tuple[dict[str, Tensor], Counters] | None:
        """Tensors, on the CPU, and counters of the last :meth:`save`; None if there was none.

        Raises:
            InputError: the file is damaged, or belongs to another network, setting or data set.
        """
        if not self.path.exists():
            return None
        tensors, info, _ = _read_tensors(self.path, "delete it to start the training anew")
        other = info.get("identity", {})
        differs = sorted(key for key in {*self._identity, *other} if self._identity.get(key) != other.get(key))
        if differs:
            raise InputError(
                f"The training in {self.path} was begun with other settings or data (differs: {', '.join(differs)}); "
                "delete the file to start anew, or choose another folder."
            )
        return tensors, Counters(**info["counters"])


def _write_tensors(path: Path, tensors: Mapping[str, Tensor], info: Mapping[str, Any]) -> str:
    """Write a safetensors file with JSON in its header; returns the checksum of the tensors."""
    ready = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    checksum = _checksum(ready)
    with atomic_path(path) as temporary:
        save_file(ready, temporary, metadata={"checksum": checksum, "info": json.dumps(info)})
    return checksum


def _read_tensors(path: Path, remedy: str) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    """Tensors, JSON of the header and checksum; the tensors are compared with the checksum."""
    if not path.is_file():
        raise InputError(f"The file {path} is missing; {remedy}.")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        info, checksum = json.loads(header["info"]), header["checksum"]
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise InputError(f"The file {path} is damaged or incomplete; {remedy}.") from error
    if _checksum(tensors) != checksum:
        raise InputError(f"The file {path} is damaged: its checksum is wrong; {remedy}.")
    return tensors, info, checksum


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        total.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()
