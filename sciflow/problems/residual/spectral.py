"""Residuals on a periodic grid: Fourier derivatives in space, fourth-order differences in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sciflow.core.errors import InputError
from sciflow.problems.compile import Orders
from sciflow.problems.residual.common import Equations

if TYPE_CHECKING:
    import xarray as xr

    from sciflow.problems.problem import Problem


class Residual:
    """Residual of every equation on the grid of a data set.

    ``residual(dataset)``: an xarray data set with dimensions (case, time, *space), or an object whose ``.xarray`` is
    one; gives a data set of the same dimensions with one variable for each equation. Space derivatives are exact for
    resolved fields; time derivatives are differences of five frames, of fourth order up to the ends.

    Raises:
        InputError: an axis is not periodic (its boundary would be taken for periodic), a field is missing, or there are
            fewer than five frames.
    """

    def __init__(self, problem: Problem) -> None:
        open_axes = [axis for axis in problem.axes if axis not in problem.periodic]
        if open_axes:
            raise InputError(f"The spectral residual of '{problem.name}' needs periodic axes; {open_axes} are not.")
        self._problem = problem
        self._equations = Equations(problem, "numpy")

    def __call__(self, dataset: Any) -> xr.Dataset:
        import xarray as xr

        data: xr.Dataset = getattr(dataset, "xarray", dataset)
        problem = self._problem
        wanted = {name for name, _ in self._equations.compiled.derivatives}
        missing = sorted(wanted - set(data.data_vars))
        if missing:
            raise InputError(
                f"The residual of '{problem.name}' needs the variables {missing}, which the data set lacks."
            )
        dims = ("case", "time", *reversed(problem.axes))
        arrays = {name: _stacked(data, name, dims) for name in wanted}
        coordinates = [*problem.axes, *(["time"] if problem.t is not None else [])]
        varying = [i.name for i in (*problem.parameters, *problem.coefficients) if i.low is not None]
        used = set(self._equations.compiled.symbols).intersection(varying)
        missing = sorted({*coordinates, *used} - set(data.coords))
        if missing:
            raise InputError(
                f"The residual of '{problem.name}' needs the coordinates {missing}, which the data set lacks."
            )
        times = data["time"].values.astype(float) if problem.t is not None else np.zeros(1)
        waves = {axis: _wave_numbers(problem, axis, data) for axis in problem.axes}

        def derivative(name: str, orders: Orders) -> np.ndarray:
            array = arrays[name]
            for symbol, order in zip(problem.coordinates, orders, strict=True):
                if order and symbol == problem.t:
                    array = _time_derivative(array, times, order)
                elif order:
                    array = _space_derivative(array, waves[symbol.name], dims.index(symbol.name), order)
            return array

        positions = {axis: _along(data[axis].values, dims.index(axis), len(dims)) for axis in problem.axes}
        if problem.t is not None:
            positions["t"] = _along(times, 1, len(dims))
        parameters = {
            info.name: _along(np.atleast_1d(data[info.name].values).astype(float), 0, len(dims))
            for info in (*problem.parameters, *problem.coefficients)
            if info.name in data.coords
        }
        outputs = self._equations.evaluate(derivative, positions, parameters)
        shape = np.broadcast_shapes(*(array.shape for array in arrays.values()))
        variables = {name: (dims, np.broadcast_to(value, shape)) for name, value in outputs.items()}
        kept = {name: data[name] for name in ("case", "time", *problem.axes) if name in data.coords}
        return xr.Dataset(variables, coords=kept)


def _stacked(data: xr.Dataset, name: str, dims: tuple[str, ...]) -> np.ndarray:
    array = data[name]
    for dim in dims:
        if dim not in array.dims:
            array = array.expand_dims(dim)
    return array.transpose(*dims).values.astype(np.float64)


def _along(values: np.ndarray, axis: int, dims: int) -> np.ndarray:
    shape = [1] * dims
    shape[axis] = -1
    return values.reshape(shape)


def _wave_numbers(problem: Problem, axis: str, data: xr.Dataset) -> np.ndarray:
    points = data[axis].values.astype(float)
    steps = np.diff(points)
    if len(points) < 2 or not np.allclose(steps, steps[0], rtol=1e-4):
        raise InputError(
            f"The spectral residual of '{problem.name}' needs an even grid along '{axis}'; this one is not."
        )
    infos = (*problem.parameters, *problem.coefficients)
    first = {i.name: float(np.atleast_1d(data[i.name].values)[0]) for i in infos if i.name in data.coords}
    low, high = problem.bounds(first)[axis]
    if not np.isclose(len(points) * steps[0], high - low, rtol=1e-3):
        raise InputError(
            f"The spectral residual of '{problem.name}' needs the whole period along '{axis}', {high - low:g}; this "
            f"grid covers {len(points) * steps[0]:g}."
        )
    return 2j * np.pi * np.fft.fftfreq(len(points), (high - low) / len(points))


def _space_derivative(array: np.ndarray, waves: np.ndarray, axis: int, order: int) -> np.ndarray:
    factor = waves**order
    if order % 2 and len(waves) % 2 == 0:
        factor = factor.copy()
        factor[len(waves) // 2] = 0  # the Nyquist mode has no odd derivative on the grid
    return np.fft.ifft(np.fft.fft(array, axis=axis) * _along(factor, axis, array.ndim), axis=axis).real


def _time_derivative(array: np.ndarray, times: np.ndarray, order: int, width: int = 5) -> np.ndarray:
    if len(times) < width:
        raise InputError(f"A time derivative needs at least {width} frames; the data set has {len(times)}.")
    starts = np.clip(np.arange(len(times)) - width // 2, 0, len(times) - width)
    weights = np.zeros((len(times), len(times)))
    for row, start in enumerate(starts):
        nodes = times[start : start + width] - times[row]
        scale = np.abs(nodes).max()  # the Vandermonde system is solved in units of the stencil
        right = np.zeros(width)
        right[order] = float(np.prod(np.arange(1, order + 1))) / scale**order
        weights[row, start : start + width] = np.linalg.solve(np.vander(nodes / scale, increasing=True).T, right)
    return np.moveaxis(np.tensordot(weights, array, axes=(1, 1)), 0, 1)
