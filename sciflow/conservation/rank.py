"""Whether conditions are independent of one another, and what to say where they are not."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sciflow.conservation.constraint import Constraint
from sciflow.core.errors import InputError

INDEPENDENT = 1e-12  # share of the variance of a condition that the ones before it must leave


def require_rank(constraint: Constraint, unit: Tensor, scale: Tensor, least: Tensor) -> None:
    """Raise unless every condition adds something to those before it.

    Args:
        constraint: the conditions.
        unit: correlation [..., K, K] of G u.
        scale: deviations [..., K] of G u.
        least: smallest squared pivot of the Cholesky factor of `unit`, [...].

    Raises:
        InputError: a condition follows from others (redundant, though consistent), or contradicts them.
    """
    if bool((least > INDEPENDENT).all()):
        return
    flat = int(torch.nonzero(~(least > INDEPENDENT).reshape(-1))[0])
    correlation = unit.reshape(-1, *unit.shape[-2:])[flat].detach().cpu().numpy()
    row, weights = _dependence(correlation)
    deviations = scale.reshape(-1, scale.shape[-1])[flat].detach().cpu().numpy()
    weights = weights * deviations[row] / deviations[:row]
    names = [constraint.names[k] for k in range(row) if abs(weights[k]) * deviations[k] > 1e-6 * deviations[row]]
    others = " and ".join(f"'{name}'" for name in names) or "the other laws"
    name = constraint.names[row]
    gaps = _gaps(constraint, row, weights)
    if gaps:
        raise InputError(
            f"The law '{name}' contradicts {others}: on this grid their left sides depend on one another, but their "
            f"totals differ by {gaps:.3g}; correct a total, leave one of the laws out, or allow a noise."
        )
    raise InputError(
        f"The law '{name}' follows from {others} on this grid, so the constraint has no full rank; leave '{name}' out, "
        "or allow a noise."
    )


def _dependence(correlation: np.ndarray) -> tuple[int, np.ndarray]:
    """The first row that the rows before it determine, and their weights."""
    for row in range(1, len(correlation)):
        before, cross = correlation[:row, :row], correlation[:row, row]
        weights = np.linalg.lstsq(before, cross, rcond=INDEPENDENT)[0]
        if correlation[row, row] - cross @ weights <= 10 * INDEPENDENT:
            return row, weights
    return len(correlation) - 1, np.linalg.lstsq(correlation[:-1, :-1], correlation[:-1, -1], rcond=INDEPENDENT)[0]


def _gaps(constraint: Constraint, row: int, weights: np.ndarray) -> float:
    """By how much the target of a row differs from what the rows before it give; 0 within rounding."""
    _, target, _ = constraint.tensors()
    targets = target.reshape(-1, constraint.rows).detach().cpu().numpy()
    gap = np.abs(targets[:, row] - targets[:, :row] @ weights)
    size = np.abs(targets[:, row]) + np.abs(targets[:, :row]) @ np.abs(weights)
    wrong = gap > 1e-9 * size
    return float(gap[wrong].max()) if wrong.any() else 0.0
