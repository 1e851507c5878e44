"""``sciflow bench``: run suites, show results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sciflow.cli.output import Overrides, show_table

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_suites() -> None:
    """List the suites that come with sciflow."""
    from sciflow.core.files import shared_names
    from sciflow.evaluation.suite import load_suite

    show_table(
        "", ("suite", "what it compares"), [(name, load_suite(name).title) for name in shared_names("benchmarks")]
    )


@app.command("run")
def run(
    suite: Annotated[str, typer.Argument(help="A suite's YAML file or name.")],
    out: Annotated[Path | None, typer.Option("--out", help="Results folder; results/NAME by default.")] = None,
    overrides: Overrides = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list the runs, with minutes and disk space.")
    ] = False,
    log: Annotated[
        list[str] | None,
        typer.Option("--log", help="Log to tensorboard, mlflow or wandb too; may be repeated."),
    ] = None,
) -> None:
    """Run a suite: data, training, scores, leaderboard, report. Finished runs are skipped, interrupted ones go on."""
    from sciflow.evaluation.runner import run as execute

    found = execute(suite, out, overrides or (), dry_run=dry_run, log=log or ())
    boards = found.values() if isinstance(found, dict) else [found]
    if any(getattr(board, "failures", None) for board in boards):
        raise typer.Exit(1)


@app.command("report")
def report(folder: Annotated[Path, typer.Argument(help="A results folder.")]) -> None:
    """Print the leaderboard of a results folder."""
    from sciflow.core.errors import InputError

    path = folder / "leaderboard.md"
    if not path.is_file():
        raise InputError(f"{folder} holds no leaderboard; run a suite into it with 'sciflow bench run'.")
    typer.echo(path.read_text(encoding="utf-8"))
    typer.echo(f"web page: {folder / 'report.html'}")


@app.command("selftest")
def selftest() -> None:
    """Score forecasts whose scores are known with every metric on every task; exit code 1 if one of them is wrong."""
    from sciflow.evaluation.selftest import selftest as run_checks

    checks = run_checks()
    rows = [
        (
            c.task,
            c.data,
            c.metric,
            *(f"{v:.3g}" for v in (c.perfect, c.reference, c.shifted)),
            "ok" if c.passed else "WRONG",
        )
        for c in checks
    ]
    show_table("", ("task", "data", "metric", "truth", "reference", "wrong time", ""), rows)
    wrong = [check for check in checks if not check.passed]
    typer.echo(f"{len(checks) - len(wrong)} of {len(checks)} scores are right")
    if wrong:
        raise typer.Exit(1)
