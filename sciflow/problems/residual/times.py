"""Time derivatives of frames, by differences of chosen accuracy up to the first and last frame."""

from __future__ import annotations

from functools import lru_cache
from math import factorial

import numpy as np
import torch
from torch import Tensor

from sciflow.core.errors import InputError


def differentiate(frames: Tensor, times: np.ndarray, order: int, accuracy: int) -> Tensor:
    """d^order/dt^order of frames [B, T, *S] at `times` [T] or [B, T], which may be uneven.

    Each frame uses the stencil of `order + accuracy` frames (made odd) that is centred on it, or the nearest one that
    fits; the weights solve the Vandermonde system of the stencil.

    Raises:
        InputError: there are fewer frames than the stencil has.
    """
    rows = np.unique(times, axis=0) if times.ndim == 2 else times[None]
    source = np.broadcast_to(times, (len(rows), times.shape[-1])) if len(rows) == 1 else times
    matrices = np.stack([_matrix(row.tobytes(), order, accuracy) for row in np.ascontiguousarray(source)])
    weights = torch.as_tensor(matrices, dtype=frames.dtype, device=frames.device)
    return (weights @ frames.flatten(2)).reshape(frames.shape)


@lru_cache(maxsize=256)
def _matrix(buffer: bytes, order: int, accuracy: int) -> np.ndarray:
    times, width = np.frombuffer(buffer), (order + accuracy) // 2 * 2 + 1
    if len(times) < width:
        raise InputError(f"A time derivative needs at least {width} frames; the data set has {len(times)}.")
    if np.any(np.diff(times) <= 0):
        raise InputError("The times of the frames must increase.")
    starts = np.clip(np.arange(len(times)) - width // 2, 0, len(times) - width)
    weights = np.zeros((len(times), len(times)))
    for row, start in enumerate(starts):
        nodes = times[start : start + width] - times[row]
        scale = np.abs(nodes).max()  # the Vandermonde system is solved in units of the stencil
        right = np.zeros(width)
        right[order] = factorial(order) / scale**order
        weights[row, start : start + width] = np.linalg.solve(np.vander(nodes / scale, increasing=True).T, right)
    return weights
