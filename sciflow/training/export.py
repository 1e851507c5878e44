"""A trained step as one program of torch, which runs without sciflow."""

from __future__ import annotations

import copy
import io
from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from sciflow.core import InputError, atomic_path, require_writable
from sciflow.training.config import Training
from sciflow.training.layout import Layout
from sciflow.training.origin import Origin
from sciflow.training.step import Batch, StepModel

PROGRAM, CARD = "model.pt2", "MODEL_CARD.md"


@final
class PhysicalStep(nn.Module):
    """Normalisation and network on one grid, physical units in and out.

    Args:
        model: the fitted step.
        coordinates: of the grid, [D, \\*S], 0 to 1 over the domain.
    """

    coordinates: Tensor

    def __init__(self, model: StepModel, coordinates: Tensor) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("coordinates", coordinates)

    def forward(
        self,
        x: Tensor,
        parameters: Tensor,
        signals: Tensor,
        mask: Tensor,
        dt: Tensor,
        inputs: Tensor,
        scale: Tensor,
        time_scale: Tensor,
        known: Tensor | None = None,
    ) -> Tensor:
        """Frames [B, T_out, C, \\*S] after x (or, without context frames, at the time dt); see the model card."""
        given = {"x": x, "parameters": parameters, "signals": signals, "mask": mask, "dt": dt, "inputs": inputs}
        batch = {**given, "scale": scale, "time_scale": time_scale, "coordinates": self.coordinates}
        frames = self.model.advance(batch)
        return frames if known is None else torch.where(known.isnan(), frames, known)


def export_program(
    model: StepModel, layout: Layout, training: Training, origin: Origin
) -> tuple[torch.export.ExportedProgram, bool]:
    """The step on the training grid, on the CPU.

    Returns:
        The program, and whether it takes any number of cases; where torch cannot trace the network for that, it takes
        one case at a time.

    Raises:
        InputError: torch cannot trace the network at all.
    """
    grid = _grid(layout, origin)
    step = PhysicalStep(copy.deepcopy(model).cpu(), grid).eval().requires_grad_(False)
    # On failure torch prints the whole graph; the message that matters is in the exception.
    with torch.no_grad(), redirect_stderr(io.StringIO()):
        try:
            example = _example(layout, training, grid.shape[1:], cases=2)
            batch = torch.export.Dim("batch")
            shapes = {name: {0: batch} for name in example}
            return torch.export.export(step, (), example, dynamic_shapes=shapes), True
        except Exception:  # torch raises many kinds for code that looks at its sizes
            pass
        try:
            return torch.export.export(step, (), _example(layout, training, grid.shape[1:], cases=1)), False
        except Exception as error:
            first = str(error).strip().splitlines()
            raise InputError(
                f"The network cannot be exported by torch.export ({first[0] if first else type(error).__name__}); "
                "save the surrogate instead."
            ) from error


def example_batch(layout: Layout, training: Training, origin: Origin) -> Batch:
    """One window of zeros on the training grid, to count operations with."""
    grid = _grid(layout, origin)
    batch = _example(layout, training, grid.shape[1:], cases=1)
    return {**{name: values for name, values in batch.items() if name != "known"}, "coordinates": grid}


def _grid(layout: Layout, origin: Origin) -> Tensor:
    """Coordinates of the training grid, [D, \\*S]."""
    axes = [np.asarray(origin.positions[axis]) for axis in layout.space]
    return torch.from_numpy(np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32))


def _example(layout: Layout, training: Training, space: Sequence[int], *, cases: int) -> dict[str, Tensor]:
    """Arguments of the right shapes."""
    frames = (cases, training.frames_out, len(layout.fields), *space)
    return {
        "x": torch.zeros(cases, training.frames_in, len(layout.fields), *space),
        "parameters": torch.ones(cases, len(layout.parameters)),
        "signals": torch.zeros(cases, training.frames_in + training.frames_out, len(layout.signals)),
        "mask": torch.ones(cases, 1, *space),
        "dt": torch.ones(cases),
        "inputs": torch.zeros(cases, len(layout.inputs), *space),
        "scale": torch.ones(cases, len(layout.fields)),
        "time_scale": torch.ones(cases),
        **({"known": torch.full(frames, torch.nan)} if layout.known else {}),
    }


def write_program(folder: str | Path, program: torch.export.ExportedProgram, card: str) -> None:
    """Write ``model.pt2`` and ``MODEL_CARD.md``; each appears whole or not at all.

    Raises:
        InputError: the folder cannot be written.
    """
    root = require_writable(folder)
    with atomic_path(root / PROGRAM) as temporary, temporary.open("wb") as file:
        torch.export.save(program, file)
    with atomic_path(root / CARD) as temporary:
        temporary.write_text(card, encoding="utf-8")
