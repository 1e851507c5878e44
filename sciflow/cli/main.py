"""Entry point of the command ``sciflow``."""

from __future__ import annotations

import sys
import traceback
from typing import Annotated

import typer

from sciflow.cli import bench, check, data, info, models, problems, simulate, solve, train
from sciflow.core.errors import InputError, SciflowError

app = typer.Typer(
    name="sciflow",
    help="Declare a PDE once: simulate it, learn it, compare methods on it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(problems.app, name="problems", help="The problems that are declared.")
app.add_typer(models.app, name="models", help="Networks and baselines.")
app.add_typer(data.app, name="data", help="Make, look at and check data sets.")
app.add_typer(bench.app, name="bench", help="Run benchmark suites and show their results.")
app.command("simulate")(simulate.simulate)
app.command("solve")(solve.solve)
app.command("train")(train.train)
app.command("predict")(train.predict)
app.command("export")(train.export)
app.command("check")(check.check)
app.command("info")(info.info)


def _version(value: bool) -> None:
    if value:
        import sciflow

        typer.echo(f"sciflow {sciflow.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; may stand anywhere.")] = False,
) -> None:
    """Options of all commands; `main` takes --debug out of the arguments before they are read."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit.

    Exit codes: 0 done; 2 the input cannot be used (one sentence says why); 1 anything else went wrong; 130 interrupted.
    """
    given = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in given
    try:
        app(args=[argument for argument in given if argument != "--debug"], prog_name="sciflow")
    except KeyboardInterrupt:
        sys.exit(_failed("Interrupted; finished work is kept, and the same command goes on from there.", 130, debug))
    except (InputError, OSError) as error:
        sys.exit(_failed(str(error), 2, debug))
    except SciflowError as error:
        sys.exit(_failed(str(error), 1, debug))
    except Exception as error:
        message = f"{type(error).__name__}: {error} (this is unexpected; --debug shows where it happened)"
        sys.exit(_failed(message, 1, debug))


def _failed(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    typer.echo(f"sciflow: {message}", err=True)
    return code
