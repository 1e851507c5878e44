"""Between the staggered grid and the nodes that frames are stored on: filter along x and z, splines along y."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from sciflow.core.errors import InputError
from sciflow.solvers.channel.convection import Velocity
from sciflow.solvers.channel.fourier import Modes, Waves
from sciflow.solvers.channel.grid import HEIGHT, wall_nodes
from sciflow.solvers.channel.stepping import State
from sciflow.solvers.channel.walls import product
from sciflow.solvers.incompressible.frames import spline_matrix

Filter = Literal["cutoff", "box"]
FILTERS = ("cutoff", "box")


@dataclass(frozen=True, eq=False)
class Frames:
    """Reads frames [z, y, x] off a state, and makes a velocity from them.

    Args:
        waves: of the grid that the flow is solved on.
        resolution: stored nodes along x, y, z; y runs from wall to wall over `wall_nodes`.
        filter: ``"cutoff"`` keeps the modes that the stored nodes carry; ``"box"`` also averages over one spacing of
            the stored nodes along x and z. Along y values are those of a cubic spline at the nodes.

    Raises:
        InputError: there is no such filter, or fewer than 4 nodes along y.
    """

    waves: Waves
    resolution: tuple[int, int, int]
    filter: Filter = "cutoff"

    def __post_init__(self) -> None:
        if self.filter not in FILTERS:
            raise InputError(f"There is no filter {self.filter!r}; use 'cutoff' or 'box'.")
        if self.resolution[1] < 4:
            raise InputError(f"{self.resolution[1]} stored nodes across the channel are too few; store at least 4.")

    @cached_property
    def modes(self) -> Modes:
        """The modes of the stored nodes."""
        return Modes(self.resolution[0], self.resolution[2])

    @cached_property
    def nodes(self) -> np.ndarray:
        """[ny] stored nodes along y."""
        return wall_nodes(self.resolution[1])

    @cached_property
    def _kernel(self) -> np.ndarray:
        """[1, kz, kx] what the filter leaves of each stored mode."""
        if self.filter == "cutoff":
            return np.ones((1, *self.modes.shape))
        x = np.arange(self.modes.kx) / self.modes.nx
        z = np.concatenate([np.arange(self.modes.kz + 1), np.arange(-self.modes.kz, 0)]) / self.modes.nz
        return (np.sinc(z)[:, None] * np.sinc(x)[None, :])[None]

    def read(self, state: State) -> dict[str, jax.Array]:
        """Arrays u, v, w, p [z, y, x] of a state; the mean of p is zero."""
        grid = self.waves.grid
        centred = spline_matrix(np.concatenate([[0.0], grid.centres, [HEIGHT]]), self.nodes)[:, 1:-1]
        faced = spline_matrix(grid.faces, self.nodes)[:, 1:-1]
        pressure = spline_matrix(grid.centres, self.nodes)
        parts = dict(zip("uvw", state.velocity, strict=True)) | {"p": state.p}
        matrices = {"u": centred, "v": faced, "w": centred, "p": pressure}
        out = {}
        for name, part in parts.items():
            kept = self.waves.modes.cut(part, self.modes) * self._kernel
            values = self.modes.values(product(matrices[name], kept), (self.modes.nz, self.modes.nx))
            out[name] = jnp.transpose(values, (1, 0, 2))
        mean = jnp.sum(grid.widths * state.p[:, 0, 0].real) / HEIGHT
        return {**out, "p": out["p"] - mean}

    def fill(self, u: Any, v: Any, w: Any) -> Velocity:
        """Coefficients of stored velocities [z, y, x], interpolated along y; they still need a projection."""
        grid, parts = self.waves.grid, []
        for values, points in ((u, grid.centres), (v, grid.faces[1:-1]), (w, grid.centres)):
            coefficients = self.modes.coefficients(jnp.transpose(jnp.asarray(values), (1, 0, 2)))
            parts.append(product(spline_matrix(self.nodes, points), self.modes.cut(coefficients, self.waves.modes)))
        return Velocity(*parts)
