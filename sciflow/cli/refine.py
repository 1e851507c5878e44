"""``sciflow data refine``: is a recipe's grid fine enough?"""

from __future__ import annotations

from typing import Annotated

import typer

from sciflow.cli.output import Overrides, show_table


def refine(
    recipe: Annotated[str, typer.Argument(help="A recipe's name or YAML file, or the name of a problem.")],
    changes: Annotated[
        list[str],
        typer.Option("--with", metavar="NAME=VALUE", help="What the second run changes; may be repeated."),
    ],
    cases: Annotated[
        str | None,
        typer.Option(
            help="Numbers of the cases, as in 0,24,49; by default lowest, middle and highest Re of each list."
        ),
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Solve cases of a recipe twice, as it stands and with changes (twice the grid), and compare the frames."""
    from sciflow.core import InputError
    from sciflow.data.refinement import refine as compare

    try:
        only = None if cases is None else [int(part) for part in cases.split(",")]
    except ValueError as error:
        raise InputError(f"--cases is '{cases}'; give whole numbers joined by commas, as in 0,24,49.") from error
    rows = compare(recipe, changes, only=only, overrides=overrides or [])
    numbers, fields = list(rows[0].numbers), list(rows[0].change)
    show_table(
        f"Relative change of the frames with {', '.join(changes)}",
        ("case", "list", *numbers, *fields, *(f"{name}, last frame" for name in fields), "s", "s changed"),
        [
            (
                row.case,
                row.subset or "-",
                *(f"{row.numbers[name]:g}" for name in numbers),
                *(f"{row.change[name]:.2%}" for name in fields),
                *(f"{row.last[name]:.2%}" for name in fields),
                *(f"{seconds:.1f}" for seconds in row.seconds),
            )
            for row in rows
        ],
    )
