"""Does the forecast keep what the equations keep: integrals and incompressibility."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, final

import numpy as np

from sciflow.core.errors import InputError
from sciflow.evaluation.measures.base import Frames, Metric, ratio

if TYPE_CHECKING:
    import sympy

    from sciflow.problems.physics import Conservation

_VELOCITY = {"x": "u", "y": "v", "z": "w"}


@final
class ConservedError(Metric):
    """Conserved-quantity RMSE: sqrt(mean over frames of (I(prediction) - I(truth))^2) of each case.

    I = integral of the density over the fluid domain, for each law that the Problem declares under `conserves`; one
    row per law and, since laws differ in unit, a row "all" only where there is a single law. Then the mean over cases.
    Unit: density x volume.

    Raises:
        InputError: the data set names no problem, or the problem declares no law whose density is a function of stored
            fields (and of parameters and coordinates), without derivatives.
    """

    name = "conserved_rmse"
    sees_shifts = False

    def rows(self, frames: Frames) -> tuple[str, ...]:
        return tuple(law.name for law in measurable_laws(frames, self.name))

    def units(self, frames: Frames) -> tuple[str, ...]:
        return self.rows(frames)

    def terms(self, frames: Frames) -> np.ndarray:
        gaps = []
        for law in measurable_laws(frames, self.name):
            predicted = integral(law.density, frames, frames.prediction)
            gaps.append(predicted - integral(law.density, frames, frames.truth))
        gap = np.stack(gaps, axis=-1)
        gap = np.where(np.isfinite(gap), gap, np.inf)
        return np.stack([gap**2, np.ones_like(gap)], axis=-1)

    def value(self, terms: np.ndarray) -> np.ndarray:
        return np.sqrt(ratio(terms[..., 0], terms[..., 1]))


def measurable_laws(frames: Frames, metric: str) -> list[Conservation]:
    """Conservation laws of the frames' problem whose density can be evaluated point by point.

    Raises:
        InputError: the data set names no problem, or the problem declares no such law; the message names the metric.
    """
    import sympy

    from sciflow import problems

    if not frames.problem:
        raise InputError(f"{metric} needs a data set that names its problem; write its attribute 'problem'.")
    usable = []
    for law in problems.get(frames.problem).conserves:
        density = sympy.sympify(law.density)
        calls = {str(call.func) for call in density.atoms(sympy.core.function.AppliedUndef)}
        if calls and calls <= set(frames.fields) and not density.has(sympy.Derivative):
            usable.append(law)
    if not usable:
        raise InputError(
            f"The problem '{frames.problem}' declares no conservation law whose density is a function of the stored "
            f"fields {', '.join(frames.fields)}; leave {metric} out."
        )
    return usable


def density_values(density: sympy.Expr, frames: Frames, fields: np.ndarray) -> np.ndarray:
    """A density at every cell, [B, T, *S], from fields [B, T, C, *S]."""
    import sympy

    calls = {call: sympy.Symbol(str(call.func)) for call in density.atoms(sympy.core.function.AppliedUndef)}
    plain = density.xreplace(calls)
    values = {name: fields[:, :, index] for index, name in enumerate(frames.fields)}
    column = (slice(None), None, *(None,) * len(frames.axes))
    values.update({name: np.asarray(value)[column] for name, value in frames.parameters.items()})
    for position, axis in enumerate(frames.axes):
        places = frames.positions[axis][:, None] if axis in frames.positions else frames.points[axis]
        shape = [1] * len(frames.axes)
        shape[position] = -1
        values.setdefault(axis, places.reshape(*places.shape[:-1], *shape))
    if frames.times is not None:
        values.setdefault("t", frames.times[(..., *(None,) * len(frames.axes))])
    result = _evaluated(plain, values, f"conserved density {density}")
    return np.broadcast_to(result, fields[:, :, 0].shape)


def integral(density: sympy.Expr, frames: Frames, fields: np.ndarray) -> np.ndarray:
    """Integral of one density over the fluid, [B, T]."""
    return frames.integrate(density_values(density, frames, fields)[:, :, None])[:, :, 0]


def declared_total(total: sympy.Expr, frames: Frames) -> np.ndarray:
    """The integral of a density over the domain that a problem declares, an expression in t and parameters, [B, T]."""
    import sympy

    values = {name: np.asarray(value, np.float64)[:, None] for name, value in frames.parameters.items()}
    if frames.times is not None:
        values.setdefault("t", frames.times)
    result = _evaluated(sympy.sympify(total), values, f"conserved total {total}")
    return np.broadcast_to(result, frames.truth.shape[:2])


def _evaluated(expression: sympy.Expr, values: Mapping[str, np.ndarray], what: str) -> np.ndarray:
    """An expression of symbols at arrays, by name."""
    from sciflow.problems.compile import numeric

    arguments = sorted(expression.free_symbols, key=lambda symbol: symbol.name)
    unknown = [symbol.name for symbol in arguments if symbol.name not in values]
    if unknown:
        raise InputError(f"The {what} needs {', '.join(unknown)}, which the data set lacks.")
    with np.errstate(all="ignore"):
        result = numeric(arguments, expression)(*(values[symbol.name] for symbol in arguments))
    return np.asarray(result, np.float64)


@final
class Divergence(Metric):
    """RMS of the divergence of the predicted velocity, sqrt(sum(w (div u)^2) / sum(w)) of each case, in 1/s.

    Central differences (second order, also for unequal spacing), one-sided at walls, wrapped on periodic axes; cells
    whose stencil touches the solid are left out. It looks at the forecast alone: the same number of the true frames,
    sampled on the same grid, is the floor, and what a saved forecast of the truth scores.

    Raises:
        InputError: the data set has no velocity, that is, fields u, v (and w in 3-D) with the unit of a velocity (or
            without a unit, all alike).
    """

    name = "divergence"
    perfect = None
    sees_shifts = False

    def rows(self, frames: Frames) -> tuple[str, ...]:
        return ("velocity",)

    def terms(self, frames: Frames) -> np.ndarray:
        total = np.zeros_like(frames.truth[:, :, 0])
        shape = (len(total), 1, 1, *frames.truth.shape[3:])
        weights, fluid = (np.broadcast_to(part, shape)[:, 0, 0].copy() for part in (frames.volume, frames.fluid))
        predicted = frames.masked_prediction
        for position, axis in enumerate(frames.axes):
            component = predicted[:, :, _component(frames, axis)]
            periodic = axis in frames.periodic
            with np.errstate(over="ignore", invalid="ignore"):
                slope = derivative(component, frames.points[axis], axis=2 + position, periodic=periodic)
                total += slope / frames.length(axis).reshape(-1, *[1] * (slope.ndim - 1))
            weights *= whole_stencil(fluid, axis=1 + position, periodic=periodic)
        square = np.where(np.isfinite(total), total, np.inf) ** 2
        space = tuple(range(2, square.ndim))
        above = np.where(weights[:, None] > 0, weights[:, None] * square, 0.0).sum(axis=space)
        below = np.broadcast_to(weights[:, None], square.shape).sum(axis=space)
        return np.stack([above, below], axis=-1)[:, :, None]

    def value(self, terms: np.ndarray) -> np.ndarray:
        return np.sqrt(ratio(terms[..., 0], terms[..., 1]))


def _component(frames: Frames, axis: str) -> int:
    name = _VELOCITY[axis]
    unit = frames.units.get(name, "").replace("**-1", "^-1").replace(" ", "")
    if len(frames.axes) < 2 or name not in frames.fields or unit not in ("", "1", "m/s", "ms^-1", "m*s^-1", "ms-1"):
        known = ", ".join(f"{field} [{frames.units.get(field, '')}]" for field in frames.fields)
        raise InputError(f"divergence needs a velocity: fields u, v (and w in 3-D) in m/s; the data set has {known}.")
    return frames.fields.index(name)


def derivative(values: np.ndarray, points: np.ndarray, *, axis: int, periodic: bool) -> np.ndarray:
    """First derivative along one axis, second order on equal and unequal spacing.

    A periodic axis is taken to be uniform, its right end left out.
    """
    if periodic:
        spacing = points[1] - points[0]
        return (np.roll(values, -1, axis) - np.roll(values, 1, axis)) / (2 * spacing)
    return np.asarray(np.gradient(values, points, axis=axis, edge_order=2))


def whole_stencil(fluid: np.ndarray, *, axis: int, periodic: bool, reach: int = 1) -> np.ndarray:
    """Cells with fluid in the `reach` cells to either side along an axis (a wall at the edge of the domain is none)."""
    whole = np.ones_like(fluid)
    for distance in range(1, reach + 1):
        left, right = np.roll(fluid, distance, axis), np.roll(fluid, -distance, axis)
        if not periodic:
            np.moveaxis(left, axis, 0)[:distance] = True
            np.moveaxis(right, axis, 0)[-distance:] = True
        whole &= left & right
    return whole
