"""The error of one call and of several, written out; which calls are differentiated; and how inputs are given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sciflow.data import Dataset, Normaliser, Windows, from_arrays
from sciflow.training.batches import read_batch
from sciflow.training.step import Batch, StepModel, call_of

CPU = torch.device("cpu")


class Pointwise(nn.Module):
    """tanh(w mean of frames + v sum of signals), the same for each frame out; keeps what it was called with."""

    def __init__(self, frames_out: int = 1) -> None:
        super().__init__()
        self.frames_out = frames_out
        self.w, self.v = nn.Parameter(torch.tensor(0.7)), nn.Parameter(torch.tensor(0.2))
        self.calls: list[dict[str, Tensor]] = []

    def forward(self, x: Tensor, *, signals: Tensor, **given: Tensor) -> Tensor:
        self.calls.append({"x": x, "signals": signals, **given})
        level = signals.sum((1, 2)).view(-1, 1, 1, *(1,) * (x.ndim - 3))
        base = torch.tanh(self.w * x.mean(1, keepdim=True) + self.v * level)
        return torch.cat([base * (k + 1) for k in range(self.frames_out)], dim=1)


@pytest.fixture
def data() -> Dataset:
    draw = np.random.default_rng(0)
    mask = np.ones((4, 5), bool)
    mask[0, :2] = False
    u, v = draw.normal(size=(2, 3, 9, 4, 5))
    return from_arrays(
        {"u": u, "v": 5 + 3 * v}, signals={"g": draw.normal(size=(3, 9))}, mask=mask, inputs={"a": 2 + u[:, 0]}
    )


def model_of(data: Dataset, predict: Any, frames_out: int = 1, **options: Any) -> StepModel:
    return StepModel(
        Pointwise(frames_out), Normaliser.fit(data), predict=predict, masked=True, frames_out=frames_out, **options
    )


def batch_of(data: Dataset, frames_in: int, frames_out: int) -> Batch:
    windows = Windows(data, frames_in, frames_out)
    return read_batch(windows, list(range(0, len(windows), 2)), CPU)


@pytest.mark.parametrize("predict", ["increment", "state"])
@pytest.mark.parametrize(("frames_in", "frames_out"), [(1, 1), (2, 1), (2, 2)])
def test_two_unrolled_calls_written_out(data: Dataset, predict: Any, frames_in: int, frames_out: int) -> None:
    """The second call sees the first one's frames, its own signals, and is judged from what it saw."""
    model, batch = model_of(data, predict, frames_out), batch_of(data, frames_in, 2 * frames_out)
    error = model(batch)
    single = model_of(data, predict, frames_out)
    first = {**batch, "y": batch["y"][:, :frames_out], "signals": batch["signals"][:, : frames_in + frames_out]}
    frames = single.advance(first)
    second = {
        **batch,
        "x": torch.cat([batch["x"], frames], dim=1)[:, -frames_in:],
        "y": batch["y"][:, frames_out:],
        "signals": batch["signals"][:, frames_out:],
    }
    torch.testing.assert_close(error, (single(first) + single(second)) / 2)
    assert error.shape == (len(batch["x"]),) and len(model.network.calls) == 2
    fluid = torch.from_numpy(data.xarray["mask"].values)
    if (predict, frames_out) == ("state", 1):  # from the frames themselves
        normaliser, given = model.normaliser, (frames, single.advance(second))
        parts = [(one - batch["y"][:, k : k + 1]) / normaliser.std[:, None, None] for k, one in enumerate(given)]
        expected = torch.stack([part[..., fluid].square().mean((1, 2, 3)) for part in parts]).mean(0)
        torch.testing.assert_close(error, expected, rtol=1e-4, atol=1e-5)


def test_pushforward_is_the_last_call_with_its_input_detached(data: Dataset) -> None:
    batch = batch_of(data, 1, 3)
    model = model_of(data, "increment", pushforward=True)
    model(batch).mean().backward()
    single = model_of(data, "increment")
    x = batch["x"]
    with torch.no_grad():
        for call in range(2):
            x = single.advance({**call_of(batch, call, 1), "x": x})
    last = single({**call_of(batch, 2, 1), "x": x})
    last.mean().backward()
    torch.testing.assert_close(model(batch), last)
    whole = model_of(data, "increment")
    whole(batch).mean().backward()
    for name in ("w", "v"):
        pushed, alone, all_calls = (getattr(one.network, name).grad for one in (model, single, whole))
        torch.testing.assert_close(pushed, alone)
        assert abs(float(all_calls - alone)) > 1e-3


def test_unrolled_calls_are_differentiated_through_each_other(data: Dataset) -> None:
    """The slope of the error along w, by central differences in float64."""
    batch = {name: value.double() for name, value in batch_of(data, 1, 3).items()}
    model = model_of(data, "increment").double()
    model(batch).mean().backward()
    step, errors = 1e-6, []
    for sign in (1, -1):
        with torch.no_grad():
            model.network.w += sign * step
            errors.append(float(model(batch).mean()))
            model.network.w -= sign * step
    assert float(model.network.w.grad) == pytest.approx((errors[0] - errors[1]) / (2 * step), rel=1e-5)


@pytest.mark.parametrize("predict", ["increment", "state"])
def test_the_relative_error_written_out(data: Dataset, predict: Any) -> None:
    model, batch = model_of(data, predict, loss="relative"), batch_of(data, 1, 1)
    batch["y"][..., 0, 0] = 1e6  # solid
    fluid = torch.from_numpy(data.xarray["mask"].values)
    given, true = model.advance(batch).detach()[:, 0][..., fluid], batch["y"][:, 0][..., fluid]
    expected = ((given - true).square().sum(-1) / true.square().sum(-1)).sqrt().mean(1)
    torch.testing.assert_close(model(batch).detach(), expected)
    assert expected.std() > 0.01


def test_the_relative_error_of_a_field_that_vanishes_is_finite(data: Dataset) -> None:
    model, batch = model_of(data, "state", loss="relative"), batch_of(data, 1, 1)
    batch["y"] = torch.zeros_like(batch["y"])
    error = model(batch)
    error.mean().backward()
    assert error.isfinite().all() and model.network.w.grad.isfinite()
    perfect = {**batch, "y": model.advance(batch).detach()}
    model.zero_grad()
    model(perfect).mean().backward()
    assert float(model(perfect).detach().max()) < 1e-6 and model.network.w.grad.isfinite()


def test_inputs_are_normalised_and_zero_in_solid_cells(data: Dataset) -> None:
    model, batch = model_of(data, "state"), batch_of(data, 1, 1)
    model.advance(batch)
    given, fluid = model.network.calls[0]["inputs"], torch.from_numpy(data.xarray["mask"].values)
    assert given.shape == (len(batch["x"]), 1, 4, 5) and not given[..., ~fluid].any()
    torch.testing.assert_close(given[..., fluid], model.normaliser.inputs(batch["inputs"])[..., fluid])


def test_other_weights_in_the_same_step(data: Dataset) -> None:
    model = model_of(data, "increment", loss="relative", pushforward=True)
    other = model.with_network(Pointwise())
    for name in ("predict", "masked", "frames_out", "loss", "pushforward", "normaliser"):
        assert getattr(other, name) is getattr(model, name)
    assert other.network is not model.network
