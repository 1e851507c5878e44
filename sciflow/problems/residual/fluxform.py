"""The flux form of a problem's equations, found in its conservation laws and steady equations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sympy
from sympy.core.function import AppliedUndef

from sciflow.core.errors import InputError

if TYPE_CHECKING:
    from sciflow.problems.problem import Problem


@dataclass(frozen=True)
class Flux:
    """One component of a flux: ``smooth + sum of coefficient * slope``.

    The slopes are first derivatives along the flux's axis. Their coefficients hold an input field and count as constant
    in each cell.
    """

    smooth: sympy.Expr
    slopes: tuple[tuple[sympy.Expr, sympy.Derivative], ...]


@dataclass(frozen=True)
class Law:
    """density_t + div(flux) + source = 0; there is one flux for each space coordinate."""

    name: str
    density: sympy.Expr
    flux: tuple[Flux, ...]
    source: sympy.Expr


def laws(problem: Problem) -> list[Law]:
    """The declared conservation laws and the steady equations that are a divergence plus terms without derivatives.

    Raises:
        InputError: there is none, or a flux differentiates an input field.
    """
    found = [
        _law(problem, law.name, problem.drive(law.density), [problem.drive(part) for part in law.flux])
        for law in problem.conserves
    ]
    for name in problem.steady:
        split = _divergence(problem, problem.equations[name].doit())
        if split is not None:
            found.append(_law(problem, name, sympy.Integer(0), *split))
    if not found:
        raise InputError(
            f"Problem '{problem.name}' has no flux form; declare conserves=[conservation(...)] or a steady equation "
            "such as Eq(-div(a * grad(u)), f), or use residual('difference')."
        )
    return found


def _law(
    problem: Problem, name: str, density: sympy.Expr, flux: list[sympy.Expr], source: sympy.Expr | None = None
) -> Law:
    flux = [component.doit() for component in flux]
    inputs = {info.symbol for info in problem.inputs}
    for derivative in set().union(*(component.atoms(sympy.Derivative) for component in flux)):
        if derivative.expr in inputs:
            raise InputError(
                f"The flux of '{name}' in '{problem.name}' holds '{derivative}'; an input counts as constant in each "
                "cell, so write the flux without its derivatives."
            )
    source = _known_source(problem, density, flux) if source is None else source
    parts = tuple(_split(part, axis, inputs) for part, axis in zip(flux, problem.space, strict=True))
    return Law(name, density.doit(), parts, source)


def _divergence(problem: Problem, equation: sympy.Expr) -> tuple[list[sympy.Expr], sympy.Expr] | None:
    """(fluxes, source) of an equation c u_xx + ..., whose fluxes are c u_x; None where derivatives are left over."""
    equation = sympy.expand(equation)
    fluxes = []
    for axis in problem.space:
        second = {info: sympy.Derivative(info.symbol, (axis, 2)) for info in problem.fields}
        terms = [equation.coeff(high) * info.symbol.diff(axis) for info, high in second.items()]
        fluxes.append(sympy.Add(*terms))
    rest = equation - sum((flux.diff(axis) for flux, axis in zip(fluxes, problem.space, strict=True)), sympy.Integer(0))
    rest = sympy.expand(rest.doit())
    return None if rest.atoms(sympy.Derivative) or not any(fluxes) else (fluxes, rest)


def _split(flux: sympy.Expr, axis: sympy.Symbol, inputs: set[AppliedUndef]) -> Flux:
    smooth: sympy.Expr = sympy.Integer(0)
    slopes: dict[sympy.Derivative, sympy.Expr] = {}
    for term in sympy.Add.make_args(sympy.expand(flux)):
        across = [d for d in term.atoms(sympy.Derivative) if dict(d.variable_count) == {axis: 1}]
        coefficient = term / across[0] if len(across) == 1 else term
        if coefficient.atoms(sympy.Derivative) or not coefficient.atoms(AppliedUndef) & inputs:
            smooth += term
        else:
            slopes[across[0]] = slopes.get(across[0], sympy.Integer(0)) + coefficient
    return Flux(smooth, tuple((coefficient, slope) for slope, coefficient in slopes.items()))


def _known_source(problem: Problem, density: sympy.Expr, flux: list[sympy.Expr]) -> sympy.Expr:
    """What the equations leave of density_t + div(flux), negative, where that is known; the law says zero elsewhere.

    A forcing of zero mean conserves the total, but not what each cell holds.
    """
    left = sum((part.diff(axis) for part, axis in zip(flux, problem.space, strict=True)), sympy.Integer(0))
    if problem.t is not None:
        left += density.diff(problem.t)
    rates = {problem.field(name).symbol.diff(problem.t): rate for name, rate in problem.evolution.items()}
    left = sympy.expand(left.doit().xreplace({key: problem.drive(rate) for key, rate in rates.items()}).doit())
    return sympy.Integer(0) if left.atoms(AppliedUndef) else -left
