"""One step of a surrogate: network and normaliser together, from frames in physical units to the next frames."""

from __future__ import annotations

import math
from typing import Literal, Self, final

import torch
from torch import Tensor, nn

from sciflow.data import Normaliser

Batch = dict[str, Tensor]
_LEAST_VARIANCE = 1e-6  # of normalised values
_SMALL = 1e-3  # a field smaller than this fraction of its spread counts as this large in the relative error


@final
class StepModel(nn.Module):
    """Encodes a batch, calls the network, and scores or decodes what it gives.

    With frames x_k, the network's outputs o_k (k = 1..T_out) mean::

        predict "increment":  x_k - x_{k-1} = std_increment * scale * o_k
        predict "state":      x_k           = scale * (mean + std * o_k)

    With the loss "nll" the network gives twice as many frames (and is told twice as many signals, the last of them
    repeated): first the o_k, then numbers s_k that mean the variance softplus(s_k) + 1e-6 of each o_k.

    Args:
        network: ``forward(x, *, parameters, signals, mask, coordinates, dt, inputs)`` on normalised tensors.
        normaliser: fitted on the training cases.
        predict: what the outputs mean.
        masked: the problem has solid cells; they are held at 0 and left out of the error.
        known: there are cells that hold boundary data; they are left out of the error, and between the calls of a
            window they take their true values.
        frames_out: frames of one call, T_out; None means all frames of a window's y.
        loss: the error of a window, see :meth:`forward`.
        pushforward: only the last call of a window counts, see :meth:`forward`.
        points: cells drawn for each batch while training, instead of all; for networks that find each by itself.
    """

    def __init__(
        self,
        network: nn.Module,
        normaliser: Normaliser,
        *,
        predict: Literal["increment", "state"],
        masked: bool,
        frames_out: int | None = None,
        loss: Literal["mse", "relative", "nmse", "nll"] = "mse",
        pushforward: bool = False,
        known: bool = False,
        points: int | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.normaliser = normaliser
        self.predict = predict
        self.masked = masked
        self.known = known
        self.frames_out = frames_out
        self.loss = loss
        self.pushforward = pushforward
        self.points = points

    def with_network(self, network: nn.Module) -> Self:
        """The same step with other weights; the normaliser is shared."""
        names = ("predict", "masked", "known", "frames_out", "loss", "pushforward", "points")
        return type(self)(network, self.normaliser, **{name: getattr(self, name) for name in names})

    def forward(self, batch: Batch) -> Tensor:
        """Error [B] of each window, over frames, fields and fluid cells that are not known.

        A window may hold the frames of several calls; each call then sees the output of those before, and the error is
        the mean over the calls. With the increments or states o of the network and the values z that would give the
        true frames (from the frames that the call saw), the error of a call is::

            loss "mse":       mean of (o - z)^2, in normalised units
            loss "relative":  mean over fields of  ( sum of (x - y)^2 / sum of y^2 )^(1/2),  sums over frames and cells
            loss "nmse":      sum of (x - y)^2 / mean over the batch of (sum of y^2),  sums over frames, fields, cells
            loss "nll":       mean of w (log(2 pi v) + (o - z)^2 / v) / 2, v the variance of o. While training w is
                              v^(1/2), not differentiated (Seitzer et al. 2022, ICLR, arXiv:2203.09168, beta 1/2): it
                              keeps places where v is large from being neglected. In evaluation mode w is 1, since
                              the weighted value is no proper score: it can rank a wrong v above the true one

        where x and y are the frames given and the true ones, in physical units; the mean of the last over a batch is
        the ratio of its totals. With the push-forward trick the calls
        before the last are not differentiated and do not count, so that the network learns to correct the error that
        its own output carries (Brandstetter, Worrall and Welling 2022, ICLR, arXiv:2202.03376, section 3.1).
        """
        if self.points is not None and self.training:
            batch = some_points(batch, self.points)
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
                    frames = self._frames(output, part)
                    if self.known:
                        frames = torch.where(part["known"].unsqueeze(1) > 0, part["y"], frames)
                    window = torch.cat([window, frames], dim=1)[:, -window.shape[1] :]
        return sum(errors[1:], errors[0]) / len(errors)

    def target(self, batch: Batch) -> Tensor:
        """What the network must output for the true frames of a batch of single calls, [B, T_out, C, *S]."""
        if self.predict == "state":
            return self.normaliser.encode(batch["y"], batch["scale"])
        frames = torch.cat([batch["x"][:, -1:], batch["y"]], dim=1)
        return self.normaliser.encode_increment(frames.diff(dim=1), batch["scale"])

    def advance(self, batch: Batch, frames: int | None = None) -> Tensor:
        """The next frames [B, T_out, C, *S] in physical units; solid cells hold 0.

        Args:
            batch: with signals at as many frames as are asked for.
            frames: how many, of a recurrent network; None means those of one call.
        """
        return self._frames(self._call(batch, frames), batch)

    def advance_with_variance(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """The next frames and the variance of their errors, None without the loss "nll".

        Increments of one call count as independent, so that the variance of a frame is the sum of theirs up to it.
        """
        output = self._call(batch)
        frames = self._frames(output, batch)
        if self.loss != "nll":
            return frames, None
        variance, scale = _variance(output), batch["scale"]
        one = torch.ones_like(variance)
        if self.predict == "increment":
            variance = (variance * self.normaliser.decode_increment(one, scale).square()).cumsum(dim=1)
        else:
            unit = self.normaliser.decode(one, scale) - self.normaliser.decode(torch.zeros_like(one), scale)
            variance = variance * unit.square()
        return frames, self._hold(variance, batch)

    def _call(self, batch: Batch, frames: int | None = None) -> Tensor:
        """The network's normalised output [B, T_out, C, *S] for a batch in physical units; 2 T_out with a variance."""
        signals = batch["signals"]
        if self.loss == "nll":
            count = signals.shape[1] - batch["x"].shape[1]
            signals = torch.cat([signals, signals[:, -1:].expand(-1, count, -1)], dim=1)
        encoded = self._hold(self.normaliser.encode(batch["x"], batch["scale"]), batch)
        inputs = self.normaliser.inputs(batch["inputs"])
        coordinates = batch["coordinates"]
        return self.network(
            encoded,
            parameters=self.normaliser.parameters(batch["parameters"]),
            signals=self.normaliser.signals(signals),
            mask=batch["mask"],
            coordinates=coordinates.expand(encoded.shape[0], *coordinates.shape),
            dt=self.normaliser.time(batch["dt"], batch["time_scale"]),
            inputs=torch.where(batch["mask"] > 0, inputs, 0) if self.masked else inputs,
            **({} if frames is None else {"frames": frames}),
        )

    def _frames(self, output: Tensor, batch: Batch) -> Tensor:
        """Frames in physical units from the network's output."""
        output = _values(output) if self.loss == "nll" else output
        if self.predict == "increment":
            frames = batch["x"][:, -1:] + self.normaliser.decode_increment(output, batch["scale"]).cumsum(dim=1)
        else:
            frames = self.normaliser.decode(output, batch["scale"])
        return self._hold(frames, batch)

    def _hold(self, frames: Tensor, batch: Batch) -> Tensor:
        """Solid cells of frames [B, T, C, *S] set to 0."""
        return torch.where(batch["mask"].unsqueeze(1) > 0, frames, 0) if self.masked else frames

    def _scored(self, values: Tensor, batch: Batch) -> Tensor:
        """Values [B, T, C, *S] with 0 in solid cells and where boundary data are known."""
        held = self._hold(values, batch)
        return torch.where(batch["known"].unsqueeze(1) > 0, 0, held) if self.known else held

    def _error(self, output: Tensor, batch: Batch) -> Tensor:
        if self.loss == "relative":
            return self._relative(output, batch)
        if self.loss == "nmse":
            return self._nmse(output, batch)
        if self.loss == "nll":
            likelihood = _negative_log_likelihood(output, self.target(batch), weighted=self.training)
            error = self._scored(likelihood, batch)
        else:
            error = self._scored((output - self.target(batch)).square(), batch)
        if not self.masked and not self.known:
            return error.flatten(1).mean(1)
        cells = batch["mask"].expand(-1, error.shape[2], *error.shape[3:])
        counted = (cells * (1 - batch["known"]) if self.known else cells).flatten(1).sum(1) * error.shape[1]
        return error.flatten(1).sum(1) / counted.clamp(min=1)

    def _nmse(self, output: Tensor, batch: Batch) -> Tensor:
        truth = self._scored(batch["y"], batch)
        wrong = (self._scored(self._frames(output, batch), batch) - truth).square().flatten(1).sum(1)
        least = (_SMALL * self.normaliser.std * batch["scale"]).square().sum() * truth[0, :, 0].numel()
        return len(wrong) * wrong / truth.square().sum().maximum(least)

    def _relative(self, output: Tensor, batch: Batch) -> Tensor:
        truth = self._scored(batch["y"], batch).transpose(1, 2).flatten(2)
        given = self._scored(self._frames(output, batch), batch).transpose(1, 2).flatten(2)
        least = _SMALL * math.sqrt(truth.shape[2]) * self.normaliser.std * batch["scale"]
        size = torch.linalg.vector_norm(truth, dim=2).maximum(least)
        return (torch.linalg.vector_norm(given - truth, dim=2) / size).mean(1)


def _values(output: Tensor) -> Tensor:
    """The first half of the frames of an output with a variance: the normalised values."""
    return output[:, : output.shape[1] // 2]


def _variance(output: Tensor) -> Tensor:
    """The second half: the variance of the normalised values."""
    return nn.functional.softplus(output[:, output.shape[1] // 2 :]) + _LEAST_VARIANCE


def _negative_log_likelihood(output: Tensor, target: Tensor, *, weighted: bool) -> Tensor:
    variance = _variance(output)
    likelihood = 0.5 * ((2 * math.pi * variance).log() + (_values(output) - target).square() / variance)
    return variance.detach().sqrt() * likelihood if weighted else likelihood


def some_points(batch: Batch, count: int) -> Batch:
    """A batch with ``count`` of its cells, drawn with replacement, as the first of the space axes."""
    axes = batch["coordinates"].shape[0]
    cells = batch["coordinates"][0].numel()
    chosen = torch.randint(cells, (count,), device=batch["y"].device)
    names = [name for name in ("x", "y", "mask", "known", "inputs", "coordinates") if name in batch]
    parts = {name: batch[name].flatten(-axes)[..., chosen] for name in names}
    return batch | {name: part.unflatten(-1, (count, *[1] * (axes - 1))) for name, part in parts.items()}


def call_of(batch: Batch, first: int, size: int) -> Batch:
    """The part of a batch that one call needs: ``size`` frames of y from ``first`` on, and the signals that go with it.

    ``x`` stays as it is, and so does ``dt``: frames of a window are equally spaced.
    """
    if batch["y"].shape[1] == size:
        return batch
    span = batch["x"].shape[1] + size
    return {**batch, "y": batch["y"][:, first : first + size], "signals": batch["signals"][:, first : first + span]}
