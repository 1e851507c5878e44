"""Checks of a declaration as a whole: what it uses is declared, and what its parts name exists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy
from sympy.core.function import AppliedUndef

from sciflow.core.errors import InputError, near
from sciflow.problems import canonical
from sciflow.problems.conditions import Condition
from sciflow.problems.sampling import check_names

if TYPE_CHECKING:
    from sciflow.problems.problem import Problem


def validate(problem: Problem) -> None:
    """Raise InputError for the first thing that does not fit."""
    if not problem.fields:
        raise InputError(f"Problem '{problem.name}' has no fields; declare at least one.")
    _names(problem)
    _domain(problem)
    for place, expression in canonical.expressions(problem):
        _expression(problem, place, expression)
    for part in ("evolution", "constraints", "steady", "initial", "exact", "boundary"):
        for key in getattr(problem, part):
            problem.field(key)
    if problem.evolution and problem.t is None:
        raise InputError(f"Problem '{problem.name}' has an evolution but no field depends on t; use steady={{...}}.")
    _boundary(problem)
    _physics(problem)
    for label, subset in problem.subsets.items():
        check_names(dict.fromkeys(subset.names), list(problem.values()), f"Problem '{problem.name}', subset '{label}',")


def _names(problem: Problem) -> None:
    infos: tuple[Any, ...] = (
        *problem.fields,
        *problem.inputs,
        *problem.parameters,
        *problem.signals,
        *problem.coefficients,
    )
    names = [info.name for info in infos] + [symbol.name for symbol in problem.coordinates]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"Problem '{problem.name}' declares {', '.join(map(repr, twice))} more than once.")


def _domain(problem: Problem) -> None:
    axes = list(problem.domain.box_axes())
    if axes != list(problem.axes):
        raise InputError(f"Problem '{problem.name}' has coordinates {list(problem.axes)} but a domain over {axes}.")
    for axis in problem.periodic:
        _known(problem, "periodic axis", axis, problem.axes)
    if problem.time is not None and not problem.time[0] < problem.time[1]:
        raise InputError(f"Problem '{problem.name}': time ends at {problem.time[1]:g}, not after {problem.time[0]:g}.")
    # The distance reads every length of every shape, so an undeclared symbol is found here.
    problem.domain.distance(np.zeros((1, len(axes))), problem.values())


def _expression(problem: Problem, place: str, expression: sympy.Expr) -> None:
    where = f"Problem '{problem.name}', {place}"
    infos: tuple[Any, ...] = (*problem.fields, *problem.inputs, *problem.signals)
    functions = {info.name: info.symbol for info in infos}
    for call in _sorted(expression.atoms(AppliedUndef)):
        label = call.func.__name__
        if label not in functions:
            raise InputError(f"{where}: '{call}' is no field.{near(label, functions)}")
        if call != functions[label]:
            raise InputError(f"{where}: '{call}' has other arguments than declared; write '{functions[label]}'.")
    scalars = {info.name: info.symbol for info in (*problem.parameters, *problem.coefficients)}
    scalars |= {symbol.name: symbol for symbol in problem.coordinates}
    for symbol in _sorted(expression.free_symbols):
        if symbol.name not in scalars:
            raise InputError(f"{where}: '{symbol}' is not declared; add it to parameters.{near(symbol.name, scalars)}")
        if symbol != scalars[symbol.name]:
            raise InputError(f"{where}: '{symbol}' is another symbol than the one declared; use that very object.")


def _boundary(problem: Problem) -> None:
    sides = getattr(problem.domain, "sides", ())
    for key, conditions in problem.boundary.items():
        for side, condition in conditions.items():
            if not isinstance(condition, Condition):
                continue
            _known(problem, f"boundary of {key}: side", side, sides)
            if side[:-1] in problem.periodic:
                raise InputError(
                    f"Problem '{problem.name}', boundary of {key}: side {side!r} lies on a periodic axis and takes no "
                    "condition; leave it out."
                )


def _physics(problem: Problem) -> None:
    for law in problem.conserves:
        if len(law.flux) != len(problem.axes):
            raise InputError(
                f"Problem '{problem.name}': the flux of {law.name} has {len(law.flux)} components; expected one for "
                f"each of {list(problem.axes)}."
            )
        for part, value in canonical.known_integrals(law).items():
            allowed = {problem.t, *(info.symbol for info in problem.parameters)}
            wrong = next(_sorted(value.atoms(AppliedUndef) | (value.free_symbols - allowed)), None)
            if wrong is not None:
                raise InputError(
                    f"Problem '{problem.name}': the {part} of {law.name} holds '{wrong}'; it is an integral over the "
                    "domain, an expression of t and parameters only."
                )
    fields = [info.name for info in problem.fields]
    for symmetry in problem.symmetries:
        rotates = symmetry.kind == "rotation"
        for axis in symmetry.axis if rotates else (symmetry.axis,):
            _known(problem, f"{symmetry.kind}: axis", axis, problem.axes)
        carriers = [*([] if rotates else fields), *(info.name for info in problem.parameters)]
        for velocity in symmetry.velocities:
            _known(problem, f"{symmetry.kind}: {'rate' if rotates else 'velocity'}", velocity, carriers)
    for axis in problem.characteristic:
        _known(problem, "characteristic: coordinate", axis, problem.axes)
    vectors = [info.vector for info in problem.fields if info.vector]
    sized = [*(symbol.name for symbol in problem.coordinates), *fields, *vectors, *(i.name for i in problem.inputs)]
    for key in problem.scales:
        _known(problem, "scales:", key, sized)
    taken = sorted(set(problem.numbers) & {*sized, *(info.name for info in problem.parameters)})
    if taken:
        raise InputError(f"Problem '{problem.name}': the number '{taken[0]}' is the name of something else; rename it.")
    for name in problem.numbers:
        problem.number(name, {})


def _known(problem: Problem, what: str, name: str, known: Iterable[str]) -> None:
    names = list(known)
    if name not in names:
        raise InputError(f"Problem '{problem.name}', {what} {name!r} is unknown.{near(name, names)}")


def _sorted(atoms: Iterable[Any]) -> Iterator[Any]:
    """In the order of their names, so that the same thing is reported in every run."""
    return iter(sorted(atoms, key=str))
