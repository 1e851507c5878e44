"""The right-hand sides of conservation laws: how much there is at each time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import sympy
import xarray as xr

from sciflow.conservation.closed import is_closed
from sciflow.conservation.inflow import added
from sciflow.conservation.laws import fields_of, on_grid
from sciflow.core.errors import InputError, near
from sciflow.data.schema import space_of
from sciflow.problems.physics import Conservation

if TYPE_CHECKING:
    from sciflow.problems.problem import Problem

TOTALS = ("auto", "declared", "initial")


@final
@dataclass(frozen=True, eq=False)
class Amount:
    """How much there is of what one law conserves.

    Attributes:
        law: its declaration.
        density: the density, signals written out, and `offset`, the part of it that holds no field.
        volume: [case or 1, 1, *S] of the points of the context, 0 where they do not count.
    """

    law: Conservation
    density: sympy.Expr
    offset: sympy.Expr
    volume: np.ndarray
    problem: Problem
    context: xr.Dataset

    def declared(self, times: np.ndarray) -> np.ndarray | None:
        """The closed form at (case, T), None where none is declared."""
        return None if self.law.total is None else self._series(self.law.total, times)

    def rate(self) -> Any:
        """The declared inflow as a function of times (case, T), None where none is declared."""
        inflow = self.law.inflow
        return None if inflow is None else lambda times: self._series(inflow, times)

    def without_fields(self, times: np.ndarray) -> np.ndarray:
        """Integral of the offset, [case or 1, T or 1]."""
        return self.integral(on_grid(self.offset, self.context, times))

    def initial(self, start: np.ndarray | None) -> np.ndarray:
        """Integral of the density over the last start frame, [case].

        Raises:
            InputError: there is no start frame, or it holds NaN in the fluid.
        """
        if not self.context.sizes["time"]:
            raise InputError(
                f"The total of the law '{self.law.name}' is to be that of the start frame, but the query has none; "
                "declare total= in conservation(...), or give total= as an array."
            )
        times = None if start is None else np.asarray(start, np.float64)[:, None]
        order = ("case", *space_of(self.context))
        frames = {
            name: self.context[name].isel(time=-1).transpose(*order).values.astype(np.float64)[:, None]
            for name in fields_of(self.context)
        }
        found = self.integral(on_grid(self.density, self.context, times, frames))
        if not np.isfinite(found).all():
            case = int(np.argmin(np.isfinite(found).all(axis=1)))
            raise InputError(f"The start frame of case {case} holds NaN or infinity; repair it or leave the case out.")
        return np.broadcast_to(found[:, 0], (self.context.sizes["case"],))

    def integral(self, density: np.ndarray) -> np.ndarray:
        """Volume times density (case, T, *S), summed over points: (case, T)."""
        space = tuple(range(2, self.volume.ndim))
        with np.errstate(invalid="ignore"):
            return np.where(self.volume > 0, self.volume * density, 0.0).sum(axis=space)

    def _series(self, expression: Any, times: np.ndarray) -> np.ndarray:
        """An expression of time and parameters at (case, T)."""
        driven = self.problem.drive(sympy.sympify(expression))
        values = on_grid(driven, self.context, times)
        if values.size and values.shape[2:] != (1,) * (values.ndim - 2):
            raise InputError(
                f"The total or inflow {expression} of the law '{self.law.name}' depends on space; give a function of "
                "time and parameters."
            )
        return np.broadcast_to(values.reshape(values.shape[:2]), times.shape)


def right_side(
    amounts: Sequence[Amount], times: np.ndarray, *, total: Any, inflow: Any, start: np.ndarray | None
) -> list[np.ndarray]:
    """b (case, T) of each law, the integral of the part of its density without fields taken off.

    Raises:
        InputError: nothing says what the total is, or a given one does not fit.
    """
    if isinstance(total, str) and total not in TOTALS:
        raise InputError(f"The total is {total!r}; give an array or a known way.{near(total, TOTALS)}")
    rates = _rates(inflow, [amount.law.name for amount in amounts])
    found = []
    for place, amount in enumerate(amounts):
        name = amount.law.name
        if isinstance(total, str):
            values = _found(amount, times, total, rates.get(name), start)
        else:
            values = _given(total, times.shape, place, len(amounts))
        if not np.isfinite(values).all():
            raise InputError(f"The total of the law '{name}' is not finite at some time; check its declaration.")
        found.append(values - amount.without_fields(times))
    return found


def _found(amount: Amount, times: np.ndarray, total: str, inflow: Any, start: np.ndarray | None) -> np.ndarray:
    where = f"The law '{amount.law.name}' of problem '{amount.problem.name}'"
    if total == "declared" or (total == "auto" and inflow is None):
        values = amount.declared(times)
        if values is not None:
            return values
        if total == "declared":
            raise InputError(f"{where} declares no total; add total= to conservation(...), or use total='initial'.")
    rate = amount.rate() if inflow is None else inflow
    if rate is None:
        if not is_closed(amount.problem, amount.law):
            raise InputError(
                f"{where} has an open boundary, and nothing says how much flows through it; declare total= or inflow= "
                "in conservation(...), give total= or inflow= as an array, or leave the law out with laws=."
            )
        return np.broadcast_to(amount.initial(start)[:, None], times.shape)
    if start is None:
        raise InputError(f"{where} has an inflow; give start=, the time of the last start frame of each case, too.")
    begin = np.broadcast_to(np.asarray(start, np.float64), (len(times),))
    return amount.initial(begin)[:, None] + added(rate, begin, times, amount.law.name)


def _rates(inflow: Any, names: Sequence[str]) -> dict[str, Any]:
    """Given inflow by law."""
    if inflow is None:
        return {}
    if isinstance(inflow, Mapping):
        unknown = [name for name in inflow if name not in names]
        if unknown:
            raise InputError(f"An inflow is given for the law {unknown[0]!r}.{near(str(unknown[0]), names)}")
        return dict(inflow)
    if len(names) > 1:
        raise InputError(f"There are several laws ({', '.join(names)}); give the inflow by name, as {{'mass': ...}}.")
    return {names[0]: inflow}


def _given(total: Any, shape: tuple[int, ...], place: int, count: int) -> np.ndarray:
    values = np.asarray(total, np.float64)
    expected = f"(case, time) = {shape}" if count == 1 else f"(case, time, law) = {(*shape, count)}"
    try:
        if values.ndim == 3 or count > 1:
            return np.broadcast_to(values, (*shape, count))[..., place]
        return np.broadcast_to(values, shape)
    except ValueError:
        raise InputError(
            f"The total has the shape {values.shape}; expected one that broadcasts to {expected}."
        ) from None
