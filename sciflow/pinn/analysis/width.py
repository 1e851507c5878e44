r"""How many modes a solution needs: the Kolmogorov n-width of its snapshots, on a fixed grid or by its particles.

The best subspace of n modes leaves, of snapshots A with singular values :math:`s_1 \ge s_2 \ge \dots`, the share

.. math:: d_n = \Big(\sum_{i > n} s_i^2 \Big/ \sum_i s_i^2\Big)^{1/2}

of their norm (Eckart and Young (1936), Psychometrika 1, 211). Moving fronts need many modes on a grid and few where the
places and the values of particles are taken apart: Mojgani, Balajewicz and Hassanzadeh (2023), Comput. Methods Appl.
Mech. Eng. 404, 115810, section 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sciflow.core.errors import InputError

TOLERANCES = (1e-1, 1e-2, 1e-3)


def singular_values(snapshots: Any) -> np.ndarray:
    """Singular values of a snapshot matrix (space, time), largest first.

    Take a constant background off first: it adds one mode and hides the others behind its norm.

    Raises:
        InputError: it is no matrix, is empty, or holds NaN or infinite values.
    """
    matrix = np.asarray(snapshots, np.float64)
    if matrix.ndim != 2 or matrix.size == 0:
        raise InputError(f"Snapshots form a matrix (space, time), not an array of shape {matrix.shape}; reshape them.")
    if not np.isfinite(matrix).all():
        raise InputError("The snapshots hold NaN or infinite values; leave those times out.")
    return np.linalg.svd(matrix, compute_uv=False)


def modes(snapshots: Any, tolerances: Sequence[float] = TOLERANCES) -> tuple[int, ...]:
    """The fewest modes that hold a snapshot matrix (space, time) to each relative tolerance, in the Frobenius norm.

    Raises:
        InputError: the snapshots are not a finite matrix, or a tolerance is not between 0 and 1.
    """
    wrong = [tolerance for tolerance in tolerances if not 0 < tolerance < 1]
    if wrong:
        raise InputError(f"A tolerance is a share of the norm between 0 and 1, not {wrong[0]:g}.")
    values = singular_values(snapshots)
    left = np.sqrt(np.append(np.cumsum(values[::-1] ** 2)[::-1], 0.0))  # after n modes; summed from the small end
    return tuple(int(np.argmax(left <= tolerance * left[0])) for tolerance in tolerances)


def displacements(labels: Any, paths: Any) -> np.ndarray:
    """The snapshot matrix x(X, t) - X of particles; that of what they carry, u(X, t), needs no change.

    Its norm is mostly that of a fast mean motion, to which a relative tolerance then refers.

    Args:
        labels: X, (particles,) or (axes, particles).
        paths: x(X, t), (particles, times) or (axes, particles, times), not wrapped into the period.

    Returns:
        (axes * particles, times).

    Raises:
        InputError: the shapes do not belong together.
    """
    start, places = np.asarray(labels, np.float64), np.asarray(paths, np.float64)
    if places.ndim not in (2, 3) or places.shape[:-1] != start.shape:
        raise InputError(
            f"Paths have the shape of their labels and times as a last axis, not {places.shape} for {start.shape}."
        )
    return (places - start[..., None]).reshape(-1, places.shape[-1])
