"""The constraint that a problem's conservation laws put on the frames of a forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from sciflow.conservation.constraint import Constraint
from sciflow.conservation.laws import LinearLaw, fields_of, linear_laws, on_grid
from sciflow.conservation.totals import Amount, right_side
from sciflow.core.errors import InputError, near
from sciflow.data.schema import GRIDS, space_of
from sciflow.data.volume import fluid_volume

if TYPE_CHECKING:
    from sciflow.problems.problem import Problem

RULES = ("trapezoid", "right", "midpoint")


def constraints(
    problem: Problem,
    context: xr.Dataset,
    times: np.ndarray,
    *,
    laws: Sequence[str] | None = None,
    total: Any = "auto",
    inflow: Any = None,
    rule: str = "trapezoid",
    noise: Any = 0.0,
    start: np.ndarray | None = None,
) -> Constraint:
    """The discrete form sum_i w_i density_i = b(t) of conservation laws, one set of rows for every frame of every case.

    A state stacks the fields in the order of the context: [C * S] values, fields first. w_i is the fluid volume that a
    point stands for: trapezoidal rule on nodes, volumes of finite-volume cells, in one to three dimensions, with
    periodic axes, masks and cut cells; none for cells that hold boundary data (`sciflow.data.volume.fluid_volume`), as
    in metrics. Densities must be linear in the fields; their coefficients may depend on parameters, coordinates, time
    and input fields.

    Args:
        problem: declares the laws.
        context: a query's context: grid, case parameters, mask, and the start frames for ``total="initial"``.
        times: (case, T) seconds, the frames to be constrained.
        laws: names; by default all laws that are linear in the stored fields.
        total: the integrals b: ``"declared"`` (closed form of the declaration), ``"initial"`` (integral of the last
            start frame, plus what flows in), ``"auto"`` (declared, unless `inflow` is given, else initial), or an array
            that broadcasts to (case, T), for several laws (case, T, law).
        inflow: net rate at which the density enters through the boundary: (case, T) at `times`, or a pair (times,
            rates) with rates (N,) or (case, N), linear between; by law name where there are several. Default: what the
            law declares.
        rule: ``"trapezoid"``, ``"right"`` (right Riemann sum) or ``"midpoint"``, see `axis_weights`.
        noise: deviation allowed, in units of b; a number or one for each law. 0: exact.
        start: (case,) time of the last start frame; needed with an inflow.

    Returns:
        A constraint with matrix [case or 1, T or 1, K, C * S], target [case, T, K] and the names of the laws.

    Raises:
        InputError: a law is unknown or not linear, the boundary is open and nothing says what flows through it, or
            shapes do not fit.
    """
    times = checked(context, times, rule)
    fields = fields_of(context)
    chosen = linear_laws(problem, fields, laws)
    volume = volume_of(context, rule)
    matrix = np.stack(
        np.broadcast_arrays(*(_row(law, context, times, fields, volume) for law in chosen)),
        axis=2,
    )
    amounts = [Amount(law.law, law.density, law.offset, volume, problem, context) for law in chosen]
    target = np.stack(right_side(amounts, times, total=total, inflow=inflow, start=start), axis=-1)
    return Constraint(matrix, target, noise, tuple(law.name for law in chosen))


def checked(context: xr.Dataset, times: np.ndarray, rule: str) -> np.ndarray:
    """The times as float64 (case, T), after checks of rule, grid and shape.

    Raises:
        InputError: one of them cannot be used.
    """
    if rule not in RULES:
        raise InputError(f"The quadrature rule is {rule!r}.{near(str(rule), RULES)}")
    grid = context.attrs.get("grid")
    if grid not in GRIDS:
        raise InputError(f"The attribute 'grid' of the query's context is {grid!r}; expected 'nodes' or 'cells'.")
    times = np.asarray(times, np.float64)
    if times.ndim != 2 or times.shape[0] != context.sizes["case"]:
        raise InputError(
            f"The times must have the shape ({context.sizes['case']}, frames) of the query's cases, not {times.shape}."
        )
    return times


def volume_of(context: xr.Dataset, rule: str) -> np.ndarray:
    """Fluid volumes [case or 1, 1, *S]; 0 where boundary data are known, outside of the domain."""
    volume = fluid_volume(context, rule)
    return volume[:, None] if volume.ndim > len(space_of(context)) else volume[None, None]


def _row(
    law: LinearLaw, context: xr.Dataset, times: np.ndarray, fields: Sequence[str], volume: np.ndarray
) -> np.ndarray:
    """Weights of a law [case or 1, T or 1, C * S]."""
    parts = weights(law.coefficients, context, times, fields, volume)
    return parts.reshape(*parts.shape[:2], -1)


def weights(
    coefficients: Mapping[str, Any],
    context: xr.Dataset,
    times: np.ndarray | None,
    fields: Sequence[str],
    volume: np.ndarray,
    values: Mapping[str, np.ndarray] | None = None,
) -> np.ndarray:
    """Volume times coefficient of each field, [case or 1, T or 1, C, *S]; 0 for fields without one.

    `values` of the fields are needed where coefficients depend on them.
    """
    parts = []
    for name in fields:
        slope = on_grid(coefficients[name], context, times, values) if name in coefficients else np.zeros_like(volume)
        parts.append(np.where(volume > 0, volume * slope, 0.0))
    return np.stack(np.broadcast_arrays(*parts), axis=2)
