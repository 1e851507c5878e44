"""One step of a surrogate: network and normaliser together, from frames in physical units to the next frames."""

from __future__ import annotations

import math
from typing import Literal, Self, final

import torch
from torch import Tensor, nn

from sciflow.data import Normaliser

Batch = dict[str, Tensor]
_SMALL = 1e-3  # a field smaller than this fraction of its spread counts as this large in the relative error


@final
class StepModel(nn.Module):
    """Encodes a batch, calls the network, and scores or decodes what it gives.

    With frames x_k, the network's outputs o_k (k = 1..T_out) mean::

        predict "increment":  x_k - x_{k-1} = std_increment * scale * o_k
        predict "state":      x_k           = scale * (mean + std * o_k)

    Args:
        network: ``forward(x, *, parameters, signals, mask, coordinates, dt, inputs)`` on normalised tensors.
        normaliser: fitted on the training cases.
        predict: what the outputs mean.
        masked: the problem has solid cells; they are held at 0 and left out of the error.
        frames_out: frames of one call, T_out; None means all frames of a window's y.
        loss: the error of a window, see :meth:`forward`.
        pushforward: only the last call of a window counts, see :meth:`forward`.
    """

    def __init__(
        self,
        network: nn.Module,
        normaliser: Normaliser,
        *,
        predict: Literal["increment", "state"],
        masked: bool,
        frames_out: int | None = None,
        loss: Literal["mse", "relative"] = "mse",
        pushforward: bool = False,
    ) -> None:
        super().__init__()
        self.network = network
        self.normaliser = normaliser
        self.predict = predict
        self.masked = masked
        self.frames_out = frames_out
        self.loss = loss
        self.pushforward = pushforward

    def with_network(self, network: nn.Module) -> Self:
        """The same step with other weights; the normaliser is shared."""
        options = {name: getattr(self, name) for name in ("predict", "masked", "frames_out", "loss", "pushforward")}
        return type(self)(network, self.normaliser, **options)

    def forward(self, batch: Batch) -> Tensor:
        """Error [B] of each window, over frames, fields and fluid cells.

        A window may hold the frames of several calls; each call then sees the output of those before, and the error is
        the mean over the calls. With the increments or states o of the network and the values z that would give the
        true frames (from the frames that the call saw), the error of a call is::

            loss "mse":       mean of (o - z)^2, in normalised units
            loss "relative":  mean over fields of  ( sum of (x - y)^2 / sum of y^2 )^(1/2),  sums over frames and cells

        where x and y are the frames given and the true ones, in physical units. With the push-forward trick the calls
        before the last are not differentiated and do not count, so that the network learns to correct the error that
        its own output carries (Brandstetter, Worrall and Welling 2022, ICLR, arXiv:2202.03376, section 3.1).
        """
        total = batch["y"].shape[1]
        size = self.frames_out or total
        window, errors = batch["x"], []
        for first in range(0, total, size):
            last = first + size >= total
            part = {**call_of(batch, first, size), "x": window}
            counts = last or not self.pushforward
            with torch.set_grad_enabled(counts and torch.is_grad_enabled()):
                output = self._call(part)
                if counts:
                    errors.append(self._error(output, part))
                if not last:
                    window = torch.cat([window, self._frames(output, part)], dim=1)[:, -window.shape[1] :]
        return sum(errors[1:], errors[0]) / len(errors)

    def target(self, batch: Batch) -> Tensor:
        """What the network must output for the true frames of a batch of single calls, [B, T_out, C, *S]."""
        if self.predict == "state":
            return self.normaliser.encode(batch["y"], batch["scale"])
        frames = torch.cat([batch["x"][:, -1:], batch["y"]], dim=1)
        return self.normaliser.encode_increment(frames.diff(dim=1), batch["scale"])

    def advance(self, batch: Batch) -> Tensor:
        """The next frames [B, T_out, C, *S] in physical units; solid cells hold 0."""
        return self._frames(self._call(batch), batch)

    def _call(self, batch: Batch) -> Tensor:
        """The network's normalised output [B, T_out, C, *S] for a batch in physical units."""
        encoded = self._hold(self.normaliser.encode(batch["x"], batch["scale"]), batch)
        inputs = self.normaliser.inputs(batch["inputs"])
        coordinates = batch["coordinates"]
        return self.network(
            encoded,
            parameters=self.normaliser.parameters(batch["parameters"]),
            signals=self.normaliser.signals(batch["signals"]),
            mask=batch["mask"],
            coordinates=coordinates.expand(encoded.shape[0], *coordinates.shape),
            dt=self.normaliser.time(batch["dt"], batch["time_scale"]),
            inputs=torch.where(batch["mask"] > 0, inputs, 0) if self.masked else inputs,
        )

    def _frames(self, output: Tensor, batch: Batch) -> Tensor:
        """Frames in physical units from the network's output."""
        if self.predict == "increment":
            frames = batch["x"][:, -1:] + self.normaliser.decode_increment(output, batch["scale"]).cumsum(dim=1)
        else:
            frames = self.normaliser.decode(output, batch["scale"])
        return self._hold(frames, batch)

    def _hold(self, frames: Tensor, batch: Batch) -> Tensor:
        """Solid cells of frames [B, T, C, *S] set to 0."""
        return torch.where(batch["mask"].unsqueeze(1) > 0, frames, 0) if self.masked else frames

    def _error(self, output: Tensor, batch: Batch) -> Tensor:
        if self.loss == "relative":
            return self._relative(output, batch)
        error = self._hold((output - self.target(batch)).square(), batch)
        if not self.masked:
            return error.flatten(1).mean(1)
        fluid = batch["mask"].flatten(1).sum(1) * error.shape[1] * error.shape[2]
        return error.flatten(1).sum(1) / fluid.clamp(min=1)

    def _relative(self, output: Tensor, batch: Batch) -> Tensor:
        truth = self._hold(batch["y"], batch).transpose(1, 2).flatten(2)
        given = self._frames(output, batch).transpose(1, 2).flatten(2)
        least = _SMALL * math.sqrt(truth.shape[2]) * self.normaliser.std * batch["scale"]
        size = torch.linalg.vector_norm(truth, dim=2).maximum(least)
        return (torch.linalg.vector_norm(given - truth, dim=2) / size).mean(1)


def call_of(batch: Batch, first: int, size: int) -> Batch:
    """The part of a batch that one call needs: ``size`` frames of y from ``first`` on, and the signals that go with it.

    ``x`` stays as it is, and so does ``dt``: frames of a window are equally spaced.
    """
    if batch["y"].shape[1] == size:
        return batch
    span = batch["x"].shape[1] + size
    return {**batch, "y": batch["y"][:, first : first + size], "signals": batch["signals"][:, first : first + span]}
