"""Sparse direct solution of one linear system, with its checks."""

from __future__ import annotations

from typing import final

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from sciflow.core.errors import SciflowError

RESIDUAL = 1e-10
_POWER_STEPS = 8


@final
class Factors:
    """LU factors of a matrix that is symmetric but for rounding.

    Args:
        matrix: square.
        pinned: the matrix has the constant vector as its null space: the first unknown is held at zero then, and
            `solve` gives the solution of mean zero for a right-hand side of sum zero.
    """

    def __init__(self, matrix: sp.csc_array, pinned: bool) -> None:
        self.matrix, self.pinned = matrix, pinned
        held = matrix
        if pinned:  # the sum of all equations then says that the first unknown is zero: the others are not disturbed
            held = matrix + sp.coo_array(([matrix[0, 0]], ([0], [0])), shape=matrix.shape).tocsc()
        options = {"SymmetricMode": True}
        self._lu = splu(sp.csc_matrix(held), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.1, options=options)

    def solve(self, right: np.ndarray) -> np.ndarray:
        """Solution of the system.

        Raises:
            SciflowError: its residual exceeds 1e-10 of the size of its terms.
        """
        out = self._lu.solve(right)
        if self.pinned:
            out -= out.mean()
        size = abs(self.matrix).sum(axis=1).max() * np.abs(out).max() + np.abs(right).max()
        residual = np.abs(self.matrix @ out - right).max()
        if not residual <= RESIDUAL * size:
            raise SciflowError(
                f"The linear system was solved to {residual / max(size, 1e-300):.1e} only, not to {RESIDUAL:g}: its "
                "matrix is singular or nearly so; change the coefficients or the resolution."
            )
        return out

    def smallest_eigenvalue(self) -> float:
        """Size of the eigenvalue nearest to zero, by inverse iteration; a few per cent off at worst."""
        vector = np.random.default_rng(0).standard_normal(self.matrix.shape[0])
        growth = 1.0
        for _ in range(_POWER_STEPS):
            vector = self._lu.solve(vector / np.linalg.norm(vector))
            growth = float(np.linalg.norm(vector))
        return 1 / growth
