"""Interpolation in the case parameters."""

from __future__ import annotations

from typing import final

import numpy as np

from sciflow.baselines.parametric import ParametricBaseline

_TRIANGULATED = 4  # more dimensions make the triangulation large and its simplices slivers


@final
class Interpolation(ParametricBaseline):
    """Training cases interpolated in their parameters (logarithmic where declared), at the same time.

    - one varying parameter: linear between the two neighbouring training cases;
    - two to four: linear on the Delaunay triangulation of the training cases;
    - more, or too few training cases for a triangulation: inverse distance, weights 1 / d^2;
    - none: the mean training case.

    Outside the training range (or hull) the nearest training case is used. Signals and the start frame are not used, by
    design: where this method comes close to a network, the data set is a family of curves in its parameters and proves
    little about the network.
    """

    name = "interpolation"

    def weights(self, points: np.ndarray) -> np.ndarray:
        """Interpolation weights of the training cases, [Q, N]."""
        known = self.arrays["points"]
        count, dims = known.shape
        if dims == 0:
            return np.full((len(points), count), 1.0 / count)
        if dims == 1:
            return _linear(points[:, 0], known[:, 0])
        weights = _triangulated(points, known) if dims <= _TRIANGULATED and count > dims else None
        return _inverse_distance(points, known) if weights is None else weights


def _linear(points: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Weights of linear interpolation on scattered 1-D points, held outside; equal points share their weight."""
    values, owners = np.unique(known, return_inverse=True)
    hats = np.stack([np.interp(points, values, unit) for unit in np.eye(len(values))], axis=1)
    return (hats / np.bincount(owners))[:, owners]


def _triangulated(points: np.ndarray, known: np.ndarray) -> np.ndarray | None:
    """Barycentric weights in the Delaunay triangulation; None if the cases do not span the space."""
    from scipy.spatial import Delaunay, QhullError

    try:
        mesh = Delaunay(known)
    except QhullError:
        return None
    simplex = mesh.find_simplex(points)
    weights = np.zeros((len(points), len(known)))
    outside = simplex < 0
    distances = np.linalg.norm(points[outside, None] - known[None], axis=-1)
    weights[np.flatnonzero(outside), distances.argmin(axis=1) if outside.any() else []] = 1.0
    for index in np.flatnonzero(~outside):
        transform = mesh.transform[simplex[index]]
        first = transform[:-1] @ (points[index] - transform[-1])
        weights[index, mesh.simplices[simplex[index]]] = [*first, 1.0 - first.sum()]
    return weights


def _inverse_distance(points: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Shepard's weights 1 / d^2; a training case itself gets weight 1."""
    squares = np.sum((points[:, None] - known[None]) ** 2, axis=-1)
    weights = 1.0 / np.maximum(squares, 1e-24)
    return weights / weights.sum(axis=1, keepdims=True)
