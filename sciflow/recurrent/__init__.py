"""Flow-equivariant recurrent networks: memory that moves with the field.

The networks are used by name, ``sciflow.Surrogate("fernn", ...)``: "fernn", its controls "g-rnn" and "g-rnn-plus",
"conv-lstm", "canonical-g-rnn" and "fernn-rotation". This package has their classes and parts.

They help where fields or objects are carried by a motion that is unknown, steady and uniform (mean flows, objects in
images), and where velocities are met that were not seen in training. They do not help where the frame of reference is
physical (walls, fixed forcing, orography; such problems declare no flow and are refused), where the velocity varies
strongly in space (a set of uniform velocities does not hold a shear), for models that see one frame (there is nothing
to remember) or are told the mean flow, and for a single drift of the whole field, where moving to the frame of rest is
cheaper and as exact.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sciflow.recurrent.canonical import CanonicalGRNN
    from sciflow.recurrent.classifier import SequenceClassifier
    from sciflow.recurrent.cnn3d import CNN3D
    from sciflow.recurrent.conv_lstm import ConvLSTM
    from sciflow.recurrent.fernn import FERNN, GRNN, GRNNPlus
    from sciflow.recurrent.fernn_rotation import RotationFERNN
    from sciflow.recurrent.model import SequenceModel
    from sciflow.recurrent.velocities import Velocities

_HOME = {
    "CNN3D": "cnn3d",
    "CanonicalGRNN": "canonical",
    "ConvLSTM": "conv_lstm",
    "FERNN": "fernn",
    "GRNN": "fernn",
    "GRNNPlus": "fernn",
    "RotationFERNN": "fernn_rotation",
    "SequenceClassifier": "classifier",
    "SequenceModel": "model",
    "Velocities": "velocities",
}

__all__ = [
    "CNN3D",
    "FERNN",
    "GRNN",
    "CanonicalGRNN",
    "ConvLSTM",
    "GRNNPlus",
    "RotationFERNN",
    "SequenceClassifier",
    "SequenceModel",
    "Velocities",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sciflow.recurrent' has no attribute {name!r}")
    return getattr(import_module(f"sciflow.recurrent.{_HOME[name]}"), name)
