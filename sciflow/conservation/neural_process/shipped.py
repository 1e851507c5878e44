"""Weights that come with sciflow."""

from __future__ import annotations

import json
from pathlib import Path

from sciflow.conservation.neural_process.method import AttentiveNeuralProcess, ConditionalNeuralProcess, NeuralProcess
from sciflow.core.errors import InputError, UnknownNameError, near

WEIGHTS = Path(__file__).parents[1] / "weights"


def pretrained_names() -> list[str]:
    """Names of the weights that come with sciflow."""
    return sorted(path.parent.name for path in WEIGHTS.glob("*/method.json"))


def pretrained(name: str) -> NeuralProcess:
    """A fitted neural process, whose weights come with sciflow; its record says how it was trained.

    New ones are made by training and saving into the folder ``sciflow/conservation/weights``, about 1 MB each::

        method = AttentiveNeuralProcess(steps=2600, dropout=True).fit(data.train, data.valid)
        method.save(WEIGHTS / "anp-porous-medium")

    Args:
        name: of the folder there.

    Raises:
        InputError: there are no such weights, or they are damaged.
    """
    if name not in pretrained_names():
        raise UnknownNameError(f"No pretrained weights are named '{name}'.{near(name, pretrained_names())}")
    kind = json.loads((WEIGHTS / name / "method.json").read_text(encoding="utf-8")).get("method")
    for method in (AttentiveNeuralProcess, ConditionalNeuralProcess):
        if method.name == kind:
            return method.load(WEIGHTS / name)
    raise InputError(f"The weights '{name}' are of an unknown method '{kind}'; install sciflow again.")
