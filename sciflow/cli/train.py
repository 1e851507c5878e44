"""``sciflow train``, ``sciflow predict`` and ``sciflow export``: fit a network, forecast with it, hand it on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from sciflow.cli.output import Overrides, parse_values
from sciflow.core.errors import InputError, near

Split = Annotated[str | None, typer.Option("--split", help="Name of the split; the first one by default.")]


def train(
    model: Annotated[str, typer.Argument(help="Name of a network (sciflow models list).")],
    file: Annotated[Path, typer.Argument(help="An HDF5 data set.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the trained model.")],
    split: Split = None,
    fields: Annotated[str | None, typer.Option(help="Train on these fields alone, as in u,v.")] = None,
    overrides: Overrides = None,
    log: Annotated[
        list[str] | None,
        typer.Option("--log", help="Also log to jsonl, tensorboard, mlflow or wandb in OUT/logs; may be repeated."),
    ] = None,
) -> None:
    """Train a network on the training cases of a split; interrupted, the same command goes on."""
    import shutil

    from sciflow.core.files import require_writable
    from sciflow.data import open_dataset
    from sciflow.training import Surrogate, open_logger

    surrogate = Surrogate(model, **parse_values(overrides))
    dataset = open_dataset(file)
    parts = (dataset if fields is None else dataset.with_fields(fields.split(","))).split(split)
    _require(parts, "train")
    unfinished = require_writable(out) / "unfinished"
    chosen = [open_logger(name, out / "logs") for name in log or []]
    surrogate.fit(parts["train"], parts.get("valid"), resume=unfinished, loggers=chosen)
    surrogate.save(out)
    shutil.rmtree(unfinished, ignore_errors=True)
    cost = surrogate.cost()
    typer.echo(f"{out}: {model}, {cost['parameters']:,.0f} parameters, trained for {cost['training_seconds']:.0f} s")


def predict(
    folder: Annotated[Path, typer.Argument(help="Folder of a trained model, or the checkpoint of a run.")],
    file: Annotated[Path, typer.Argument(help="An HDF5 data set with cases to forecast.")],
    out: Annotated[Path, typer.Option("--out", help="HDF5 file for the forecast.")],
    split: Split = None,
    part: Annotated[str, typer.Option(help="Part of the split, or 'all' for every case.")] = "test",
    conserve: Annotated[
        bool, typer.Option("--conserve", help="Correct the forecast by the conservation laws of the problem.")
    ] = False,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="With --conserve: an option, as in --set noise=0.01; may be repeated."
        ),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--plot", help="Also draw forecast, truth and difference of the first case (PNG).")
    ] = None,
) -> None:
    """Roll a trained model out from the first frames of the test cases over all later ones.

    With --conserve a model that gives a variance is corrected where it is unsure; for others say --set hard=true. With
    --set stepwise=true every frame is corrected before the next is forecast. A variance is in the file's group
    "variance".
    """
    from sciflow.conservation import Conserving, load_method
    from sciflow.core.files import atomic_path
    from sciflow.data import open_dataset

    options = parse_values(overrides)
    if options and not conserve:
        raise InputError(f"The option {next(iter(options))!r} is one of the conservation of laws; give --conserve too.")
    method = load_method(folder)
    if conserve:
        method = Conserving(method, **options)
    dataset = open_dataset(file)
    if part != "all":
        parts = dataset.split(split)
        _require(parts, part)
        dataset = parts[part]
    forecast = method.predict(dataset)
    with atomic_path(out) as temporary:
        forecast.mean.to_netcdf(temporary, engine="h5netcdf")
        if forecast.variance is not None:
            forecast.variance.to_netcdf(temporary, mode="a", group="variance", engine="h5netcdf")
    if picture is not None:
        from sciflow import plot

        plot.fields(forecast, dataset).savefig(picture)
    typer.echo(f"{out}: {forecast.cases} cases, {forecast.steps} frames of {', '.join(forecast.fields)}")


def export(
    folder: Annotated[Path, typer.Argument(help="Folder of a trained model.")],
    out: Annotated[Path, typer.Argument(help="Folder for model.pt2 and MODEL_CARD.md.")],
) -> None:
    """Write a trained model as a program that runs with torch alone, and a model card."""
    from sciflow.training import Surrogate

    Surrogate.load(folder, device="cpu").export(out)
    typer.echo(f"{out}: model.pt2, MODEL_CARD.md")


def _require(parts: Mapping[str, object], wanted: str) -> None:
    if wanted not in parts:
        raise InputError(f"The split has no part {wanted!r}.{near(wanted, parts)}")
