"""Answers of a surrogate: its step applied again and again to its own output, or once for each frame."""

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
        x: [B, T_in, C, \\*S] context frames, 0 in solid cells; T_in may be 0.
        times: [B, T_in + T_out] float64, of the context frames and of the frames to come.
        signals: [B, T_in + T_out, G] at these times.
        parameters: [B, P].
        mask: [B, 1, \\*S], 1 = fluid.
        scale: [B, C] characteristic scales of the fields.
        time_scale: [B] characteristic times.
        inputs: [B, I, \\*S] fields that do not depend on time.
        coordinates: [D, \\*S] in [0, 1], the same for all cases.
        known: [B, T_out, C, \\*S] boundary data that every frame takes, NaN where nothing is known; None if nowhere.
    """

    x: Tensor
    times: Tensor
    signals: Tensor
    parameters: Tensor
    mask: Tensor
    scale: Tensor
    time_scale: Tensor
    inputs: Tensor
    coordinates: Tensor
    known: Tensor | None = None

    def part(self, first: int, last: int, device: torch.device) -> Self:
        """Cases ``first`` to ``last - 1`` on a device."""
        given = {item.name: getattr(self, item.name) for item in fields(self)}
        parts = {
            name: value if name == "coordinates" else value[first:last]
            for name, value in given.items()
            if value is not None
        }
        # Times stay on the CPU: not every device knows float64.
        return replace(self, **{name: value if name == "times" else value.to(device) for name, value in parts.items()})

    def imposed(self, frames: Tensor, first: int) -> Tensor:
        """Frames [B, T, C, \\*S], the first of them number ``first`` after the context, with the known values in."""
        if self.known is None:
            return frames
        values = self.known[:, first : first + frames.shape[1]]
        inside = torch.where(values.isnan(), frames[:, : values.shape[1]], values)
        return torch.cat([inside, frames[:, values.shape[1] :]], dim=1)


@torch.no_grad()
def rollout(model: StepModel, start: Start, frames_out: int) -> Tensor:
    """Forecast all frames after the context, [B, T, C, *S] float32 on the CPU.

    Each call of the network sees the last T_in frames, its own output among them, and gives ``frames_out`` more. It is
    told the signals at all these times, and as dt the time between the last frame it sees and the next. A last call
    that would go beyond the frames asked for is cut, its signals being continued by their last value. Known boundary
    data replace what the network gives before its next call sees it. Without context frames, T_in = 0, each frame is
    one call of its own, which is told the time of the frame as dt. Cases (or frames) go through the network in parts of
    about 260 000 cells.

    Args:
        model: the fitted step; stays on its device.
        start: the cases.
        frames_out: frames that one call gives.
    """
    model.eval()
    device = next(model.parameters()).device
    cases, cells = len(start.x), math.prod(start.x.shape[3:])
    size = max(1, _CELLS_AT_ONCE // cells)
    if not start.x.shape[1]:
        return _each(model, start, size, device)
    parts = [start.part(first, first + size, device) for first in range(0, cases, size)]
    return torch.cat([_roll(model, part, frames_out) for part in parts])


def _each(model: StepModel, start: Start, size: int, device: torch.device) -> Tensor:
    """Every frame of every case by itself, ``size`` of them at once."""
    cases, steps = start.times.shape
    forecast = []
    for first in range(0, cases * steps, size):
        places = torch.arange(first, min(first + size, cases * steps))
        case, frame = places // steps, places % steps
        batch = {
            name: getattr(start, name)[case].to(device)
            for name in ("x", "parameters", "mask", "scale", "time_scale", "inputs")
        }
        batch["coordinates"] = start.coordinates.to(device)
        batch["signals"] = start.signals[case, frame, None].to(device)
        batch["dt"] = start.times[case, frame].to(torch.float32).to(device)
        forecast.append(model.advance(batch).cpu())
    return start.imposed(torch.cat(forecast).unflatten(0, (cases, steps)).squeeze(2), 0)


def _roll(model: StepModel, start: Start, frames_out: int) -> Tensor:
    frames_in, steps = start.x.shape[1], start.times.shape[1] - start.x.shape[1]
    span = frames_in + frames_out
    signals = torch.cat([start.signals, start.signals[:, -1:].expand(-1, frames_out - 1, -1)], dim=1)
    batch = {
        name: getattr(start, name) for name in ("parameters", "mask", "scale", "time_scale", "coordinates", "inputs")
    }
    window, forecast = start.x, []
    for first in range(0, steps, frames_out):
        now = first + frames_in
        batch["x"], batch["signals"] = window, signals[:, first : first + span]
        batch["dt"] = (start.times[:, now] - start.times[:, now - 1]).to(window.device, torch.float32)
        frames = start.imposed(model.advance(batch), first)
        window = torch.cat([window, frames], dim=1)[:, -frames_in:]
        forecast.append(frames.cpu())
    return torch.cat(forecast, dim=1)[:, :steps]
