r"""Pressure solves of a box with obstacles.

The Laplacian of the whole box is inverted directly (two dense products per axis). An obstacle takes away the links
between cells across its surface, :math:`L = L_0 + U U^T` with one column of `U` for each link, so that

.. math:: L^{-1} f = L_0^{-1}(f - U y), \qquad (1 + U^T L_0^{-1} U)\,y = U^T L_0^{-1} f

is exact to rounding at the price of one more direct solve (the capacitance matrix of Buzbee, Dorr, George and Golub,
SIAM J. Numer. Anal. 8, 1971). Exactness matters: what divergence remains is lost or gained volume.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sciflow.solvers.incompressible.grid import uniform_axis
from sciflow.solvers.incompressible.solve import DirectSolver, End, inverse_laplacian, modes
from sciflow.solvers.twophase.layout import Layout

Pair = tuple[jax.Array, jax.Array]


class Links(NamedTuple):
    """The links that an obstacle takes away: flat indices of the two cells `(k,)`, the root of the conductance `(k,)`
    (0 for padding) and the inverse capacitance matrix `(k, k)`."""

    low: Any
    high: Any
    root: Any
    inverse: Any


class PressureSolver:
    """Inverts the Laplacian of the pressure on `ny` by `nx` cells; the side x+ is open (p = 0 on it) or closed."""

    def __init__(self, shape: tuple[int, int], *, outlet: bool, dtype: Any) -> None:
        self.shape = shape
        closed: tuple[End, End] = ("neumann", "neumann")
        right: tuple[End, End] = ("neumann", "dirichlet")
        across = modes(uniform_axis(shape[0]), "centres", closed)
        along = modes(uniform_axis(shape[1]), "centres", right if outlet else closed)
        self._box = DirectSolver(across, along, dtype)

    def factors(self, layout: Layout) -> jax.Array:
        """Inverse eigenvalues of the box."""
        ny, nx = self.shape
        return inverse_laplacian(self._box.eigenvalues((ny * layout.hy, nx * layout.hx)))

    def links(self, layout: Layout) -> Links:
        """Links across the surfaces of the obstacles; their number is padded so that few programs are compiled."""
        index = np.arange(self.shape[0] * self.shape[1]).reshape(self.shape)
        fluid = np.asarray(layout.fluid) > 0
        across_x, across_y = fluid[:, 1:] != fluid[:, :-1], fluid[1:] != fluid[:-1]
        low = np.concatenate([index[:, :-1][across_x], index[:-1][across_y]])
        high = np.concatenate([index[:, 1:][across_x], index[1:][across_y]])
        root = np.concatenate(
            [np.full(across_x.sum(), 1 / float(layout.hx)), np.full(across_y.sum(), 1 / float(layout.hy))]
        )
        padding = (0, -len(low) % 32)
        low, high, root = (np.pad(part, padding) for part in (low, high, root))
        if not len(low):
            return Links(low, high, root, np.zeros((0, 0)))
        columns = Links(jnp.asarray(low), jnp.asarray(high), jnp.asarray(root), None)
        factors = self.factors(layout)
        one = jax.jit(lambda unit: _gather(self._box.apply(_scatter(unit, columns, self.shape), factors), columns))
        matrix = np.stack([np.asarray(one(unit)) for unit in np.eye(len(low))], axis=1)
        # An obstacle that is cut out keeps its constant, for which the matrix is singular: leave that out.
        inverse = np.linalg.pinv(np.eye(len(low)) + 0.5 * (matrix + matrix.T), rcond=1e-9, hermitian=True)
        return Links(low, high, root, inverse)

    def solve(self, f: jax.Array, factors: jax.Array, links: Links) -> jax.Array:
        """The pressure `(ny, nx)` whose Laplacian is `f`, 0 in obstacles (and of mean 0 in a closed box)."""
        p = self._box.apply(f, factors)
        if not len(links.low):
            return p
        y = links.inverse @ _gather(p, links)
        return self._box.apply(f - _scatter(y, links, self.shape), factors)


def _gather(p: jax.Array, links: Links) -> jax.Array:
    flat = p.reshape(-1)
    return links.root * (flat[links.high] - flat[links.low])


def _scatter(values: jax.Array, links: Links, shape: tuple[int, int]) -> jax.Array:
    flat = jnp.zeros(shape[0] * shape[1], values.dtype)
    weighted = links.root * values
    return flat.at[links.high].add(weighted).at[links.low].add(-weighted).reshape(shape)


def gradient(p: jax.Array, outer: jax.Array | float, layout: Layout) -> Pair:
    """Pressure gradient at the free faces; `outer` is the pressure on the open side, `(ny,)`."""
    inner_x = jnp.diff(p, axis=1) / layout.hx
    last = ((outer - p[:, -1]) / (0.5 * layout.hx))[:, None]
    x = jnp.concatenate([jnp.zeros_like(last), inner_x, last], axis=1)
    y = jnp.pad(jnp.diff(p, axis=0) / layout.hy, ((1, 1), (0, 0)))
    return x * layout.free_u, y * layout.free_v


def divergence(u: jax.Array, v: jax.Array, layout: Layout) -> jax.Array:
    """Divergence of the cells, 0 in obstacles."""
    return layout.fluid * (jnp.diff(u, axis=1) / layout.hx + jnp.diff(v, axis=0) / layout.hy)


def variable(
    f: jax.Array, rho: Pair, layout: Layout, solve: Callable[[jax.Array], jax.Array], enough: Any, most: int
) -> Pair:
    r"""Approach :math:`\nabla\cdot(\rho^{-1}\nabla p) = f` by conjugate gradients, preconditioned by the direct solve.

    Returns:
        The pressure `p` and :math:`\nabla^{-2}` of the residual, whose gradient has a sum of squares below `enough`.
    """

    def apply(p: jax.Array) -> jax.Array:
        x, y = gradient(p, 0.0, layout)
        return divergence(x / rho[0], y / rho[1], layout)

    z = solve(f)
    start = jnp.zeros((), int), jnp.zeros_like(f), f, z, z, jnp.sum(f * z)

    def unfinished(state: tuple[jax.Array, ...]) -> jax.Array:
        return (jnp.abs(state[5]) > enough) & (state[0] < most)

    def improve(state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        count, p, residual, rest, direction, old = state
        image = apply(direction)
        step = old / jnp.sum(direction * image)
        p, residual = p + step * direction, residual - step * image
        rest = solve(residual)
        new = jnp.sum(residual * rest)
        return count + 1, p, residual, rest, rest + new / old * direction, new

    state = jax.lax.while_loop(unfinished, improve, start)
    return state[1], state[3]
