"""What a network learns from the training data before training begins, such as a basis for its outputs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from sciflow.data import Windows
from sciflow.training.batches import read_batch
from sciflow.training.config import Training
from sciflow.training.step import StepModel, call_of

_MOST = 2000


def adapt(model: StepModel, windows: Windows, training: Training) -> None:
    """Call the network's method ``adapt(targets)``, if it has one.

    Args:
        model: on the CPU.
        windows: training windows; of more than 2000, a choice that follows from the seed is used.
        training: settings.

    Raises:
        InputError: the data holds NaN.
    """
    hook = getattr(model.network, "adapt", None)
    if hook is None:
        return
    chosen = np.arange(len(windows))
    if len(windows) > _MOST:
        chosen = np.sort(np.random.default_rng([training.seed, len(windows)]).choice(chosen, _MOST, replace=False))
    size = max(1, training.batch_size)
    parts = [chosen[first : first + size].tolist() for first in range(0, len(chosen), size)]
    with torch.no_grad():
        batches = (read_batch(windows, part, torch.device("cpu")) for part in parts)
        hook(torch.cat([model.target(call_of(batch, 0, training.frames_out)) for batch in batches]))


def take_shapes(model: StepModel, tensors: Mapping[str, Tensor]) -> None:
    """Give the network's buffers the shapes that saved ones have, so that those set by ``adapt`` can be loaded."""
    for prefix, module in model.network.named_modules(prefix="network"):
        for name in set(module._buffers) - module._non_persistent_buffers_set:
            saved, now = tensors.get(f"{prefix}.{name}"), module._buffers[name]
            if saved is not None and (now is None or now.shape != saved.shape):
                module._buffers[name] = torch.empty_like(saved)
