"""Conditions on shape that keep the conservation laws: values that are not negative, or monotone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from scipy.optimize import isotonic_regression
from torch import Tensor

from sciflow.conservation.arrays import require_finite, require_variance, returned, tensor
from sciflow.conservation.constraint import Constraint
from sciflow.core.errors import InputError, near

Post = str | Sequence[str]
SHAPES = ("nonnegative", "decreasing", "increasing")
_TOLERANCE = 1e-13
_STEPS = 200

Shape = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def post_condition(mean: Any, variance: Any, constraint: Constraint, shapes: Post) -> Any:
    """The nearest values of a shape that hold the conditions G u = b:

        argmin sum_i (u_i - mean_i)^2 / variance_i    with G u = b and u of the shape.

    Distances count in units of the variance that the update left, as in the paper's non-negative least squares, but
    without its correlations. Solved in the multipliers of G u = b by Newton's method on a concave dual; for given
    multipliers the nearest values are a cut at 0 or an isotonic regression. The variance is meant to stay as it was.

    Args:
        mean: [..., n], array or tensor; the result is of the same kind.
        variance: [..., n]; values without variance move only if the shape requires it.
        constraint: K conditions; its noise is ignored.
        shapes: ``"nonnegative"``, ``"decreasing"``, ``"increasing"`` along the last axis, or non-negative together with
            one of the others.

    Raises:
        InputError: a shape is unknown, or no values of the shape hold the conditions.
    """
    names = (shapes,) if isinstance(shapes, str) else tuple(shapes)
    for name in names:
        if name not in SHAPES:
            raise InputError(f"The condition on shape is {name!r}.{near(str(name), SHAPES)}")
    if not names or {"decreasing", "increasing"} <= set(names):
        raise InputError("The conditions on shape must be nonnegative, decreasing or increasing, not both of the last.")
    values, spreads = tensor(mean, "mean"), tensor(variance, "variance")
    require_finite(values, "mean")
    require_variance(spreads)
    matrix, target, _ = constraint.tensors()
    lead = torch.broadcast_shapes(values.shape[:-1], spreads.shape[:-1], matrix.shape[:-2], target.shape[:-1])
    shape = (*lead, constraint.rows)
    parts = (values.expand(*lead, -1), spreads.expand(*lead, -1), matrix.expand(*shape, -1), target.expand(shape))
    flat = [part.reshape(-1, *part.shape[len(lead) :]).detach().cpu().numpy() for part in parts]
    slices = zip(*flat, strict=True)
    found = np.stack([_nearest(m, v, rows, b, names, constraint.names) for m, v, rows, b in slices])
    result = torch.from_numpy(found.reshape(*lead, -1)).to(values.device)
    return returned(result, not isinstance(mean, Tensor))


def truncate(mean: Any) -> Any:
    """The cheap variant of the paper's code: cumulative minimum along the last axis, then 0 where negative.

    It keeps no conservation law: use `post_condition` where totals must hold, and this only to compare.
    """
    values = tensor(mean, "mean")
    cut = torch.cummin(values, dim=-1).values.clamp(min=0)
    return returned(cut, not isinstance(mean, Tensor))


def _nearest(
    mean: np.ndarray,
    variance: np.ndarray,
    matrix: np.ndarray,
    target: np.ndarray,
    shapes: tuple[str, ...],
    names: tuple[str, ...],
) -> np.ndarray:
    """Nearest values of one slice [n] that hold matrix [K, n] u = target [K]."""
    floor = np.finfo(float).tiny + 1e-12 * variance.max(initial=0.0)
    spread = np.maximum(variance, floor)

    def at(multipliers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Values, what is missing in the conditions, and minus its derivative."""
        values, groups = _shaped(mean + spread * (multipliers @ matrix), 1 / spread, shapes)
        sums = _grouped(matrix, groups)
        weight = _grouped(1 / spread[None], groups)[0]
        return values, target - matrix @ values, (sums / np.where(weight > 0, weight, 1.0)) @ sums.T

    multipliers = np.zeros(len(target))
    values, missing, slope = at(multipliers)
    scale = np.abs(target) + np.abs(matrix) @ (np.abs(mean) + np.abs(values))
    for _ in range(_STEPS):
        if (np.abs(missing) <= _TOLERANCE * scale).all():
            return values
        step = np.linalg.lstsq(slope, missing, rcond=1e-13)[0]
        if missing @ step <= 1e-10 * abs(missing) @ abs(step):  # nothing that moves counts: as if all values did
            step = np.linalg.lstsq((matrix * spread) @ matrix.T, missing, rcond=1e-13)[0]
        share = 1.0
        while True:
            trial = at(multipliers + share * step)
            # The slope of the dual along the step must not turn round by more than half.
            if trial[1] @ step >= -0.5 * abs(missing @ step) or share < 1e-10:
                break
            share *= 0.5
        multipliers = multipliers + share * step
        values, missing, slope = trial
    worst = int(np.argmax(np.abs(missing) / np.where(scale > 0, scale, 1.0)))
    raise InputError(
        f"No {' and '.join(shapes)} values were found that hold the law '{names[worst]}' (total {target[worst]:.6g}); "
        "leave post= out, or check the total."
    )


def _shaped(values: np.ndarray, weights: np.ndarray, shapes: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Nearest values of the shape, and the group of each: values of a group move as one, those of group -1 not."""
    groups = np.arange(len(values))
    if "decreasing" in shapes or "increasing" in shapes:
        fit = isotonic_regression(values, weights=weights, increasing="increasing" in shapes)
        values, groups = fit.x, np.repeat(np.arange(len(fit.blocks) - 1), np.diff(fit.blocks))
    if "nonnegative" in shapes:
        groups = np.where(values > 0, groups, -1)
        values = np.maximum(values, 0.0)
    return values, groups


def _grouped(rows: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Sums of rows [K, n] over groups, [K, groups]."""
    moving = groups >= 0
    count = int(groups.max(initial=-1)) + 1
    return np.stack([np.bincount(groups[moving], row[moving], minlength=count) for row in rows])
