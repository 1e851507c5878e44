"""The compiled programs of one problem on one grid: a case's arrays in, frames out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final

import jax
import numpy as np

from sciflow.solvers.incompressible.boundary import Sides
from sciflow.solvers.incompressible.cases import CaseArrays
from sciflow.solvers.incompressible.frames import Frame, Sampler
from sciflow.solvers.incompressible.grid import StaggeredGrid
from sciflow.solvers.incompressible.march import frames, to_steady, walls_of
from sciflow.solvers.incompressible.operators import Convection
from sciflow.solvers.incompressible.stepping import State, Stepper

BATCH = 64  # cases that are advanced at once where batches pay


@final
class Program:
    """Runs of cases; every shape compiles once, whatever the parameters, walls and step of a case.

    Args:
        grid: to solve on.
        convection: scheme of the momentum flux.
        shape: stored cells (ry, rx).
        dtype: of the computation.
        bind: wall velocities of a case.

    A start is a pair of velocities (v, u) in m/s, at the inner faces of the grid or, if `stored`, at stored cells.
    Frames come back in m/s and, for the pressure, as the kinematic pressure in units of the case.
    """

    def __init__(
        self,
        grid: StaggeredGrid,
        convection: Convection,
        shape: tuple[int, int],
        dtype: Any,
        bind: Callable[[CaseArrays], Sides],
    ) -> None:
        self._stepper, self._sampler = Stepper.on(grid, convection, dtype), Sampler(grid, shape, dtype)
        self._bind, self._dtype = bind, dtype
        self._single = jax.jit(self._frames, static_argnums=4)
        self._many = jax.jit(jax.vmap(self._frames, in_axes=(0, 0, 0, None, None)), static_argnums=4)
        self._march = jax.jit(self._settle)

    def run(
        self, cases: Sequence[CaseArrays], starts: Sequence[Any], steps: Sequence[np.ndarray], stored: bool
    ) -> list[Frame]:
        """Frames of each case, one after the other, which is fastest on a CPU; `steps[k]` precede each frame."""
        return [
            jax.tree.map(np.asarray, self._single(case, *self._cast(start), counts, stored))
            for case, start, counts in zip(cases, starts, steps, strict=True)
        ]

    def run_together(
        self, cases: Sequence[CaseArrays], starts: Sequence[Any], steps: np.ndarray, stored: bool
    ) -> list[Frame]:
        """Frames of each case in batches, which is fastest on a GPU; all take the same steps."""
        solved: list[Frame] = []
        for first in range(0, len(cases), BATCH):
            part = slice(first, first + BATCH)
            together = jax.tree.map(lambda *leaves: np.stack(leaves), *cases[part])
            v, u = self._cast([np.stack(parts) for parts in zip(*starts[part], strict=True)])
            block = jax.tree.map(np.asarray, self._many(together, v, u, steps, stored))
            solved += [Frame(*(field[k] for field in block)) for k in range(len(v))]
        return solved

    def steady(self, case: CaseArrays, start: Any, rate: float, steps: int) -> tuple[Frame, float, int]:
        """Steady frame of a case, its rate of change (NaN after a blow-up) and the steps taken, up to about `steps`."""
        frame, last, count = self._march(case, *self._cast(start), rate, steps)
        return jax.tree.map(np.asarray, frame), float(last), int(count)

    def _cast(self, start: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [np.asarray(part, self._dtype) for part in start]

    def _begin(self, case: CaseArrays, v: jax.Array, u: jax.Array, stored: bool) -> tuple[State, Sides]:
        sides = self._bind(case)
        v, u = v / case.speed, u / case.speed
        if stored:
            v, u = self._sampler.fill(u, v, case.flow, sides)
        return self._stepper.begin(v, u, case.flow, walls_of(sides, self._stepper.grid, case.flow)), sides

    def _frames(self, case: CaseArrays, v: jax.Array, u: jax.Array, steps: jax.Array, stored: bool) -> Frame:
        state, sides = self._begin(case, v, u, stored)
        return _with_units(frames(self._stepper, self._sampler, state, steps, case.flow, sides)[1], case)

    def _settle(self, case: CaseArrays, v: jax.Array, u: jax.Array, rate: Any, steps: Any) -> tuple[Frame, Any, Any]:
        state, sides = self._begin(case, v, u, stored=False)
        end = to_steady(self._stepper, state, case.flow, sides, rate, steps)
        return _with_units(self._sampler.read(end.state, case.flow, sides), case), end.rate, end.state.count


def _with_units(frame: Frame, case: CaseArrays) -> Frame:
    return Frame(frame.u * case.speed, frame.v * case.speed, frame.p)
