"""Declared conservation laws as densities of stored fields: which are linear, and their values on a grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
import sympy
import xarray as xr
from sympy.core.function import AppliedUndef

from sciflow.core.errors import InputError, near
from sciflow.data.schema import space_of
from sciflow.data.volume import on_cells, positions_of
from sciflow.problems.compile import numeric
from sciflow.problems.physics import Conservation

if TYPE_CHECKING:
    from sciflow.problems.problem import Problem


@final
@dataclass(frozen=True)
class LinearLaw:
    """A law whose density is sum of coefficient x field + offset; both may depend on parameters and coordinates."""

    law: Conservation
    density: sympy.Expr
    coefficients: Mapping[str, sympy.Expr]
    offset: sympy.Expr

    @property
    def name(self) -> str:
        """Name of the law."""
        return self.law.name


def fields_of(context: xr.Dataset) -> tuple[str, ...]:
    """Names of the fields of a query's context, in the order in which a state stacks them."""
    return tuple(str(name) for name, values in context.data_vars.items() if "time" in values.dims)


def named(problem: Problem, name: str) -> Conservation:
    """The law of this name.

    Raises:
        InputError: the problem declares no such law.
    """
    known = {law.name: law for law in problem.conserves}
    if name not in known:
        raise InputError(f"Problem '{problem.name}' declares no conservation law {name!r}.{near(name, known)}")
    return known[name]


def linear_laws(problem: Problem, fields: Sequence[str], laws: Sequence[str] | None = None) -> tuple[LinearLaw, ...]:
    """The laws asked for; without names, all whose density is linear in the stored fields.

    Raises:
        InputError: a law is not declared, its density is not linear in the fields or needs something that is not
            stored, or no law is left.
    """
    if laws is not None:
        if isinstance(laws, str) or not laws:
            raise InputError(f"The laws must be a list of names, such as ['mass'], not {laws!r}.")
        return tuple(linear_law(problem, named(problem, name), fields) for name in laws)
    found, reasons = [], []
    for law in problem.conserves:
        try:
            found.append(linear_law(problem, law, fields))
        except InputError as error:
            reasons.append(str(error))
    if not found:
        why = f" ({reasons[0]})" if reasons else ""
        raise InputError(
            f"Problem '{problem.name}' declares no conservation law that is linear in the stored fields{why}; declare "
            "one with conservation(name, density, flux), or give a Constraint."
        )
    return tuple(found)


def linear_law(problem: Problem, law: Conservation, fields: Sequence[str]) -> LinearLaw:
    """Coefficients of a law's density.

    Raises:
        InputError: the density is not linear in the fields, holds derivatives or fields that are not stored, or holds
            no field at all.
    """
    density = without_derivatives(problem, law)
    inputs = {info.name for info in problem.inputs}
    calls = {call: str(call.func) for call in density.atoms(AppliedUndef) if str(call.func) not in inputs}
    where = f"The law '{law.name}' of problem '{problem.name}'"
    missing = sorted(set(calls.values()) - set(fields))
    if missing:
        raise InputError(f"{where} needs the field '{missing[0]}', which is not stored.{near(missing[0], fields)}")
    if not calls:
        raise InputError(
            f"{where} has the density {density}, which holds no field; for an incompressible flow give section_flux or "
            "control_volume as constraint."
        )
    unknowns = {call: sympy.Dummy(real=True) for call in calls}
    plain = density.xreplace(unknowns)
    slopes = {calls[call]: sympy.diff(plain, symbol) for call, symbol in unknowns.items()}
    if any(slope.has(*unknowns.values()) for slope in map(sympy.simplify, slopes.values())):
        raise InputError(
            f"{where} has the density {density}, which is not linear in the fields; condition on it by iterated "
            "linearisation with condition_nonlinear."
        )
    offset = plain.xreplace(dict.fromkeys(unknowns.values(), sympy.Integer(0)))
    return LinearLaw(law, density, {name: sympy.simplify(slope) for name, slope in slopes.items()}, offset)


def without_derivatives(problem: Problem, law: Conservation) -> sympy.Expr:
    """The density, signals written out.

    Raises:
        InputError: it holds a derivative.
    """
    density = problem.drive(sympy.sympify(law.density))
    if density.has(sympy.Derivative):
        raise InputError(
            f"The law '{law.name}' of problem '{problem.name}' has derivatives in its density, {density}; only "
            "densities of the fields themselves can be imposed."
        )
    return density


def on_grid(
    expression: sympy.Expr,
    context: xr.Dataset,
    times: np.ndarray | None,
    fields: Mapping[str, np.ndarray] | None = None,
) -> np.ndarray:
    """Value of an expression of parameters, inputs, coordinates, time and fields.

    Args:
        expression: signals written out.
        context: grid and parameters of the cases.
        times: (case, T) seconds; None where time is not known.
        fields: name -> (case, T, *S).

    Returns:
        Values that broadcast against (case, T, *S).

    Raises:
        InputError: the expression needs something that the context lacks, or is not finite in the fluid.
    """
    space = space_of(context)
    expression = expression.xreplace({call: sympy.Symbol(str(call.func)) for call in expression.atoms(AppliedUndef)})
    symbols = sorted(expression.free_symbols, key=lambda symbol: symbol.name)
    values: dict[str, np.ndarray] = dict(fields or {})
    for symbol in symbols:
        name = symbol.name
        if name in values:
            continue
        if name in space:
            points = positions_of(context).get(name, np.asarray(context[name].values, np.float64)[None])
            shape = [1] * len(space)
            shape[space.index(name)] = -1
            values[name] = points.reshape(len(points), 1, *shape)
        elif name == "t" and times is not None:
            values[name] = times[(..., *(None,) * len(space))]
        elif name in context.coords and context[name].dims == ("case",):
            values[name] = np.asarray(context[name].values, np.float64)[(..., None, *(None,) * len(space))]
        elif name in context.data_vars and "time" not in context[name].dims:
            cells = on_cells(context, name)
            values[name] = cells[:, None] if "case" in context[name].dims else cells[None, None]
        else:
            raise InputError(f"The expression {expression} of a law needs '{name}', which the query lacks.")
    with np.errstate(all="ignore"):
        result = np.asarray(numeric(symbols, expression)(*(values[symbol.name] for symbol in symbols)), np.float64)
    return result.reshape((1,) * (2 + len(space) - result.ndim) + result.shape)
