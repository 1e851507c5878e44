r"""Direct solution of :math:`(a - \nu\nabla^2) w = f` and :math:`\nabla^2\varphi = f` on the staggered grid.

The discrete Laplacian is a sum of one operator per axis. Each is symmetric in its finite-volume weights `W`, so that
:math:`W^{1/2} L W^{-1/2} = Q\Lambda Q^T` and a solve is two dense matrix products per axis and a division: exact to
round-off on any stretched grid with any Dirichlet or Neumann ends (Lynch, Rice and Thomas, Numer. Math. 6, 1964). On an
axis that is symmetric about its middle, even and odd parts decouple; folding the field first halves the arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from sciflow.solvers.incompressible.grid import Axis, StaggeredGrid

End: TypeAlias = Literal["dirichlet", "neumann"]


@dataclass(frozen=True, eq=False)
class Modes:
    """Eigenvectors of a line operator in `b` parity blocks of `h` (b = 2: even and odd; b = 1: no symmetry).

    `forward` maps the folded line to amplitudes, `backward` amplitudes to the folded line, both `(b, h, h)`;
    `eigenvalues (b, h)` are at most 0. `size` is the number of unknowns.
    """

    size: int
    eigenvalues: np.ndarray
    forward: np.ndarray
    backward: np.ndarray

    @property
    def blocks(self) -> int:
        """Number of parity blocks, 1 or 2."""
        return len(self.eigenvalues)


def line_operator(
    axis: Axis, place: Literal["centres", "faces"], ends: tuple[End, End]
) -> tuple[np.ndarray, np.ndarray]:
    """Second difference of values at centres or inner faces as `(weights, symmetric matrix S)`, the operator being `S /
    weights`.

    A Dirichlet end holds the wall value at the wall (half a cell away from the first centre); a Neumann end has no
    flux.
    """
    weights, distances = (axis.widths, axis.gaps) if place == "centres" else (axis.gaps[1:-1], axis.widths)
    conductance = 1 / distances
    if ends[0] == "neumann":
        conductance[0] = 0
    if ends[1] == "neumann":
        conductance[-1] = 0
    inner = conductance[1:-1]
    matrix = np.diag(inner, 1) + np.diag(inner, -1) - np.diag(conductance[:-1] + conductance[1:])
    return weights, matrix


def modes(axis: Axis, place: Literal["centres", "faces"], ends: tuple[End, End]) -> Modes:
    """Eigenvectors of `line_operator` on the unit axis, folded if the axis and its ends are symmetric."""
    weights, matrix = line_operator(axis, place, ends)
    root = np.sqrt(weights)
    matrix = matrix / root / root[:, None]
    size = len(root)
    symmetric = np.allclose(matrix, matrix[::-1, ::-1], rtol=0, atol=1e-10 * np.abs(matrix).max())
    blocks = _parity_blocks(matrix, root) if symmetric else [_block(matrix, root, np.eye(size), np.ones(size))]
    half = len(blocks[0][0])  # the odd block of an odd line is one smaller and padded with zeros
    eigenvalues = np.full((len(blocks), half), -1.0)
    forward, backward = np.zeros((2, len(blocks), half, half))
    for k, (values, ahead, back) in enumerate(blocks):
        count = len(values)
        eigenvalues[k, :count] = values
        forward[k, :count, :count], backward[k, :count, :count] = ahead, back
    if ends == ("neumann", "neumann"):
        eigenvalues[0, np.argmin(np.abs(eigenvalues[0]))] = 0.0  # the constant, an even mode without any flux
    return Modes(size, eigenvalues, forward, backward)


def _parity_blocks(matrix: np.ndarray, root: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    size = len(root)
    half, odd = (size + 1) // 2, size // 2
    mirror = np.eye(size)[:, ::-1]
    even_basis = (np.eye(size) + mirror)[:, :half]
    even_basis /= np.linalg.norm(even_basis, axis=0)
    odd_basis = (np.eye(size) - mirror)[:, :odd] / np.sqrt(2)
    counted = np.where(np.arange(half) == size - 1 - np.arange(half), 0.5, 1.0)  # folding counts the middle twice
    return [_block(matrix, root, even_basis, counted), _block(matrix, root, odd_basis, counted[:odd])]


def _block(
    matrix: np.ndarray, root: np.ndarray, basis: np.ndarray, counted: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Eigenvalues and transforms of the operator on the span of `basis`, as maps of the folded line."""
    values, vectors = np.linalg.eigh(basis.T @ matrix @ basis)
    full = (basis @ vectors)[: len(counted)]
    return values, (full * (root[: len(counted)] * counted)[:, None]).T, full / root[: len(counted), None]


