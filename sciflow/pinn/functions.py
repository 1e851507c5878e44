"""Known functions of the coordinates as Taylor series: declared expressions, and drawn periodic fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import factorial, prod
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import sympy

from sciflow.core.errors import InputError
from sciflow.pinn.series import Series, sin_cos
from sciflow.problems.compile import Orders, numeric

if TYPE_CHECKING:
    from sciflow.problems import Case, Problem
    from sciflow.problems.distributions import Distribution

Values = Mapping[str, Any]  # coordinates (N,), parameters
Known = Callable[[Values, tuple[Orders, ...]], Series]  # at the coordinates themselves


def expression(problem: Problem, value: sympy.Expr) -> Known:
    """An expression of coordinates, parameters and signals, (1, N); SymPy differentiates it."""
    written = sympy.sympify(problem.drive(value))
    coordinates = problem.coordinates
    symbols = sorted(written.free_symbols | set(coordinates), key=lambda symbol: symbol.name)

    def evaluate(values: Values, orders: tuple[Orders, ...]) -> Series:
        scaled = [_differentiated(written, coordinates, order) for order in orders]
        zero = [bool(item == 0) and any(order) for item, order in zip(scaled, orders, strict=True)]
        function = numeric(symbols, [item for item, left_out in zip(scaled, zero, strict=True) if not left_out], "jax")
        found = iter(function(*(values[symbol.name] for symbol in symbols)))
        like = values[coordinates[0].name]
        rows = [None if left_out else jnp.broadcast_to(next(found), like.shape)[None] for left_out in zero]
        return Series(orders, tuple(rows))

    return evaluate


def _differentiated(value: sympy.Expr, coordinates: tuple[sympy.Symbol, ...], order: Orders) -> sympy.Expr:
    """The Taylor coefficient of that order."""
    along = [(symbol, count) for symbol, count in zip(coordinates, order, strict=True) if count]
    return (value.diff(*along) if along else value) / prod(factorial(count) for count in order)


def drawn(problem: Problem, distribution: Distribution, case: Case, stream: int, points: int = 128) -> Known:
    """A draw of a distribution on periodic axes, as the Fourier series of its values on a fine grid.

    Raises:
        InputError: an axis is not periodic, or the draw is not smooth enough to be a Fourier series of so few modes.
    """
    open_axes = [axis for axis in problem.axes if axis not in problem.periodic]
    if open_axes:
        raise InputError(
            f"The start of '{problem.name}' is drawn at random and its axis {open_axes[0]} is not periodic; solve by "
            "physics-informed networks needs an expression or periodic axes there."
        )
    bounds = problem.bounds(case.parameters)
    grid = {axis: np.linspace(*bounds[axis], points, endpoint=False) for axis in problem.axes}
    sample = distribution.sample(case.rng(stream), grid, bounds, problem.periodic)
    spectrum = np.fft.fftn(sample) / sample.size
    largest = np.abs(spectrum).max()
    edge = max(np.abs(np.take(spectrum, points // 2, axis=axis)).max() for axis in range(sample.ndim))
    if edge > 1e-9 * largest:
        raise InputError(f"The drawn start of '{problem.name}' is not smooth; give an expression or a smoother draw.")
    kept = [index for index in zip(*np.nonzero(np.abs(spectrum) > 1e-14 * largest), strict=True)]
    waves = np.array([[np.fft.fftfreq(points, 1 / points)[k] for k in index] for index in kept])
    half = [row for row, wave in enumerate(waves) if tuple(wave) >= (0,) * len(wave)]
    numbers = 2 * np.pi * waves[half] / np.array([bounds[axis][1] - bounds[axis][0] for axis in problem.axes])
    weights = np.array([spectrum[kept[row]] * (1 if not waves[row].any() else 2) for row in half])
    names = [symbol.name for symbol in problem.coordinates]

    def evaluate(values: Values, orders: tuple[Orders, ...]) -> Series:
        phase: Series | None = None
        for column, axis in enumerate(problem.axes):
            place = Series.coordinate(orders, names.index(axis), values[axis] - bounds[axis][0])
            term = place.linear(lambda item, k=numbers[:, column, None]: jnp.asarray(k, item.dtype) * item)
            phase = term if phase is None else phase + term
        assert phase is not None
        sine, cosine = sin_cos(phase)
        dtype = phase.value.dtype
        real, imaginary = jnp.asarray(weights.real, dtype)[None], jnp.asarray(weights.imag, dtype)[None]
        return cosine.linear(lambda item: real @ item) - sine.linear(lambda item: imaginary @ item)

    return evaluate


def broadcast(value: jax.Array | float, like: jax.Array) -> jax.Array:
    """A number at every point, as a row."""
    return jnp.broadcast_to(jnp.asarray(value, like.dtype), like.shape)[None]
