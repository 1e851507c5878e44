"""Known functions of the coordinates as Taylor series: declared expressions, and drawn fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
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

    @cache
    def compiled(orders: tuple[Orders, ...]) -> tuple[list[bool], Callable[..., Any]]:
        """Which coefficients are zero, and a function that gives the others."""
        scaled = [_differentiated(written, coordinates, order) for order in orders]
        zero = [bool(item == 0) and any(order) for item, order in zip(scaled, orders, strict=True)]
        return zero, numeric(symbols, [item for item, none in zip(scaled, zero, strict=True) if not none], "jax")

    def evaluate(values: Values, orders: tuple[Orders, ...]) -> Series:
        zero, function = compiled(orders)
        found = iter(function(*(values[symbol.name] for symbol in symbols)))
        like = values[coordinates[0].name]
        return Series(orders, tuple(None if none else _row(next(found), like) for none in zero))

    return evaluate


def _row(value: Any, like: jax.Array) -> jax.Array:
    return jnp.broadcast_to(jnp.asarray(value, like.dtype), like.shape)[None]


def _differentiated(value: sympy.Expr, coordinates: tuple[sympy.Symbol, ...], order: Orders) -> sympy.Expr:
    """The Taylor coefficient of that order."""
    along = [(symbol, count) for symbol, count in zip(coordinates, order, strict=True) if count]
    return (value.diff(*along) if along else value) / prod(factorial(count) for count in order)


def drawn(problem: Problem, distribution: Distribution, case: Case, stream: int, points: int = 128) -> Known:
    """A draw of a distribution as the Fourier series of its values on a fine grid, even about the ends of open axes.

    Raises:
        InputError: the draw is not smooth enough to be a Fourier series of so few modes, as one is whose slope does not
            vanish at the ends of an open axis.
    """
    bounds = problem.bounds(case.parameters)
    open_axes = [axis for axis in problem.axes if axis not in problem.periodic]
    grid = {
        axis: np.linspace(*bounds[axis], points // 2 + 1 if axis in open_axes else points, endpoint=axis in open_axes)
        for axis in problem.axes
    }
    lengths = np.array([(bounds[a][1] - bounds[a][0]) * (2 if a in open_axes else 1) for a in problem.axes])
    sample = distribution.sample(case.rng(stream), grid, bounds, problem.periodic)
    for axis in open_axes:
        place = problem.axes.index(axis)
        mirrored = np.flip(np.delete(sample, (0, -1), axis=place), axis=place)
        sample = np.concatenate([sample, mirrored], axis=place)
    spectrum = np.fft.fftn(sample) / sample.size
    largest = np.abs(spectrum).max()
    high = np.abs(np.fft.fftfreq(points, 1 / points)) >= 3 * points // 8  # symmetric kinks leave out every other mode
    edge = max(np.abs(np.compress(high, spectrum, axis=axis)).max() for axis in range(sample.ndim))
    if edge > 1e-9 * largest:
        raise InputError(
            f"The drawn start of '{problem.name}' is not smooth, or not level at the ends of an axis that is not "
            "periodic; give an expression or a smoother draw."
        )
    large = np.abs(spectrum) > 1e-14 * largest
    large[(0,) * large.ndim] = True  # the mean, so that a draw of zeros has a term too
    indices = np.argwhere(large)
    waves = np.fft.fftfreq(points, 1 / points)[indices]
    half = np.array([tuple(wave) >= (0,) * len(wave) for wave in waves])  # the others are their conjugates
    numbers = 2 * np.pi * waves[half] / lengths
    weights = spectrum[large][half] * np.where(waves[half].any(axis=1), 2.0, 1.0)
    names = [symbol.name for symbol in problem.coordinates]

    def evaluate(values: Values, orders: tuple[Orders, ...]) -> Series:
        phase: Series | None = None
        for column, axis in enumerate(problem.axes):
            place = Series.coordinate(orders, names.index(axis), values[axis] - bounds[axis][0])
            term = place * jnp.asarray(numbers[:, column, None], place.value.dtype)
            phase = term if phase is None else phase + term
        assert phase is not None
        sine, cosine = sin_cos(phase)
        dtype = phase.value.dtype
        real, imaginary = jnp.asarray(weights.real, dtype)[None], jnp.asarray(weights.imag, dtype)[None]
        return cosine.linear(lambda item: real @ item) - sine.linear(lambda item: imaginary @ item)

    return evaluate
