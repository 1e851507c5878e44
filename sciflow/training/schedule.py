"""Learning rate as a pure function of the step, so that a resumed run needs no scheduler state."""

from __future__ import annotations

import math

from sciflow.training.config import Training


def learning_rate(step: int, training: Training) -> float:
    """Learning rate of optimiser step ``step`` (0, 1, ..., steps - 1).

    With N steps, peak rate r and ``W = round(warmup * N)``::

        r (s + 1) / W                                  for s < W
        r (1 + cos(pi (s - W) / (N - W))) / 2          for s >= W, schedule "cosine"
        r                                              for s >= W, schedule "constant"
        r decay^floor(s / decay_every)                 for s >= W, schedule "step"; decay_every None: max(1, N // 5)
    """
    peak, rising = training.learning_rate, round(training.warmup * training.steps)
    if step < rising:
        return peak * (step + 1) / rising
    if training.schedule == "constant":
        return peak
    if training.schedule == "step":
        return peak * training.decay ** (step // (training.decay_every or max(1, training.steps // 5)))
    return 0.5 * peak * (1 + math.cos(math.pi * (step - rising) / (training.steps - rising)))
