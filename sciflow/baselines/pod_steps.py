"""Maps of POD coefficients from frame to frame: rolling them out, and judging them on validation cases."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from sciflow.baselines.pod_basis import Trajectory
from sciflow.core import InputError

ROLLOUT_STEPS = 10
ROLLOUT_STRIDE = 3


class StepMap(ABC):
    """The change of the coefficients over one frame spacing, as a function of coefficients and inputs."""

    @abstractmethod
    def __call__(self, now: np.ndarray, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Increment and, if known, its variance: [M, R] each, from coefficients [M, R] and inputs [M, I]."""

    @abstractmethod
    def stored(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The map as JSON values and arrays."""


def pairs(cases: list[Trajectory], rank: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All single steps of some cases: coefficients [M, R], inputs [M, I], increments [M, R]."""
    now, inputs, change = [], [], []
    for case in cases:
        path = case.coefficients[:, :rank]
        now.append(path[:-1])
        change.append(np.diff(path, axis=0))
        parameters = np.tile(case.parameters, (len(path) - 1, 1))
        inputs.append(np.concatenate([parameters, case.signals[:-1], case.signals[1:]], axis=1))
    return np.concatenate(now), np.concatenate(inputs), np.concatenate(change)


def roll(
    step: StepMap, start: np.ndarray, parameters: np.ndarray, signals: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """Apply a map again and again.

    Args:
        step: the map.
        start: coefficients [M, R].
        parameters: [M, P].
        signals: [M, steps + 1, G], at the start and after each step.

    Returns:
        Coefficients [M, steps, R] and, if the map has them, the variances of the steps made, added up.
    """
    now, spread = start, np.zeros_like(start)
    path, spreads = [], []
    with np.errstate(over="ignore", invalid="ignore"):
        for index in range(signals.shape[1] - 1):
            change, variance = step(now, np.concatenate([parameters, signals[:, index], signals[:, index + 1]], axis=1))
            now = now + change
            path.append(now)
            if variance is not None:
                spread = spread + variance
                spreads.append(spread)
    return np.stack(path, axis=1), np.stack(spreads, axis=1) if spreads else None


def validation_error(step: StepMap, cases: list[Trajectory], rank: int, select: str) -> float:
    """Mean over cases of the NMSE pooled over frames, with what the basis misses; infinite if a roll-out diverges.

    Args:
        step: the map, for the first `rank` coefficients.
        cases: validation cases.
        rank: number of modes.
        select: "one-step" from every frame, or "rollout": ten steps (fewer in short cases) from every third frame.

    Raises:
        InputError: no case has two frames.
    """
    wanted, stride = (ROLLOUT_STEPS, ROLLOUT_STRIDE) if select == "rollout" else (1, 1)
    errors = []
    for case in cases:
        steps = min(wanted, len(case.energy) - 1)
        if steps < 1:
            continue
        starts = np.arange(0, len(case.energy) - steps, stride)
        frames = starts[:, None] + np.arange(steps + 1)
        parameters = np.tile(case.parameters, (len(starts), 1))
        path, _ = roll(step, case.coefficients[starts, :rank], parameters, case.signals[frames])
        asked = frames[:, 1:]
        real = case.coefficients[asked]
        with np.errstate(over="ignore", invalid="ignore"):
            wrong = np.sum((path - real[..., :rank]) ** 2) + np.sum(real[..., rank:] ** 2) + case.missed[asked].sum()
        errors.append(wrong / max(case.energy[asked].sum(), np.finfo(float).tiny))
    if not errors:
        raise InputError("The validation cases are too short to choose a variant on; give cases of two frames or more.")
    error = float(np.mean(errors))
    return error if np.isfinite(error) else float("inf")
