"""``sciflow check``: the conformance suites for one's own problems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sciflow.cli.output import show_table

if TYPE_CHECKING:
    from sciflow.testing import Check


def check(
    problem: Annotated[str, typer.Argument(help="package.module:problem, or the name of a registered problem.")],
    solve: Annotated[bool, typer.Option(help="Also solve it on a coarse grid.")] = True,
) -> None:
    """Check a problem: declaration, units, residuals, laws, exact solution, solver. Exit code 2 if a check fails."""
    from sciflow.problems import registry
    from sciflow.testing import run_problem_checks

    declared = registry.get(problem)
    checks = run_problem_checks(declared, solve=solve)
    show_table(declared.name, ("check", "result", ""), [(c.name, _result(c), c.detail) for c in checks])
    failed = [c.name for c in checks if not c.passed]
    if failed:
        typer.echo(
            f"sciflow: '{declared.name}' fails {len(failed)} of {len(checks)} checks: {', '.join(failed)}.", err=True
        )
        raise typer.Exit(2)
    done = sum(not c.skipped for c in checks)
    typer.echo(f"{declared.name}: {done} checks passed, {len(checks) - done} do not apply")


def _result(one: Check) -> str:
    return "skipped" if one.skipped else "passed" if one.passed else "FAILED"
