"""What the commands share: tables, progress, and option types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Change a value, as in --set a.b=c; may be repeated."),
]


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; no colour and no wrapping where the output is not a terminal."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(title=title or None, title_justify="left", box=None if not console.is_terminal else Table().box)
    for index, column in enumerate(columns):
        table.add_column(column, no_wrap=index == 0)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    if not console.is_terminal:
        console.width = 160
    console.print(table, markup=False)


@contextmanager
def case_progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar for cases, as a function of (done, in all)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def parse_values(assignments: Sequence[str] | None) -> dict[str, Any]:
    """``["nu=1e-2", "c=[1, 2]"]`` as a mapping."""
    from sciflow.core.config import override

    return override({}, assignments or [])
