"""Autoregressive forecasts: a surrogate's step applied again and again to its own output."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Self, final

import torch
from torch import Tensor

from sciflow.training.step import StepModel

_CELLS_AT_ONCE = 2**18


@final
@dataclass(frozen=True)
class Start:
    """What a rollout of B cases over T_out frames begins with; physical units, float32 unless said otherwise.

    Attributes:
        x: [B, T_in, C, \\*S] context frames, 0 in solid cells.
        times: [B, T_in + T_out] float64, of the context frames and of the frames to come.
        signals: [B, T_in + T_out, G] at these times.
        parameters: [B, P].
        mask: [B, 1, \\*S], 1 = fluid.
        scale: [B, C] characteristic scales of the fields.
        time_scale: [B] characteristic times.
        coordinates: [D, \\*S] in [0, 1], the same for all cases.
    """

    x: Tensor
    times: Tensor
    signals: Tensor
    parameters: Tensor
    mask: Tensor
    scale: Tensor
    time_scale: Tensor
    coordinates: Tensor

    def part(self, first: int, last: int, device: torch.device) -> Self:
        """Cases ``first`` to ``last - 1`` on a device."""
        parts = {item.name: getattr(self, item.name)[first:last] for item in fields(self) if item.name != "coordinates"}
        parts["coordinates"] = self.coordinates
        # Times stay on the CPU: not every device knows float64.
        return replace(self, **{name: value if name == "times" else value.to(device) for name, value in parts.items()})


@torch.no_grad()
def rollout(model: StepModel, start: Start, frames_out: int) -> Tensor:
    """Forecast all frames after the context, [B, T, C, *S] float32 on the CPU.

    Each call of the network sees the last T_in frames, its own output among them, and gives ``frames_out`` more. It is
    told the signals at all these times, and as dt the time between the last frame it sees and the next. A last call
    that would go beyond the frames asked for is cut, its signals being continued by their last value. Cases go through
    the network in parts of about 260 000 cells.

    Args:
        model: the fitted step; stays on its device.
        start: the cases.
        frames_out: frames that one call gives.
    """
    model.eval()
    device = next(model.parameters()).device
    cases, cells = len(start.x), math.prod(start.x.shape[3:])
    size = max(1, _CELLS_AT_ONCE // cells)
    parts = [start.part(first, first + size, device) for first in range(0, cases, size)]
    return torch.cat([_roll(model, part, frames_out) for part in parts])


def _roll(model: StepModel, start: Start, frames_out: int) -> Tensor:
    frames_in, steps = start.x.shape[1], start.times.shape[1] - start.x.shape[1]
    span = frames_in + frames_out
    signals = torch.cat([start.signals, start.signals[:, -1:].expand(-1, frames_out - 1, -1)], dim=1)
    batch = {name: getattr(start, name) for name in ("parameters", "mask", "scale", "time_scale", "coordinates")}
    window, forecast = start.x, []
    for first in range(0, steps, frames_out):
        now = first + frames_in
        batch["x"], batch["signals"] = window, signals[:, first : first + span]
        batch["dt"] = (start.times[:, now] - start.times[:, now - 1]).to(window.device, torch.float32)
        frames = model.advance(batch)
        window = torch.cat([window, frames], dim=1)[:, -frames_in:]
        forecast.append(frames.cpu())
    return torch.cat(forecast, dim=1)[:, :steps]
