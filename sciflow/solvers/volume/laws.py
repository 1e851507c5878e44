"""Declared conservation laws: fluxes, sources and wave speeds as expressions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, final

import sympy
from sympy.core.function import AppliedUndef

from sciflow.core.errors import InputError
from sciflow.problems.geometry import Box
from sciflow.solvers.volume.diffusion import potential, split

if TYPE_CHECKING:
    from sciflow.problems import Problem

Row = tuple[sympy.Expr, ...]


@final
@dataclass(frozen=True)
class Laws:
    r"""The system :math:`U_t + \sum_i \partial_i (F_i(U) - \partial_i \Phi_i(U)) = S(U)`.

    Attributes:
        fields: names of the components of U, which are the densities of the declared laws.
        flux: F, for each axis in the order x, y, by field.
        source: S by field, without derivatives.
        waves: for each axis, the eigenvalues of the Jacobian of its flux.
        diffusivity: D = dPhi/dU, for each axis by field; each depends on that field alone.
        potential: Phi, likewise.
    """

    fields: tuple[str, ...]
    flux: tuple[Row, ...]
    source: Row
    waves: tuple[Row, ...]
    diffusivity: tuple[Row, ...]
    potential: tuple[Row, ...]

    @property
    def carried(self) -> bool:
        """Whether anything moves otherwise than by diffusion."""
        return any(any(row) for row in (*self.flux, self.source))

    @property
    def spread(self) -> bool:
        """Whether anything diffuses."""
        return any(any(row) for row in self.diffusivity)

    @staticmethod
    def of(problem: Problem) -> Laws:
        """The laws of a problem.

        Raises:
            InputError: the problem has another form; the message is one sentence that begins with "it" or "its".
        """
        return _laws(problem)


def reason_against(problem: Problem) -> str | None:
    """Why a problem is not a set of conservation laws on a box that this solver takes, or None if it is."""
    if not isinstance(problem.domain, Box) or len(problem.axes) > 2:
        return "it takes a box in one or two dimensions."
    try:
        Laws.of(problem)
    except InputError as error:
        return str(error)
    return None


@lru_cache(maxsize=16)  # simplifying takes a noticeable time, and a solver asks more than once
def _laws(problem: Problem) -> Laws:
    fields = tuple(problem.evolution)
    if not fields or problem.constraints or problem.steady or len(fields) != len(problem.fields):
        raise InputError("it needs an evolution equation for every field, and nothing else.")
    if problem.inputs:
        raise InputError("it has input fields, which this solver does not take.")
    fluxes, diffusivities, sources = zip(*(_law(problem, name) for name in fields), strict=True)
    axes = range(len(problem.axes))
    flux, diffusivity = (tuple(tuple(row[axis] for row in rows) for axis in axes) for rows in (fluxes, diffusivities))
    calls = [problem.field(name).symbol for name in fields]
    waves = tuple(_eigenvalues(row, calls, axis) for row, axis in zip(flux, problem.axes, strict=True))
    potentials = tuple(
        tuple(potential(part, call) for part, call in zip(row, calls, strict=True)) for row in diffusivity
    )
    return Laws(fields, flux, tuple(sources), waves, diffusivity, potentials)


def _law(problem: Problem, name: str) -> tuple[Row, Row, sympy.Expr]:
    """Flux and diffusivity by axis, and source, of one field."""
    field = problem.field(name).symbol
    law = next((law for law in problem.conserves if law.density == field), None)
    if law is None:
        raise InputError(f"it declares no conservation law with the density '{name}'.")
    whole = tuple(problem.drive(component).doit() for component in law.flux)
    parts = [split(component, field, axis) for component, axis in zip(whole, problem.space, strict=True)]
    flux, diffusivity = (tuple(part) for part in zip(*parts, strict=True))
    others = {info.symbol: sympy.Dummy() for info in problem.fields}
    for component in (*flux, *diffusivity):
        if component.atoms(sympy.Derivative) or component.xreplace(others).free_symbols & set(problem.space):
            raise InputError(
                f"the flux of '{law.name}' holds places, or derivatives other than -D({name}) grad({name})."
            )
    if any(component.atoms(AppliedUndef) - {field} for component in diffusivity):
        raise InputError(f"the diffusivity in the flux of '{law.name}' depends on other fields than '{name}'.")
    total = problem.drive(problem.evolution[name])
    total += sympy.Add(*(part.diff(axis) for part, axis in zip(whole, problem.space, strict=True)))
    source = sympy.expand(total.doit())
    if source.atoms(sympy.Derivative):
        source = sympy.simplify(source)
    if source.atoms(sympy.Derivative):
        raise InputError(f"the evolution of '{name}' is not minus the divergence of the flux of '{law.name}'.")
    return flux, diffusivity, source


def _eigenvalues(flux: Row, fields: list[sympy.Expr], axis: str) -> Row:
    """Eigenvalues of the Jacobian, in closed form if its characteristic polynomial has factors of degree 1 and 2."""
    stand_in = {field: sympy.Dummy(field.func.__name__, real=True) for field in fields}
    back = {dummy: field for field, dummy in stand_in.items()}
    jacobian = sympy.Matrix([part.xreplace(stand_in) for part in flux]).jacobian(list(stand_in.values()))
    polynomial = jacobian.charpoly()
    unknown = polynomial.gen
    numerator = sympy.fraction(sympy.together(polynomial.as_expr()))[0]
    waves: list[sympy.Expr] = []
    for factor, _ in sympy.factor_list(numerator)[1]:
        if not factor.has(unknown):
            continue
        terms = sympy.Poly(factor, unknown).all_coeffs()
        if len(terms) == 2:
            waves.append(sympy.simplify(-terms[1] / terms[0]))
        elif len(terms) == 3:
            half = sympy.simplify(-terms[1] / terms[0] / 2)
            width = sympy.sqrt(sympy.Max(sympy.simplify(half**2 - terms[2] / terms[0]), 0))
            waves += [half - width, half + width]
        else:
            raise InputError(f"the wave speeds of its flux along {axis} have no closed form.")
    return tuple(wave.xreplace(back) for wave in waves)
