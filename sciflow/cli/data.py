"""``sciflow data``: make, look at and check data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sciflow.cli import refine, transfer
from sciflow.cli.output import Overrides, case_progress, show_table

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.command("refine")(refine.refine)
app.command("import")(transfer.import_data)
app.command("export")(transfer.export_data)
app.command("download")(transfer.download_data)
File = Annotated[Path, typer.Argument(help="An HDF5 data set.")]


@app.command("recipes")
def recipes() -> None:
    """List the recipes that come with sciflow."""
    from sciflow.core.files import shared_names
    from sciflow.data import Recipe

    show_table("", ("recipe", "what it makes"), [(name, Recipe.load(name).title) for name in shared_names("datasets")])


@app.command("generate")
def generate(
    recipe: Annotated[str, typer.Argument(help="A recipe's name or YAML file, or the name of a problem.")],
    out: Annotated[Path | None, typer.Option("--out", help="File to write; NAME.h5 by default.")] = None,
    overrides: Overrides = None,
    subset: Annotated[str | None, typer.Option(help="Named family of cases.")] = None,
    workers: Annotated[int, typer.Option(help="Processes that solve side by side.")] = 1,
) -> None:
    """Solve the cases of a recipe and write them to an HDF5 file."""
    from sciflow.data import Recipe
    from sciflow.data import generate as make

    changes = [*(overrides or []), *([f"subset={subset}"] if subset else [])]
    loaded = Recipe.load(recipe, changes)
    path = out or Path(f"{loaded.name}.h5")
    with case_progress(loaded.name) as progress:
        dataset = make(loaded, path, workers=workers, progress=progress)
    typer.echo(f"{path}: {dataset}")


@app.command("info")
def info(file: File) -> None:
    """Show what a data set holds."""
    from sciflow.data import open_dataset

    dataset = open_dataset(file)
    times = dataset.case_times
    rows = [("problem", dataset.problem), ("cases", str(len(dataset))), ("frames", str(dataset.frame_count))]
    rows += [("grid", " x ".join(f"{axis} {size}" for axis, size in zip(dataset.space, dataset.shape, strict=True)))]
    rows += [
        ("periodic", ", ".join(dataset.periodic) or "none"),
        ("time", f"{times.min():g} to {times.max():g} s"),
    ]
    rows += [(f"field {name}", f"[{dataset.units(name) or '-'}]") for name in dataset.fields]
    for name in (*dataset.parameters, *dataset.hidden):
        values, kind = dataset.header[name].values, "hidden parameter" if name in dataset.hidden else "parameter"
        rows.append((f"{kind} {name}", f"{values.min():g} to {values.max():g} [{dataset.units(name) or '-'}]"))
    rows += [(f"signal {name}", f"[{dataset.units(name) or '-'}]") for name in dataset.signals]
    for name, parts in dataset.splits.items():
        rows.append((f"split {name}", ", ".join(f"{part} {len(cases)}" for part, cases in parts.items())))
    if "resolved" in dataset.header.coords:
        rows.append(("resolved", f"{int(dataset.header['resolved'].sum())} of {len(dataset)} cases"))
    rows.append(("digest", dataset.digest))
    show_table(str(file), ("", ""), rows)


@app.command("check")
def check(file: File) -> None:
    """Check a data set against the schema; exit code 2 if something is wrong."""
    from sciflow.data import check_file

    found = check_file(file)
    for sentence in found:
        typer.echo(sentence, err=True)
    if found:
        raise typer.Exit(2)
    typer.echo(f"{file}: no fault found")
