"""Collocation points of a problem's domain, and where to put more of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import qmc

from sciflow.core.errors import InputError

if TYPE_CHECKING:
    from sciflow.problems import Case, Problem

Interval = tuple[float, float]
CANDIDATES = 4  # times as many as are kept, where points follow the residual


def collocation(
    problem: Problem, case: Case, time: Interval | None, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Points (D, count) of time and space, inside the domain, spread evenly at random.

    Raises:
        InputError: the domain is empty.
    """
    bounds = problem.bounds(case.parameters)
    ends = ([time] if time is not None else []) + [bounds[axis] for axis in problem.axes]
    low, high = np.array(ends).T
    values = problem.values(case.values)
    found: list[np.ndarray] = []
    total = 0
    for _ in range(64):
        points = low + (high - low) * unit_points(count, len(ends), rng)
        inside = problem.domain.inside(points[:, -len(problem.axes) :], values)
        found.append(points[inside])
        total += len(found[-1])
        if total >= count:
            return np.concatenate(found)[:count].T
    raise InputError(f"The domain of '{problem.name}' is almost empty in its box; no collocation points fit in.")


def unit_points(count: int, dims: int, rng: np.random.Generator) -> np.ndarray:
    """The first points (count, dims) of a scrambled Sobol sequence in the unit cube."""
    return qmc.Sobol(dims, rng=rng).random_base2(int(np.ceil(np.log2(count))))[:count]


def boundary(
    problem: Problem, case: Case, side: str, time: Interval | None, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Points (D, count) on a side and their outward normals (space dims, count); ``"t-"`` is the beginning.

    Raises:
        InputError: the side does not exist in this case.
    """
    if side == "t-":
        assert time is not None
        points = collocation(problem, case, time, count, rng)
        points[0] = time[0]
        return points, np.zeros((len(problem.axes), points.shape[1]))
    values, bounds = problem.values(case.values), problem.bounds(case.parameters)
    low, high = np.array([bounds[axis] for axis in problem.axes]).T
    found: list[tuple[np.ndarray, np.ndarray]] = []
    total = 0
    for _ in range(64):
        if side[:-1] in problem.axes and side[-1] in "-+":
            points, normals = _face(low, high, problem.axes.index(side[:-1]), side[-1], count, rng)
            kept = problem.domain.inside(points - 1e-6 * (high - low) * normals, values)  # not under an obstacle
        else:
            points, normals = problem.domain.boundary(4 * count, rng, values)
            size = 1e-9 * (high - low)
            kept = np.all((points > low + size) & (points < high - size), axis=1)
        found.append((points[kept], normals[kept]))
        total += int(kept.sum())
        if total >= count:
            moments = np.zeros((0, count)) if time is None else rng.uniform(*time, (1, count))
            places, outward = (np.concatenate([part[k] for part in found])[:count].T for k in (0, 1))
            return np.concatenate([moments, places]), outward
    raise InputError(f"The problem '{problem.name}' has a condition on {side!r}, which has no points in this case.")


def _face(
    low: np.ndarray, high: np.ndarray, axis: int, sign: str, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Points (count, space dims) and outward normals on one face of a box."""
    points, normals = rng.uniform(low, high, (count, len(low))), np.zeros((count, len(low)))
    points[:, axis] = low[axis] if sign == "-" else high[axis]
    normals[:, axis] = -1.0 if sign == "-" else 1.0
    return points, normals


def followed(
    blocks: Mapping[str, Any], sizes: Callable[..., np.ndarray], count: int, rng: np.random.Generator
) -> np.ndarray:
    """Points (D, count) out of the ``points`` of blocks [blocks, D, n] that follow the residual's `sizes` there."""
    candidates = np.moveaxis(np.asarray(blocks["points"], np.float64), 0, 1)
    return adaptive(candidates.reshape(len(candidates), -1), sizes(blocks).ravel(), count, rng)


def adaptive(
    candidates: np.ndarray, sizes: np.ndarray, count: int, rng: np.random.Generator, power: float = 1.0
) -> np.ndarray:
    r"""Points (D, count) drawn from candidates (D, M) with a density that follows the residual there.

    .. math:: p \propto \frac{|r|^k}{\overline{|r|^k}} + 1

    No candidate is drawn twice, so that the density is flattened where `count` is no small part of M; all are taken
    where there are no more than that.

    Source: Wu, Zhu, Tan, Kartha and Lu (2023), Comput. Methods Appl. Mech. Eng. 403, 115671, equation 2 (RAD, c = 1).

    Args:
        sizes: sizes of the residual (M,).
        power: k; 1 to 2.
    """
    density = np.abs(np.asarray(sizes, dtype=np.float64)) ** power
    density = density / max(density.mean(), np.finfo(float).tiny) + 1.0
    total = candidates.shape[1]
    chosen = rng.choice(total, min(count, total), replace=False, p=density / density.sum())
    return candidates[:, chosen]
