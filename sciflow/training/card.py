"""The model card: what a trained surrogate is, what it was trained on, and how far it may be trusted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sciflow.core import canonical, versions
from sciflow.training.config import Training
from sciflow.training.layout import Layout
from sciflow.training.origin import Origin


def model_card(
    name: str,
    options: Mapping[str, Any],
    training: Training,
    layout: Layout,
    origin: Origin,
    cost: Mapping[str, float],
    *,
    any_batch: bool,
) -> str:
    """The card as Markdown.

    Args:
        name: of the network.
        options: of the network.
        training: settings.
        layout: what the channels stand for.
        origin: the training data.
        cost: of training and of a call.
        any_batch: the exported program takes any number of cases, not one alone.
    """
    task = (
        "forecasts later frames from earlier ones" if training.frames_in else "finds the field of each time by itself"
    )
    changed = training.model_dump(mode="json", exclude_defaults=True)
    parts = [
        f"# {name}" + (f" for {origin.problem}" if origin.problem else ""),
        f"A neural operator that {task}, trained with sciflow.",
        "## Data",
        _table(("what", "names (unit)"), _names(layout, origin)),
        _table(("axis", "points", "from", "to", "kind"), _axes(layout, origin)),
        f"Training cases: {origin.cases} of at most {origin.frames} frames, SHA-256 `{origin.digest}`."
        + ("" if origin.valid_cases is None else f" Validation cases: {origin.valid_cases}."),
        "## Training",
        f"Network options: `{canonical(dict(options))}`. Settings other than the defaults: `{json.dumps(changed)}`.",
        _validation(training, origin),
        _table(("cost", "value"), [(key.replace("_", " "), f"{value:,.6g}") for key, value in cost.items()]),
        "## Use",
        _use(training, layout, any_batch),
        "## Limits",
        _limits(training),
        "## Versions",
        _table(("package", "version"), sorted(versions().items())),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _names(layout: Layout, origin: Origin) -> list[tuple[str, str]]:
    def listed(names: Sequence[str]) -> str:
        return ", ".join(f"{name} ({origin.units.get(name) or 'no unit'})" for name in names)

    kinds = {"fields": layout.fields, "input fields": layout.inputs}
    kinds |= {"case parameters": layout.parameters, "signals": layout.signals}
    rows = [(kind, listed(names)) for kind, names in kinds.items() if names]
    rows += [("solid cells", "yes, by a mask")] if layout.masked else []
    return [*rows, ("known boundary cells", "yes, put into every frame")] if layout.known else rows


def _axes(layout: Layout, origin: Origin) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for axis in layout.space:
        low, high = origin.bounds[axis]
        kind = f"{layout.grid}, periodic" if axis in layout.periodic else layout.grid
        unit = origin.units.get(axis) or "no unit"
        rows.append((f"{axis} ({unit})", str(len(origin.positions[axis])), f"{low:g}", f"{high:g}", kind))
    return rows


def _validation(training: Training, origin: Origin) -> str:
    if origin.valid_error is None:
        return "There was no validation; the error on cases of another kind is not known."
    kinds = {"mse": "mean squared error in normalised units", "relative": "relative L2 error"}
    kinds["nll"] = "weighted negative log-likelihood in normalised units"
    kind = kinds.get(training.loss, "squared error relative to the squares of the fields, of batches")
    calls = f" over {training.unroll} calls" if training.unroll > 1 else ""
    return f"Validation error ({kind}{calls}, up to 256 windows): {origin.valid_error:.4g}."


def _use(training: Training, layout: Layout, any_batch: bool) -> str:
    batch, space = "B" if any_batch else "1", ", ".join(f"N_{axis}" for axis in layout.space)
    frames = f"{training.frames_in} frames before, 0 in solid cells" if training.frames_in else "no frames"
    dt = "from the last frame of x to the next" if training.frames_in else "at which the field is wanted"
    rows = [
        ("x", f"[{batch}, {training.frames_in}, {len(layout.fields)}, {space}]", frames),
        ("parameters", f"[{batch}, {len(layout.parameters)}]", ", ".join(layout.parameters)),
        (
            "signals",
            f"[{batch}, {training.frames_in + training.frames_out}, {len(layout.signals)}]",
            ", ".join(layout.signals),
        ),
        ("mask", f"[{batch}, 1, {space}]", "1 = fluid"),
        ("dt", f"[{batch}]", f"time in seconds {dt}"),
        ("inputs", f"[{batch}, {len(layout.inputs)}, {space}]", ", ".join(layout.inputs)),
        ("scale", f"[{batch}, {len(layout.fields)}]", ", ".join(name or "1" for name in layout.scales)),
        ("time_scale", f"[{batch}]", layout.time_scale or "1"),
    ]
    if layout.known:
        shape = f"[{batch}, {training.frames_out}, {len(layout.fields)}, {space}]"
        rows.append(("known", shape, "boundary data of the frames asked for, NaN elsewhere"))
    return (
        "`model.pt2` is one step in physical units, float32, on the grid above; it needs torch alone:\n\n"
        "```python\n"
        'step = torch.export.load("model.pt2").module()\n'
        f"frames = step({', '.join(f'{name}={name}' for name, _, _ in rows)})\n"
        "```\n\n"
        + _table(("argument", "shape", "meaning"), rows)
        + f"\n\nIt gives frames [{batch}, {training.frames_out}, {len(layout.fields)}, {space}]."
    )


def _limits(training: Training) -> str:
    sentences = [
        "The errors above hold for cases drawn as the training cases were; outside the ranges of their parameters and "
        "for other equations, boundary conditions or domains nothing is known."
    ]
    if training.frames_in:
        sentences.append("A forecast is fed back; its error grows with the number of steps and is not bounded.")
    sentences.append("The output does not obey the equations exactly, and it carries no estimate of its error.")
    return " ".join(sentences)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
