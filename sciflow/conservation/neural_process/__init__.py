"""Neural processes: fields with a variance, from scattered observations, learnt from many cases."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sciflow.conservation.neural_process.attentive import AttentiveNetwork
    from sciflow.conservation.neural_process.conditional import ConditionalNetwork
    from sciflow.conservation.neural_process.method import (
        AttentiveNeuralProcess,
        ConditionalNeuralProcess,
        NeuralProcess,
    )
    from sciflow.conservation.neural_process.shipped import pretrained

_HOME = {
    "AttentiveNetwork": "attentive",
    "AttentiveNeuralProcess": "method",
    "ConditionalNetwork": "conditional",
    "ConditionalNeuralProcess": "method",
    "NeuralProcess": "method",
    "pretrained": "shipped",
}

__all__ = [
    "AttentiveNetwork",
    "AttentiveNeuralProcess",
    "ConditionalNetwork",
    "ConditionalNeuralProcess",
    "NeuralProcess",
    "pretrained",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sciflow.conservation.neural_process' has no attribute {name!r}")
    return getattr(import_module(f"sciflow.conservation.neural_process.{_HOME[name]}"), name)
