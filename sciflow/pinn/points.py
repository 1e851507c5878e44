"""Collocation points of a problem's domain, and where to put more of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from scipy.stats import qmc

from sciflow.core.errors import InputError, near

if TYPE_CHECKING:
    from sciflow.problems import Case, Problem

Sampling = Literal["sobol", "latin", "uniform", "grid"]
Interval = tuple[float, float]


def collocation(
    problem: Problem, case: Case, time: Interval | None, count: int, rng: np.random.Generator, kind: Sampling = "sobol"
) -> np.ndarray:
    """Points (D, count) of time and space, inside the domain.

    Args:
        kind: ``"sobol"`` (scrambled) and ``"latin"`` (hypercube) spread evenly at random, ``"uniform"`` is independent,
            ``"grid"`` a tensor grid of about as many points, cell centres, the same each time.

    Raises:
        InputError: the kind is unknown, or the domain is empty.
    """
    if kind not in get_args(Sampling):
        raise InputError(f"There is no sampling {kind!r}.{near(kind, get_args(Sampling))}")
    bounds = problem.bounds(case.parameters)
    ends = ([time] if time is not None else []) + [bounds[axis] for axis in problem.axes]
    low, high = np.array(ends).T
    values = problem.values(case.values)
    found: list[np.ndarray] = []
    total = 0
    for _ in range(64):
        unit = _unit(kind, count, len(ends), rng)
        points = low + (high - low) * unit
        inside = problem.domain.inside(points[:, -len(problem.axes) :], values)
        found.append(points[inside])
        total += len(found[-1])
        if total >= count or kind == "grid":
            return np.concatenate(found)[:count].T
    raise InputError(f"The domain of '{problem.name}' is almost empty in its box; no collocation points fit in.")


def _unit(kind: Sampling, count: int, dims: int, rng: np.random.Generator) -> np.ndarray:
    """Points (count, dims) of the unit cube; at least as many for a grid."""
    if kind == "uniform":
        return rng.random((count, dims))
    if kind == "latin":
        return qmc.LatinHypercube(dims, rng=rng).random(count)
    if kind == "sobol":
        return qmc.Sobol(dims, rng=rng).random_base2(int(np.ceil(np.log2(count))))[:count]
    sides = round(count ** (1 / dims))
    axes = [(np.arange(sides) + 0.5) / sides] * dims
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)


def boundary(
    problem: Problem, case: Case, side: str, time: Interval | None, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Points (D, count) on a side and their outward normals (space dims, count); ``"t-"`` is the beginning.

    Raises:
        InputError: the side does not exist.
    """
    bounds = problem.bounds(case.parameters)
    moments = np.zeros((0, count)) if time is None else rng.uniform(*time, (1, count))
    if side == "t-":
        assert time is not None
        points = collocation(problem, case, time, count, rng)
        points[0] = time[0]
        return points, np.zeros((len(problem.axes), points.shape[1]))
    if side[:-1] in problem.axes and side[-1] in "-+":
        low, high = np.array([bounds[axis] for axis in problem.axes]).T
        places = low[:, None] + (high - low)[:, None] * rng.random((len(low), count))
        axis = problem.axes.index(side[:-1])
        places[axis] = low[axis] if side[-1] == "-" else high[axis]
        normals = np.zeros_like(places)
        normals[axis] = -1.0 if side[-1] == "-" else 1.0
        return np.concatenate([moments, places]), normals
    places, normals = _obstacle(problem, case, count, rng)
    return np.concatenate([moments, places]), normals


def _obstacle(problem: Problem, case: Case, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points and normals on what is cut out of the box."""
    values, box = problem.values(case.values), problem.bounds(case.parameters)
    kept: list[tuple[np.ndarray, np.ndarray]] = []
    for _ in range(64):
        points, normals = problem.domain.boundary(4 * count, rng, values)
        low, high = np.array([box[axis] for axis in problem.axes]).T
        size = 1e-9 * (high - low)
        inner = np.all((points > low + size) & (points < high - size), axis=1)
        kept.append((points[inner], normals[inner]))
        if sum(len(part) for part, _ in kept) >= count:
            joined = (np.concatenate([part[k] for part in kept])[:count].T for k in (0, 1))
            return next(joined), next(joined)
    raise InputError(f"The problem '{problem.name}' has a condition on an obstacle, but no obstacle in this case.")


def adaptive(candidates: np.ndarray, sizes: np.ndarray, count: int, rng: np.random.Generator, power: float = 1.0) -> np.ndarray:
    r"""Points (D, count) drawn from candidates (D, M) with a density that follows the residual there.

    .. math:: p \propto \frac{|r|^k}{\overline{|r|^k}} + 1

    Source: Wu, Zhu, Tan, Kartha and Lu (2023), Comput. Methods Appl. Mech. Eng. 403, 115671, equation 2 (RAD, c = 1).

    Args:
        sizes: sizes of the residual (M,).
        power: k; 1 to 2.
    """
    density = np.abs(sizes) ** power
    density = density / max(density.mean(), np.finfo(float).tiny) + 1.0
    chosen = rng.choice(candidates.shape[1], count, replace=False, p=density / density.sum())
    return candidates[:, chosen]


def parameters_by_name(names: tuple[str, ...], values: Mapping[str, float]) -> dict[str, float]:
    """Those parameters out of a case that have the given names, which must exist."""
    unknown = [name for name in names if name not in values]
    if unknown:
        raise InputError(f"There is no parameter {unknown[0]!r}.{near(unknown[0], values)}")
    return {name: values[name] for name in names}
