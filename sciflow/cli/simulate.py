"""``sciflow simulate``: solve a problem and keep the solution."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sciflow.cli.output import parse_values

Values = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A parameter, as in --set nu=1e-2 or --set nu=[1e-2,1e-3]."),
]


def simulate(
    problem: Annotated[str, typer.Argument(help="Name of a problem, or package.module:attribute.")],
    out: Annotated[Path | None, typer.Option("--out", help="HDF5 file to write; NAME.h5 by default.")] = None,
    resolution: Annotated[int, typer.Option(help="Points along each axis.")] = 64,
    cases: Annotated[int | None, typer.Option(help="Cases to draw; one at the defaults otherwise.")] = None,
    frames: Annotated[int, typer.Option(help="Frames, the first being the initial condition.")] = 41,
    end: Annotated[float | None, typer.Option(help="Last time in seconds; the problem's own by default.")] = None,
    subset: Annotated[str | None, typer.Option(help="Named family of cases.")] = None,
    seed: Annotated[int, typer.Option(help="Of parameters and random initial fields.")] = 0,
    initial: Annotated[
        str | None, typer.Option(help="exact, or a profile: sine, cosine, gaussian, bump, step, tent.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--plot", help="Also draw the last frame of the first case (PNG).")
    ] = None,
    values: Values = None,
    options: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="NAME=VALUE", help="An option of the solver, as in --option oversample=4."),
    ] = None,
) -> None:
    """Solve a problem with its reference solver and write the solution."""
    import numpy as np

    from sciflow.core.errors import InputError
    from sciflow.data import from_arrays, write
    from sciflow.problems import registry
    from sciflow.problems.sampling import check_names
    from sciflow.solvers import simulate as solve

    declared = registry.get(problem)
    parameters = parse_values(values)
    names = [info.name for info in (*declared.parameters, *declared.coefficients)]
    check_names(parameters, names, f"Problem '{declared.name}'")
    times = None
    if end is not None:
        start = declared.time[0] if declared.time else 0.0
        if end <= start or frames < 2:
            raise InputError(f"--end must be later than {start:g} and --frames at least 2.")
        times = np.linspace(start, end, frames)
    solution = solve(
        declared, resolution=resolution, cases=cases, times=times, frames=frames, seed=seed, subset=subset,
        initial=initial, options=parse_values(options),
        **parameters,
    )  # fmt: skip
    path = write(out or Path(f"{declared.name}.h5"), [solution], dtype="float64")
    typer.echo(f"{path}: {from_arrays(solution)}")
    if picture is not None:
        from sciflow import plot

        plot.fields(solution).savefig(picture)
        typer.echo(str(picture))
