"""``sciflow check``: the conformance suites for one's own problems."""

from __future__ import annotations

from typing import Annotated

import typer

from sciflow.cli.output import show_table


def check(
    problem: Annotated[str, typer.Argument(help="package.module:problem, or the name of a registered problem.")],
    solve: Annotated[bool, typer.Option(help="Also solve it on a coarse grid.")] = True,
) -> None:
    """Check a problem: declaration, units, residuals, laws, exact solution, solver. Exit code 2 if a check fails."""
    from sciflow.problems import registry
    from sciflow.testing import run_problem_checks

    declared = registry.get(problem)
    checks = run_problem_checks(declared, solve=solve)
    show_table(
        declared.name, ("check", "result", ""), [(c.name, "passed" if c.passed else "FAILED", c.detail) for c in checks]
    )
    failed = [c.name for c in checks if not c.passed]
    if failed:
        typer.echo(
            f"sciflow: '{declared.name}' fails {len(failed)} of {len(checks)} checks: {', '.join(failed)}.", err=True
        )
        raise typer.Exit(2)
    typer.echo(f"{declared.name}: {len(checks)} checks passed")
