"""Which windows form which batch: a pure function of seed and step, so that resuming is exact."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


@lru_cache(maxsize=4)
def epoch_order(seed: int, epoch: int, windows: int) -> np.ndarray:
    """The permutation of ``range(windows)`` in which epoch ``epoch`` visits the windows (read-only)."""
    order = np.random.default_rng([seed, epoch]).permutation(windows)
    order.flags.writeable = False
    return order


def batch_indices(seed: int, step: int, windows: int, batch_size: int) -> list[int]:
    """Indices of the windows in the batch of ``step``.

    The epochs' permutations follow one another without a gap, and step s takes the entries ``s * batch_size`` to
    ``(s + 1) * batch_size - 1`` of that sequence: every window is seen once per epoch, and all batches are full.
    """
    positions = range(step * batch_size, (step + 1) * batch_size)
    return [int(epoch_order(seed, place // windows, windows)[place % windows]) for place in positions]
