"""``sciflow models``: what can be trained or compared."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer

from sciflow.cli.output import show_table

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


def _registries() -> tuple[tuple[str, Any], ...]:
    from sciflow.baselines import methods
    from sciflow.operators import networks

    return (("network", networks), ("baseline", methods))


@app.command("list")
def list_models() -> None:
    """List networks and baselines."""
    rows = [(name, kind, registry.summary(name)) for kind, registry in _registries() for name in registry.names()]
    show_table("", ("model", "kind", "what it is"), rows)


@app.command("show")
def show(name: Annotated[str, typer.Argument(help="Name of a network or baseline.")]) -> None:
    """Show what a model is, its options and their defaults."""
    from sciflow.core.errors import UnknownNameError, near

    for kind, registry in _registries():
        if name in registry:
            target = registry.get(name)
            typer.echo(f"{name} ({kind})\n")
            typer.echo(inspect.getdoc(target) or "")
            typer.echo(f"\noptions: {_options(target)}")
            if kind == "network":
                from sciflow.training import Training

                settings = {name: field.default for name, field in Training.model_fields.items()}
                typer.echo(f"\ntraining: {', '.join(f'{name}={value!r}' for name, value in settings.items())}")
            return
    known = [other for _, registry in _registries() for other in registry.names()]
    raise UnknownNameError(f"There is no model named '{name}'.{near(name, known)}")


def _options(target: Any) -> str:
    parameters = inspect.signature(target).parameters.values()
    return ", ".join(f"{p.name}={p.default!r}" for p in parameters if p.default is not p.empty) or "none"
