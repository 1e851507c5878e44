"""A declared periodic problem as operators and products: what acts on Fourier modes and what on the grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sympy
from sympy.core.function import AppliedUndef

from sciflow.solvers.periodic.flux import flux_form
from sciflow.solvers.periodic.split import Split, degree, split
from sciflow.solvers.periodic.terms import Terms, apply, even, product, total

if TYPE_CHECKING:
    from sciflow.problems import Problem


class Unfit(Exception):
    """The equations are none that the solver takes; the message is a sentence that says why."""


@dataclass(frozen=True)
class Constraint:
    """sum_f linear[f] f + sum_f products[f] N_f + rest = 0, which determines the field `name`.

    Attributes:
        linear: operator on each field, its own among them.
        products: operator on the nonlinear part N_f of each evolution equation; empty for a constraint as declared.
        rest: everything else, as an expression.
        declared: for a constraint that does not hold its field, the operators and the rest as declared, before the
            derivative in time: initial fields have to satisfy them.
    """

    name: str
    linear: dict[str, Terms]
    products: dict[str, Terms]
    rest: sympy.Expr
    declared: Split | None


@dataclass(frozen=True)
class Equations:
    """f_t = sum_g linear[f][g] g + N_f over evolving and constraint fields g, and the constraints in solving order.

    Attributes:
        products: for each evolving field, N_f as the sum of d^orders of expressions, {orders: expression}.
        degree: polynomial degree of the products, for dealiasing.
    """

    linear: dict[str, dict[str, Terms]]
    products: dict[str, Terms]
    constraints: tuple[Constraint, ...]
    degree: int

    @property
    def feeds(self) -> dict[str, set[str]]:
        """For each constraint field, the evolving fields that it depends on linearly."""
        found: dict[str, set[str]] = {}
        for part in self.constraints:
            others = [name for name, terms in part.linear.items() if terms and name != part.name]
            found[part.name] = set().union(*(found.get(name, {name}) for name in others))
        return found

    @property
    def coupled(self) -> bool:
        """Whether a Fourier mode of a field depends linearly on another field."""
        feeds = self.feeds
        return any(
            terms and feeds.get(name, {name}) - {field}
            for field, row in self.linear.items()
            for name, terms in row.items()
        )

    @property
    def real(self) -> bool:
        """Whether L is real in every mode: only even derivatives act linearly."""
        feeds = self.feeds
        rows = [row for row in self.linear.values()]
        direct = all(even(row[name]) for row in rows for name in self.linear)
        used = [part for part in self.constraints if feeds[part.name] and any(row[part.name] for row in rows)]
        chains = [terms for part in used for terms in part.linear.values()] + [r[p.name] for p in used for r in rows]
        return direct and all(even(terms) for terms in chains)


def read(problem: Problem) -> Equations:
    """The equations of a problem on a periodic box.

    A constraint that does not hold its own field, such as div(velocity) = 0 for the pressure, is differentiated once
    in time and the evolution is put in; subtracting q times the constraint itself, q being the linear operator of
    the first field in it, removes the terms that vanish anyway (the viscous ones).

    Raises:
        Unfit: an equation is nonlinear in the field that it determines, or its coefficients vary.
    """
    fields, every = list(problem.evolution), [*problem.evolution, *problem.constraints]
    right = {name: problem.drive(expression) for name, expression in problem.evolution.items()}
    evolution = {name: split(expression, every, problem.coordinates) for name, expression in right.items()}
    parts = {
        name: split(problem.drive(equation.lhs - equation.rhs), every, problem.coordinates)
        for name, equation in problem.constraints.items()
    }
    constraints: list[Constraint] = []
    hidden = [name for name, part in parts.items() if not part.linear[name] and name not in _calls(part.rest)]
    for name in [*(name for name in parts if name not in hidden), *hidden]:
        known = {*fields, *(part.name for part in constraints)}
        part = parts[name]
        constraint = (
            _hidden(problem, name, part, evolution)
            if name in hidden
            else Constraint(name, part.linear, {}, part.rest, None)
        )
        _check(constraint, known)
        constraints.append(constraint)
    for field, part in evolution.items():
        late = _calls(part.rest) & set(hidden)
        if late:
            raise Unfit(f"the evolution of '{field}' is not linear in {sorted(late)} with constant coefficients.")
    power = degree([*(part.rest for part in evolution.values()), *(c.rest for c in constraints)], every)
    linear = {field: part.linear for field, part in evolution.items()}
    return Equations(linear, _products(problem, evolution), tuple(constraints), power)


def _hidden(problem: Problem, name: str, part: Split, evolution: dict[str, Split]) -> Constraint:
    """The time derivative of a constraint that does not hold the field `name`."""
    acting = {field: terms for field, terms in part.linear.items() if terms}
    if not acting or set(acting) - set(evolution) or _calls(part.rest):
        raise Unfit(
            f"the constraint of '{name}' does not hold it, and is not linear in evolving fields with constant "
            "coefficients."
        )
    first = next(iter(acting))
    damping = evolution[first].linear[first]
    linear = {
        other: total([
            *(product(terms, evolution[field].linear[other]) for field, terms in acting.items()),
            product(damping, acting.get(other, {}), -1),
        ])
        for other in part.linear
    }  # fmt: skip
    rest = part.rest.diff(problem.t) - apply(damping, part.rest, problem.space)
    return Constraint(name, linear, acting, rest.doit(), part)


def _check(constraint: Constraint, known: set[str]) -> None:
    name = constraint.name
    others = {other for other, terms in constraint.linear.items() if terms and other != name}
    left = (_calls(constraint.rest) | others) - known
    if not constraint.linear[name] or left:
        raise Unfit(f"the constraint of '{name}' is not linear in it with constant coefficients.")


def _calls(expression: sympy.Expr) -> set[str]:
    return {call.func.__name__ for call in expression.atoms(AppliedUndef)}


def _products(problem: Problem, evolution: dict[str, Split]) -> dict[str, Terms]:
    """N of every field as declared, or with derivatives taken out of products where that saves transforms."""
    zero = (0,) * len(problem.space)
    plain = {field: {zero: part.rest} if part.rest != 0 else {} for field, part in evolution.items()}
    fluxes = {field: flux_form(part.rest, problem.space) for field, part in evolution.items()}
    return fluxes if _transforms(fluxes) < _transforms(plain) else plain


def _transforms(products: dict[str, Terms]) -> int:
    """Fourier transforms that evaluating the products takes, forward and back."""
    expressions = [expression for parts in products.values() for expression in parts.values()]
    wanted: set[sympy.Expr] = set()
    for expression in expressions:
        derivatives = expression.atoms(sympy.Derivative)
        wanted |= derivatives | expression.xreplace({d: sympy.Dummy() for d in derivatives}).atoms(AppliedUndef)
    return len(wanted) + len(expressions)
