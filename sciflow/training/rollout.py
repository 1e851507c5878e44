"""Answers of a surrogate: its step applied again and again to its own output, or once for each frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self, final

import torch
from torch import Tensor

from sciflow.operators import Traits
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

    def unknown(self, variance: Tensor, first: int) -> Tensor:
        """A variance as `imposed` takes frames, with 0 where values are known."""
        if self.known is None:
            return variance
        values = self.known[:, first : first + variance.shape[1]]
        inside = torch.where(values.isnan(), variance[:, : values.shape[1]], 0)
        return torch.cat([inside, variance[:, values.shape[1] :]], dim=1)


def rollout(model: StepModel, start: Start, frames_out: int) -> Tensor:
    """Forecast all frames after the context, [B, T, C, *S] float32 on the CPU; see `rollout_with_variance`."""
    return rollout_with_variance(model, start, frames_out)[0]


@torch.no_grad()
def rollout_with_variance(model: StepModel, start: Start, frames_out: int) -> tuple[Tensor, Tensor | None]:
    """Forecast all frames after the context, [B, T, C, *S] float32 on the CPU, and their variance.

    A recurrent network reads the context once and forecasts all frames from its state. Of others each call sees the
    last T_in frames, the network's own output among them, and gives ``frames_out`` more. It is
    told the signals at all these times, and as dt the time between the last frame it sees and the next. A last call
    that would go beyond the frames asked for is cut, its signals being continued by their last value. Known boundary
    data replace what the network gives before its next call sees it. Without context frames, T_in = 0, each frame is
    one call of its own, which is told the time of the frame as dt. Cases (or frames) go through the network in parts of
    about 260 000 cells.

    The variance, of a model trained with the loss "nll" (else None), is the sum of those of the calls so far: errors of
    different calls count as independent, and as carried on without growth or decay. So it is that of one step at the
    first frame, and a model of how errors gather after it, to be scaled by lead time (`sciflow.conservation.Conformal`)
    where intervals have to hold. It is 0 where boundary data are known and in solid cells.

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
    parts = [_roll(model, start.part(first, first + size, device), frames_out) for first in range(0, cases, size)]
    return torch.cat([frames for frames, _ in parts]), _joined([variance for _, variance in parts], 0)


def _each(model: StepModel, start: Start, size: int, device: torch.device) -> tuple[Tensor, Tensor | None]:
    """Every frame of every case by itself, ``size`` of them at once."""
    cases, steps = start.times.shape
    forecast, variances = [], []
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
        frames, variance = model.advance_with_variance(batch)
        forecast.append(frames.cpu())
        variances.append(None if variance is None else variance.cpu())
    whole = _joined(variances, 0)
    values = torch.cat(forecast).unflatten(0, (cases, steps)).squeeze(2)
    spread = None if whole is None else start.unknown(whole.unflatten(0, (cases, steps)).squeeze(2), 0)
    return start.imposed(values, 0), spread


def _roll(model: StepModel, start: Start, frames_out: int) -> tuple[Tensor, Tensor | None]:
    frames_in, steps = start.x.shape[1], start.times.shape[1] - start.x.shape[1]
    span = frames_in + frames_out
    signals = torch.cat([start.signals, start.signals[:, -1:].expand(-1, frames_out - 1, -1)], dim=1)
    batch = {
        name: getattr(start, name) for name in ("parameters", "mask", "scale", "time_scale", "coordinates", "inputs")
    }
    if getattr(model.network, "traits", Traits()).recurrent:
        # Its state carries on from the context: one call gives all frames.
        batch |= {"x": start.x, "signals": start.signals}
        batch["dt"] = (start.times[:, frames_in] - start.times[:, frames_in - 1]).to(start.x.device, torch.float32)
        return model.advance(batch, frames=steps).cpu(), None
    window, forecast, variances = start.x, [], []
    before: Tensor | float = 0.0
    for first in range(0, steps, frames_out):
        now = first + frames_in
        batch["x"], batch["signals"] = window, signals[:, first : first + span]
        batch["dt"] = (start.times[:, now] - start.times[:, now - 1]).to(window.device, torch.float32)
        frames, variance = model.advance_with_variance(batch)
        frames = start.imposed(frames, first)
        window = torch.cat([window, frames], dim=1)[:, -frames_in:]
        forecast.append(frames.cpu())
        if variance is not None:
            variance = start.unknown(variance + before, first)
            before = variance[:, -1:]
        variances.append(None if variance is None else variance.cpu())
    spread = _joined(variances, 1)
    return torch.cat(forecast, dim=1)[:, :steps], None if spread is None else spread[:, :steps]


def _joined(parts: Sequence[Tensor | None], dim: int) -> Tensor | None:
    given = [part for part in parts if part is not None]
    return torch.cat(given, dim=dim) if given else None
