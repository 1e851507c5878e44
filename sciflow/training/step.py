"""One step of a surrogate: network and normaliser together, from frames in physical units to the next frames."""

from __future__ import annotations

from typing import Literal, final

import torch
from torch import Tensor, nn

from sciflow.data import Normaliser

Batch = dict[str, Tensor]


@final
class StepModel(nn.Module):
    """Encodes a batch, calls the network, and scores or decodes what it gives.

    With frames x_k, the network's outputs o_k (k = 1..T_out) mean::

        predict "increment":  x_k - x_{k-1} = std_increment * scale * o_k
        predict "state":      x_k           = scale * (mean + std * o_k)

    Args:
        network: ``forward(x, *, parameters, signals, mask, coordinates, dt)`` on normalised tensors.
        normaliser: fitted on the training cases.
        predict: what the outputs mean.
        masked: the problem has solid cells; they are held at 0 and left out of the error.
    """

    def __init__(
        self, network: nn.Module, normaliser: Normaliser, *, predict: Literal["increment", "state"], masked: bool
    ) -> None:
        super().__init__()
        self.network = network
        self.normaliser = normaliser
        self.predict = predict
        self.masked = masked

    def _call(self, batch: Batch) -> Tensor:
        """The network's normalised output [B, T_out, C, *S] for a batch in physical units."""
        encoded = self._hold(self.normaliser.encode(batch["x"], batch["scale"]), batch)
        coordinates = batch["coordinates"]
        return self.network(
            encoded,
            parameters=self.normaliser.parameters(batch["parameters"]),
            signals=self.normaliser.signals(batch["signals"]),
            mask=batch["mask"],
            coordinates=coordinates.expand(len(encoded), *coordinates.shape),
            dt=self.normaliser.time(batch["dt"], batch["time_scale"]),
        )

    def _hold(self, frames: Tensor, batch: Batch) -> Tensor:
        """Solid cells of frames [B, T, C, *S] set to 0."""
        return torch.where(batch["mask"].unsqueeze(1) > 0, frames, 0) if self.masked else frames

    def forward(self, batch: Batch) -> Tensor:
        """Mean squared error [B] of each window: over frames, fields and fluid cells, in normalised units."""
        if self.predict == "increment":
            frames = torch.cat([batch["x"][:, -1:], batch["y"]], dim=1)
            target = self.normaliser.encode_increment(frames.diff(dim=1), batch["scale"])
        else:
            target = self.normaliser.encode(batch["y"], batch["scale"])
        error = self._hold((self._call(batch) - target).square(), batch)
        if not self.masked:
            return error.flatten(1).mean(1)
        fluid = batch["mask"].flatten(1).sum(1) * error.shape[1] * error.shape[2]
        return error.flatten(1).sum(1) / fluid.clamp(min=1)

    def advance(self, batch: Batch) -> Tensor:
        """The next frames [B, T_out, C, *S] in physical units; solid cells hold 0."""
        output = self._call(batch)
        if self.predict == "increment":
            frames = batch["x"][:, -1:] + self.normaliser.decode_increment(output, batch["scale"]).cumsum(dim=1)
        else:
            frames = self.normaliser.decode(output, batch["scale"])
        return self._hold(frames, batch)
