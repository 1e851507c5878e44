"""``sciflow data import``, ``export`` and ``download``: data of other projects."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sciflow.cli.output import Overrides, case_progress, parse_values


def import_data(
    layout: Annotated[str, typer.Argument(help="cfdbench, channel, mnist, pdebench, well, or one of a plug-in.")],
    source: Annotated[Path, typer.Argument(help="The file or folder to read.")],
    target: Annotated[Path, typer.Argument(help="The HDF5 data set to write.")],
    problem: Annotated[str | None, typer.Option(help="Problem that the data belong to.")] = None,
    subset: Annotated[
        str | None, typer.Option(help="cfdbench: prop, bc, geo, or several joined by +; mnist: velocities.")
    ] = None,
    any_grid: Annotated[bool, typer.Option("--any-grid", help="cfdbench: accept other grids than 64 x 64.")] = False,
    periodic: Annotated[str | None, typer.Option(help="pdebench: periodic axes, as in x,y.")] = None,
    overrides: Overrides = None,
) -> None:
    """Read data of another layout into a data set file."""
    from sciflow.data.importers import import_dataset

    options: dict[str, Any] = {"problem": problem, "subset": subset, "any_grid": any_grid or None}
    options["periodic"] = None if periodic is None else [axis.strip() for axis in periodic.split(",")]
    given = {name: value for name, value in options.items() if value is not None} | parse_values(overrides)
    with case_progress(source.name) as progress:
        dataset = import_dataset(layout, source, target, **given, progress=progress)
    typer.echo(f"{target}: {dataset}")


def export_data(
    layout: Annotated[str, typer.Argument(help="cfdbench, well, or one of a plug-in.")],
    source: Annotated[Path, typer.Argument(help="The HDF5 data set to read.")],
    target: Annotated[Path, typer.Argument(help="The folder to write, new or empty.")],
    subset: Annotated[str | None, typer.Option(help="cfdbench: subset of all cases.")] = None,
    split: Annotated[str | None, typer.Option(help="well: named split, the default one if not given.")] = None,
    overrides: Overrides = None,
) -> None:
    """Write a data set in the layout of another project."""
    from sciflow.data import open_dataset
    from sciflow.data.exporters import export_dataset

    given = {name: value for name, value in (("subset", subset), ("split", split)) if value is not None}
    written = export_dataset(layout, open_dataset(source), target, **given, **parse_values(overrides))
    typer.echo(f"{target}: {len(written)} files")


def download_data(
    name: Annotated[str, typer.Argument(help="A known file, or an address (then with --sha256).")],
    folder: Annotated[Path, typer.Argument(help="Where it goes.")],
    sha256: Annotated[str | None, typer.Option(help="The hash that the file must have.")] = None,
    unpack: Annotated[bool, typer.Option(help="Unpack zip archives beside themselves.")] = True,
) -> None:
    """Fetch published data and check its hash."""
    from sciflow.data.download import download

    with case_progress(name) as progress:
        path = download(name, folder, sha256=sha256, unpack=unpack, progress=progress)
    typer.echo(f"{path}: hash as expected")
