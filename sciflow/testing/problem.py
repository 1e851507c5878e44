"""Conformance of a problem: its declaration, its equations and its solution hold together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sciflow.problems import registry
from sciflow.testing import declaration, equations, solution, totals
from sciflow.testing.report import Check, require, run

if TYPE_CHECKING:
    from sciflow.problems import Problem


def check_problem(problem: Problem | str, *, solve: bool = True) -> None:
    """Assert that a problem passes every check of `run_problem_checks`.

    Raises:
        AssertionError: names each failed check and what was found.
        InputError: there is no such problem.
    """
    declared = registry.get(problem)
    require(f"Problem '{declared.name}'", run_problem_checks(declared, solve=solve))


def run_problem_checks(problem: Problem | str, *, solve: bool = True) -> list[Check]:
    """The results of all checks of a problem.

    - declaration: the canonical form and the hash survive pickling; LaTeX and HTML are well formed; units agree; cases
      are drawn within their ranges, the same each time; the domain can be sampled; initial fields are finite;
    - equations: torch and JAX give the same residual on a field that is no solution, the spectral residual the same on
      a grid; the exact solution has none and keeps the boundary conditions; each conservation law and symmetry follows
      from the equations (time derivatives are eliminated, and what is left vanishes at random derivatives); the total
      of a law is the integral of the exact solution, and its inflow the rate of the total;
    - solution, with `solve`: the reference solver gives finite fields on a coarse grid, reproduces the exact solution,
      and conserves the integrals of linear densities on periodic domains to rounding.

    Args:
        problem: a `Problem`, the name of a registered one, or ``"package.module:attribute"``.
        solve: also run the reference solver (seconds).

    Returns:
        One `Check` for each; checks that have nothing to look at are marked as skipped.

    Raises:
        InputError: there is no such problem.
    """
    declared = registry.get(problem)
    tests = [*declaration.tests(declared), *equations.tests(declared), *totals.tests(declared)]
    return run(tests + (solution.tests(declared) if solve else []))
