"""``sciflow problems``: what is declared."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from sciflow.cli.output import show_table

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_problems() -> None:
    """List the problems of the catalogue and of installed packages."""
    from sciflow.problems.registry import problems

    show_table(
        "",
        ("problem", "what it is"),
        [(name, problems.summary(name) or problems.get(name).title) for name in problems.names()],
    )


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Name of a problem, or package.module:attribute.")],
    as_json: Annotated[bool, typer.Option("--json", help="The canonical form.")] = False,
    latex: Annotated[bool, typer.Option("--latex", help="The equations as LaTeX.")] = False,
) -> None:
    """Show one problem: equations, fields, parameters, conditions, laws."""
    from sciflow.problems import registry

    problem = registry.get(name)
    if as_json:
        typer.echo(json.dumps(problem.to_json(), indent=2))
    elif latex:
        typer.echo(problem.latex())
    else:
        typer.echo(f"{problem.name}: {problem.title}\n{problem.reference}\n")
        for line in _equations(problem):
            typer.echo(line)
        typer.echo("")
        show_table("", ("declared", ""), _rows(problem))


def _equations(problem: Any) -> list[str]:
    from sympy import Derivative, Eq, pretty

    sides = [Eq(Derivative(problem.field(n).symbol, problem.t), right) for n, right in problem.evolution.items()]
    return [
        pretty(e, use_unicode=True, wrap_line=False)
        for e in (*sides, *problem.constraints.values(), *problem.steady.values())
    ]


def _rows(problem: Any) -> list[tuple[str, str]]:
    rows = [(f"field {info.name}", f"{info.long_name} [{info.unit or '-'}]") for info in problem.fields]
    for info in problem.parameters:
        span = "" if info.low is None else f", {info.low:g} to {info.high:g} ({info.scale})"
        about = f"{info.description or info.name} [{info.unit or '-'}], default {info.default:g}{span}"
        kind = "hidden parameter" if info.hidden else "parameter"
        rows.append((f"{kind} {info.name}", about))
    rows += [(f"signal {signal.name}", f"{signal.expression}") for signal in problem.signals]
    rows += [(f"initial {name}", str(value)) for name, value in problem.initial.items()]
    rows += [
        (f"boundary {name}", f"{side}: {value}")
        for name, sides in problem.boundary.items()
        for side, value in sides.items()
    ]
    rows += [
        (f"conserves {law.name}", f"density {law.density}, flux {', '.join(map(str, law.flux))}")
        for law in problem.conserves
    ]
    rows += [("symmetry", str(symmetry)) for symmetry in problem.symmetries]
    rows += [(f"exact {name}", str(value)) for name, value in problem.exact.items()]
    rows += [("subset", name) for name in problem.subsets]
    return [*rows, ("periodic axes", ", ".join(problem.periodic) or "none"), ("hash", problem.hash)]
