"""Moving images as the solution of a problem without equations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np

from sciflow.core.errors import InputError, near
from sciflow.solvers.assemble import assemble
from sciflow.solvers.base import Grid, ReferenceSolver, cell_grid, check_times, shared_bounds
from sciflow.solvers.images.idx import mnist
from sciflow.solvers.images.pictures import Pictures, handwritten
from sciflow.solvers.images.scene import MOST_OBJECTS, MOTIONS, scene

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.problems import Case, Problem


@final
class MovingImages(ReferenceSolver):
    """Draws the digits of a case where they are at each time; nothing is integrated, so no error grows.

    Brightness(t, x, y) = clamp(sum over objects of digit(position at t), 0, 1). Shifts by whole pixels and quarter
    turns are exact (`sciflow.solvers.images.motion`); shifts by parts of a pixel are those of the trigonometric
    interpolant, and what it overshoots is clamped away, so that frames are then no exact shifts of each other.

    Args:
        motion: ``"translation"`` on a periodic canvas, by the parameters vx1, vy1, vx2, ...; or ``"rotation"`` about
            the centre of an open canvas, by rate1, rate2, ....
        size: pixels along a side of the handwritten digits (`sciflow.solvers.images.pictures.handwritten`).
        folder: with the four files of MNIST, to be used instead (`sciflow.solvers.images.idx.mnist`).

    Raises:
        InputError: the canvas has another number of pixels than the resolution, digits do not fit on it, initial
            fields are given, or the files of MNIST cannot be used.
    """

    name = "moving-images"
    automatic = False

    def __init__(
        self,
        problem: Problem,
        resolution: int | Sequence[int],
        *,
        motion: str = "translation",
        size: int = 12,
        folder: str | None = None,
        precision: str = "float64",
        device: str | None = None,
    ) -> None:
        super().__init__(problem, resolution, precision=precision, device=device)
        if motion not in MOTIONS:
            raise InputError(f"There is no motion {motion!r}.{near(motion, MOTIONS)}")
        self.motion = MOTIONS[motion]
        lacking = next((name for name in _parameters(self.motion.parameters) if name not in problem.values()), None)
        if lacking is not None:
            raise InputError(f"The motion '{motion}' needs the parameter '{lacking}', which '{problem.name}' lacks.")
        self.pictures: Pictures = handwritten(size) if folder is None else mnist(Path(folder))
        canvas = self.resolution[1], self.resolution[0]
        if self.pictures.size > min(canvas):
            raise InputError(
                f"The digits are {self.pictures.size} pixels wide and the canvas has {canvas[1]} x {canvas[0]}; choose "
                "a larger canvas."
            )
        self.canvas = canvas

    @classmethod
    def unsupported(cls, problem: Problem) -> str | None:
        if problem.axes != ("x", "y") or len(problem.fields) != 1 or problem.t is None:
            return "it draws one field of t, x and y."
        if problem.equations:
            return "it solves no equations."
        return None

    def grid(self, cases: Sequence[Case]) -> Grid:
        for (axis, (low, high)), pixels in zip(
            shared_bounds(self.problem, cases).items(), self.resolution, strict=True
        ):
            if abs(high - low - pixels) > 1e-9:
                raise InputError(
                    f"The canvas of '{self.problem.name}' is {high - low:g} wide along {axis} and the resolution is "
                    f"{pixels}; make them equal, as in resolution={high - low:g}, so that a pixel is 1 wide."
                )
        return cell_grid(self.problem, cases, self.resolution)

    def run(
        self, cases: Sequence[Case], times: np.ndarray, initial: Mapping[str, np.ndarray] | None = None
    ) -> xr.Dataset:
        if initial:
            raise InputError("The solver 'moving-images' draws its digits itself; leave the initial fields out.")
        times, grid = check_times(times), self.grid(cases)
        frames = np.stack([scene(case, self.pictures, self.motion, self.canvas, times) for case in cases])
        return assemble(self.problem, cases, times, grid, {self.problem.fields[0].name: frames})


def _parameters(rates: Sequence[str]) -> list[str]:
    return ["objects", "images", *(f"{name}{number}" for number in range(1, MOST_OBJECTS + 1) for name in rates)]