class DirectSolver:
    """Solves with the Laplacian of one kind of unknown (pressure, `u` or `v`); the lengths of the grid come later."""

    def __init__(self, y: Modes, x: Modes, dtype: Any) -> None:
        self._blocks = y.blocks, x.blocks
        self._sizes = y.size, x.size

        def rows(a: np.ndarray) -> np.ndarray:
            return np.repeat(a, x.blocks, axis=0)

        def columns(a: np.ndarray) -> np.ndarray:
            return np.tile(a, (y.blocks, 1, 1))

        self._forward = np.asarray(rows(y.forward), dtype), np.asarray(columns(x.forward.swapaxes(1, 2)), dtype)
        self._backward = np.asarray(rows(y.backward), dtype), np.asarray(columns(x.backward.swapaxes(1, 2)), dtype)
        self._eigenvalues = rows(y.eigenvalues)[:, :, None], np.tile(x.eigenvalues, (y.blocks, 1))[:, None, :]
        self._dtype = dtype

    def eigenvalues(self, lengths: tuple[Any, Any]) -> jax.Array:
        """Eigenvalues of the Laplacian (at most 0) for `lengths` (ly, lx), in the layout of the amplitudes."""
        y, x = (jnp.asarray(values, self._dtype) for values in self._eigenvalues)
        return y / jnp.asarray(lengths[0], self._dtype) ** 2 + x / jnp.asarray(lengths[1], self._dtype) ** 2

    def apply(self, f: jax.Array, factors: jax.Array) -> jax.Array:
        """Multiply the amplitude of every mode of `f (ny, nx)` by its factor."""
        amplitudes = jnp.matmul(jnp.matmul(self._forward[0], self._fold(f)), self._forward[1]) * factors
        return self._unfold(jnp.matmul(jnp.matmul(self._backward[0], amplitudes), self._backward[1]))

    def _fold(self, f: jax.Array) -> jax.Array:
        (rows, columns), (blocks_y, blocks_x) = self._sizes, self._blocks
        half = (rows + 1) // 2
        halves = [f]
        if blocks_y == 2:
            top, bottom = f[:half], f[rows - half :][::-1]
            halves = [top + bottom, top - bottom]
        if blocks_x == 1:
            return jnp.stack(halves)
        half = (columns + 1) // 2
        quarters = []
        for part in halves:
            left, right = part[:, :half], part[:, columns - half :][:, ::-1]
            quarters += [left + right, left - right]
        return jnp.stack(quarters)

    def _unfold(self, parts: jax.Array) -> jax.Array:
        (rows, columns), (blocks_y, blocks_x) = self._sizes, self._blocks
        halves = [parts[k] for k in range(len(parts))]
        if blocks_x == 2:
            pairs = zip(halves[::2], halves[1::2], strict=True)
            halves = [jnp.concatenate([a + b, (a - b)[:, ::-1][:, columns % 2 :]], 1) for a, b in pairs]
        if blocks_y == 1:
            return halves[0]
        even, odd = halves
        return jnp.concatenate([even + odd, (even - odd)[::-1][rows % 2 :]], 0)


def inverse_laplacian(eigenvalues: jax.Array) -> jax.Array:
    """Factors that solve the Poisson equation; the constant, whose eigenvalue is exactly 0, is set to 0."""
    null = eigenvalues == 0
    return jnp.where(null, 0, 1 / jnp.where(null, 1, eigenvalues))


def pressure_solver(grid: StaggeredGrid, dtype: Any) -> DirectSolver:
    """Laplacian of cell-centred values without flux through the walls."""
    y, x = (modes(axis, "centres", ("neumann", "neumann")) for axis in grid.axes)
    return DirectSolver(y, x, dtype)


def velocity_solver(grid: StaggeredGrid, axis: int, dtype: Any) -> DirectSolver:
    """Laplacian of the velocity component along array axis `axis`, given on all sides."""
    y, x = (modes(a, "faces" if k == axis else "centres", ("dirichlet", "dirichlet")) for k, a in enumerate(grid.axes))
    return DirectSolver(y, x, dtype)
