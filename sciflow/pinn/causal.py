r"""Weights that let a solver learn early times before late ones.

.. math:: w_k = \exp\Big(-\epsilon \sum_{j < k} \frac{L_j}{\bar L}\Big)

with L_k the mean of the squared residuals in chunk k of time and :math:`\bar L` the mean of these: the residual at a
time counts only where those before it are small. Without this a network can lower the whole residual by a solution that
forgets the start. The weights are constants for the optimiser: they are taken anew from the residuals whenever points
are drawn, and go into a block as the array ``weight``.

Source: Wang, Sankaran and Perdikaris (2024), Comput. Methods Appl. Mech. Eng. 421, 116813, section 3, without the
division. It bounds the weights from below by :math:`e^{-\epsilon K}` for K chunks, and one tolerance serves residuals
of any size; a bare tolerance of 0.01 lets a quasi-Newton method diverge on convection at a speed of 30, where residuals
start at 450 and late times have no weight at all.
"""

from __future__ import annotations

import numpy as np

from sciflow.core.errors import InputError


def causal_weights(
    times: np.ndarray, squares: np.ndarray, interval: tuple[float, float], chunks: int = 32, tolerance: float = 0.1
) -> np.ndarray:
    """Weights (N,) in (0, 1] of points at given times (N,).

    Args:
        squares: squared residuals (N,), summed over the equations.
        interval: first and last time; times outside count as in the nearest chunk.
        chunks: of equal length; 16 to 64. A chunk without points adds no loss.
        tolerance: epsilon; 0.1 to 0.3, the smaller, the weaker.

    Raises:
        InputError: shapes differ, or a number is out of range.
    """
    times, squares = np.asarray(times, np.float64), np.asarray(squares, np.float64)
    if times.ndim != 1 or times.shape != squares.shape:
        raise InputError(
            f"Causal weights need a time and a squared residual for each point; got shapes {times.shape} and "
            f"{squares.shape}."
        )
    if chunks < 1 or tolerance < 0 or interval[1] <= interval[0]:
        raise InputError(
            "Causal weights need at least one chunk, a tolerance of at least 0 and an interval of positive length; got "
            f"chunks={chunks}, tolerance={tolerance} and {interval}."
        )
    place = (times - interval[0]) / (interval[1] - interval[0]) * chunks
    chunk = np.clip(np.floor(place).astype(int), 0, chunks - 1)
    counts = np.bincount(chunk, minlength=chunks)
    losses = np.bincount(chunk, weights=squares, minlength=chunks) / np.maximum(counts, 1)
    before = np.concatenate([[0.0], np.cumsum(losses)[:-1]])
    return np.exp(-tolerance * before / max(losses.mean(), np.finfo(float).tiny))[chunk]
