"""Residuals on a periodic grid: Fourier derivatives in space, differences in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sciflow.core.errors import InputError
from sciflow.problems.compile import Compiled, Orders
from sciflow.problems.residual.common import Equations
from sciflow.problems.residual.grid import Frames, GridResidual
from sciflow.problems.residual.times import differentiate

if TYPE_CHECKING:
    from sciflow.problems.problem import Problem


class Residual(GridResidual):
    """Residual of every equation on a periodic grid; called as every `GridResidual`.

    Space derivatives are exact for resolved fields; time derivatives are differences of five frames, of fourth order up
    to the ends.

    Raises:
        InputError: an axis is not periodic (its boundary would be taken for periodic), a field is missing, the grid is
            uneven or not a whole period, or there are fewer than five frames.
    """

    def __init__(self, problem: Problem) -> None:
        open_axes = [axis for axis in problem.axes if axis not in problem.periodic]
        if open_axes:
            raise InputError(f"The spectral residual of '{problem.name}' needs periodic axes; {open_axes} are not.")
        super().__init__(problem)
        self._equations = Equations(problem, "torch")

    @property
    def needs(self) -> tuple[Compiled, ...]:
        return (self._equations.compiled,)

    def evaluate(self, frames: Frames) -> dict[str, Tensor]:
        waves = {axis: self._wave_numbers(frames, axis) for axis in self._problem.axes}

        def derivative(name: str, orders: Orders) -> Tensor:
            array = frames.fields[name]
            for symbol, order in zip(self._problem.coordinates, orders, strict=True):
                if order and symbol == self._problem.t:
                    assert frames.times is not None
                    array = differentiate(array, frames.times, order, accuracy=4)
                elif order:
                    factor = _factor(waves[symbol.name], order)
                    array = _space_derivative(array, factor, frames.dim(symbol.name))
            return array

        residuals = self._equations.evaluate(derivative, frames.positions, frames.parameters)
        return {name: torch.as_tensor(value).to(frames.like) for name, value in residuals.items()}

    def _wave_numbers(self, frames: Frames, axis: str) -> np.ndarray:
        points, (low, high) = frames.axes[axis], frames.bounds[axis]
        steps = np.diff(points)
        if not np.allclose(steps, steps[0], rtol=1e-4):
            raise InputError(
                f"The spectral residual of '{self._problem.name}' needs an even grid along '{axis}'; this one is not."
            )
        if not np.isclose(len(points) * steps[0], high - low, rtol=1e-3):
            raise InputError(
                f"The spectral residual of '{self._problem.name}' needs the whole period along '{axis}', "
                f"{high - low:g}; this grid covers {len(points) * steps[0]:g}."
            )
        return 2j * np.pi * np.fft.fftfreq(len(points), (high - low) / len(points))


def _factor(waves: np.ndarray, order: int) -> np.ndarray:
    factor = waves**order
    if order % 2 and len(waves) % 2 == 0:
        factor[len(waves) // 2] = 0  # the Nyquist mode has no odd derivative on the grid
    return factor


def _space_derivative(array: Tensor, factor: np.ndarray, dim: int) -> Tensor:
    spectrum = torch.fft.fft(array, dim=dim)
    factors = torch.as_tensor(factor, dtype=spectrum.dtype, device=array.device)
    return torch.fft.ifft(spectrum.movedim(dim, -1) * factors, dim=-1).real.movedim(-1, dim)
