"""``sciflow solve``: solve a problem with a physics-informed network and keep the solution."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sciflow.cli.output import parse_values
from sciflow.core.errors import InputError

if TYPE_CHECKING:
    from sciflow.pinn.solution import Solution


def solve(
    problem: Annotated[str, typer.Argument(help="Name of a problem, or package.module:attribute.")],
    method: Annotated[str, typer.Option(help="pinn, or lpinn (networks of particles and their paths).")] = "pinn",
    strategy: Annotated[
        str | None, typer.Option(help="curriculum, marching or xpinn; --option strategy.windows=10.")
    ] = None,
    engine: Annotated[str, typer.Option(help="jax, or deepxde.")] = "jax",
    out: Annotated[Path | None, typer.Option("--out", help="HDF5 file to write; NAME.h5 by default.")] = None,
    resolution: Annotated[int, typer.Option(help="Points along each axis of the file.")] = 128,
    frames: Annotated[int, typer.Option(help="Frames of the file.")] = 41,
    end: Annotated[float | None, typer.Option(help="Last time in seconds; the problem's own by default.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Longest training, compilation not counted.")] = None,
    seed: Annotated[int, typer.Option(help="Of weights and points.")] = 0,
    compare: Annotated[bool, typer.Option("--compare", help="Print the error against the reference solver.")] = False,
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter, as in --set nu=1e-2.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="NAME=VALUE", help="A setting of network or training, as in width=30."),
    ] = None,
) -> None:
    """Solve a problem with a physics-informed network and write the solution.

    Exit code 1 where training did not converge or a Lagrangian solution is unresolved; the file is written anyway.
    """
    from sciflow.data import from_arrays, write
    from sciflow.pinn import solve as run
    from sciflow.pinn.compare import errors
    from sciflow.pinn.solving import case_of
    from sciflow.problems import registry
    from sciflow.solvers import build

    declared = registry.get(problem)
    start = declared.time[0] if declared.time else 0.0
    if end is not None and end <= start:
        raise InputError(f"--end must be later than {start:g}.")
    path = out or Path(f"{declared.name}.h5")
    if frames < 2:
        raise InputError(f"--frames {frames} is too few; give at least 2.")
    if not path.parent.is_dir():
        raise InputError(f"There is no folder {path.parent} to write {path.name} to; make it, or give another --out.")
    options, plan = _options(parse_values(settings), strategy)
    case = case_of(declared, parse_values(values))
    build(declared, resolution).grid([case])  # an impossible resolution is said before the training
    chosen = {**options, "seed": seed} | ({} if seconds is None else {"seconds": seconds})
    solution = run(
        declared,
        method=method,
        strategy=plan,
        engine=engine,
        time=None if end is None else (start, end),
        settings=chosen,
        case=case,
    )
    data = solution.dataset(resolution, frames)
    path = write(path, [data], dtype="float64")
    typer.echo(f"{path}: {from_arrays(data)}")
    for name, text in solution.report().items():
        typer.echo(f"{name.replace('_', ' ')}: {text}")
    if compare:
        for name, error in errors(solution, data).items():
            typer.echo(f"relative L2 error of {name}: {error:.3g}")
    _warn(solution)
    if not (solution.resolved and solution.converged):
        raise typer.Exit(1)


def _options(given: dict[str, Any], strategy: str | None) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Settings, and a strategy with its options, from the values of --option."""
    if "seed" in given:
        raise InputError("Give the seed as --seed, not as --option seed=.")
    details = given.pop("strategy", {})
    if not isinstance(details, dict):
        raise InputError("Options of a strategy have names, as in --option strategy.windows=10.")
    if details and strategy is None:
        raise InputError("Options under 'strategy.' need a strategy; add --strategy curriculum, marching or xpinn.")
    return given, None if strategy is None else {"kind": strategy, **details}


def _warn(solution: Solution) -> None:
    if not solution.resolved:
        typer.echo(
            f"The solution is unresolved: the Jacobian of the paths falls to {solution.smallest_jacobian:.3g}, and "
            "below 1e-3 neighbouring paths cannot be told apart; solve to an earlier time or use the method 'pinn'.",
            err=True,
        )
    if not solution.converged:
        typer.echo(
            f"Training has not converged (loss {solution.loss:.3g}): give it more --seconds, or another strategy.",
            err=True,
        )
