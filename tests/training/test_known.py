"""Known boundary data: put into every frame of a forecast, and left out of what is learned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sciflow.core import InputError
from sciflow.data import Dataset, Normaliser, Windows, from_arrays, query, truth
from sciflow.training import Surrogate
from sciflow.training.batches import read_batch
from sciflow.training.layout import Layout
from sciflow.training.rollout import rollout
from sciflow.training.step import Batch, StepModel

CPU = torch.device("cpu")
CASES, FRAMES, SHAPE = 3, 9, (5, 6)
EDGE = np.zeros(SHAPE, bool)
EDGE[:, 0] = EDGE[-1] = True


class Wild(nn.Module):
    """A smooth function of the frames, and 1000 where it is told to; keeps the frames it was called with."""

    def __init__(self, cells: np.ndarray, frames_out: int = 1, wild: float = 1000.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.5))
        self.wild = nn.Parameter(torch.full(SHAPE, wild))
        self.cells, self.frames_out = torch.from_numpy(cells), frames_out
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor, *, dt: Tensor, inputs: Tensor, **others: Tensor) -> Tensor:
        self.seen.append(x.detach())
        base = (
            torch.tanh(self.weight * x.mean(1, keepdim=True)) if x.shape[1] else inputs[:, None].repeat(1, 1, 2, 1, 1)
        )
        base = base + dt.view(-1, 1, 1, 1, 1)
        return torch.where(self.cells, self.wild, base).repeat(1, self.frames_out, 1, 1, 1)


def made(known: np.ndarray | None = EDGE, names: str | None = None) -> Dataset:
    """Two random fields with an obstacle that differs by case; boundary values change in time like all others."""
    draw = np.random.default_rng(0)
    u, v = draw.normal(size=(2, CASES, FRAMES, *SHAPE))
    mask = np.ones((CASES, *SHAPE), bool)
    for case in range(CASES):
        mask[case, 1:3, 2 + case] = False
    data = from_arrays({"u": u, "v": 5 + v}, mask=mask, known=known, inputs={"a": u[:, 0]}, grid="cells")
    if names is None:
        return data
    raw = data.xarray.copy()
    raw["known"] = raw["known"].assign_attrs(fields=names)
    return from_arrays(raw)


def model_of(data: Dataset, frames_in: int = 1, frames_out: int = 1, wild: float = 1000.0, **options: Any) -> StepModel:
    options = {"predict": "increment" if frames_in else "state", "frames_out": frames_out, **options}
    normaliser = Normaliser.fit(data, frames_in=frames_in)
    return StepModel(Wild(EDGE, frames_out, wild), normaliser, masked=True, known=data.has_known, **options)


def rolled(model: StepModel, data: Dataset, frames_in: int, frames_out: int, steps: int) -> np.ndarray:
    asked = query(data, [0, 1], frames_in, steps)
    return rollout(model, Layout.of(data).start(asked, frames_in), frames_out).numpy()


@pytest.mark.parametrize(("frames_in", "frames_out", "steps"), [(1, 1, 4), (2, 1, 3), (1, 2, 5), (2, 3, 4), (0, 1, 4)])
def test_every_frame_of_a_rollout_has_the_true_boundary(frames_in: int, frames_out: int, steps: int) -> None:
    """Five frames of two: the last call goes beyond what is asked for, and beyond what is known."""
    data = made()
    model = model_of(data, frames_in, frames_out)
    found = rolled(model, data, frames_in, frames_out, steps)
    real = truth(data, [0, 1], frames_in, steps)
    for channel, name in enumerate(data.fields):
        assert np.array_equal(found[:, :, channel][..., EDGE], real[name].values.astype(np.float32)[..., EDGE])
    solid = ~np.repeat(data.xarray["mask"].values, 2, axis=0)
    assert (found[np.broadcast_to(solid[:, None, None], found.shape)] == 0).all()
    assert np.abs(found).max() < 100  # nothing of the 1000 is left
    assert all((seen.abs() < 100).all() for seen in model.network.seen)  # nor was it shown to a later call
    tame = rolled(model_of(data, frames_in, frames_out, wild=-7.0), data, frames_in, frames_out, steps)
    assert np.array_equal(found, tame)


def test_a_field_that_is_not_known_there_is_forecast() -> None:
    data = made(names="v")
    model = model_of(data, wild=2.0)
    found, real = rolled(model, data, 1, 1, 3), truth(data, [0, 1], 1, 3)
    assert np.array_equal(found[:, :, 1][..., EDGE], real["v"].values.astype(np.float32)[..., EDGE])
    step = 2 * float(model.normaliser.std_increment[0])
    start = query(data, [0, 1], 1, 3).context["u"].values[:, 0][:, EDGE]
    assert found[:, 2, 0][:, EDGE] == pytest.approx(start + 3 * step, rel=1e-5)


@pytest.mark.parametrize("loss", ["mse", "relative", "nmse"])
@pytest.mark.parametrize("pushforward", [False, True])
def test_the_error_and_its_gradient_ignore_known_cells(loss: str, pushforward: bool) -> None:
    """Three calls in a window; the network's output there, and the truth there at the last frame, change nothing."""
    data = made()
    batch = read_batch(Windows(data, 1, 3), [0, 4, 8, 13], CPU)
    errors, slopes, seen = [], [], []
    for wild in (1000.0, -3.0):
        model = model_of(data, wild=wild, loss=loss, pushforward=pushforward)
        error = model(batch)
        error.sum().backward()
        assert model.network.wild.grad is not None and not model.network.wild.grad.any()
        errors.append(error.detach())
        slopes.append(model.network.weight.grad)
        seen.append(torch.stack(model.network.seen))
    assert torch.equal(errors[0], errors[1]) and torch.equal(slopes[0], slopes[1]) and float(slopes[0].abs()) > 1e-3
    assert torch.equal(seen[0], seen[1])  # later calls see the true values there
    spoilt = {**batch, "y": batch["y"].clone()}
    spoilt["y"][:, -1][..., torch.from_numpy(EDGE)] = 77.0
    assert torch.equal(model_of(data, loss=loss, pushforward=pushforward)(spoilt).detach(), errors[0])
    spoilt["y"][:, 0][..., torch.from_numpy(EDGE)] = 77.0  # what the second call sees
    model = model_of(data, loss=loss, pushforward=pushforward)
    model(spoilt)
    assert 10 < float(model.network.seen[1].max()) < 100 and float(model.network.seen[0].max()) < 10


def test_the_error_is_a_mean_over_values_that_are_fluid_and_not_known() -> None:
    data = made(names="v")
    model = model_of(data)
    batch: Batch = read_batch(Windows(data), [0, 9, 17], CPU)
    exact = {**batch, "y": model.advance(batch).detach()}
    assert float(model(exact).detach().max()) < 1e-9
    exact["y"][:, 0, 0, 0, 1] += 3 * model.normaliser.std_increment[0]
    exact["y"][:, 0, 1][:, torch.from_numpy(EDGE)] += 5.0
    counted = (30 - 2) + (30 - 2 - int(EDGE.sum()))  # u everywhere in the fluid, v where it is not known
    assert model(exact).detach().tolist() == pytest.approx([9 / counted] * 3, rel=1e-4)


def test_a_surrogate_with_known_cells(tmp_path: Path) -> None:
    """Fitted, stored and asked again; its answer does not depend on the truth of other cells."""
    data = made()
    surrogate = Surrogate("fno", width=4, layers=1, modes=2, steps=4, batch_size=4, unroll=2, threads=1).fit(data, data)
    surrogate.save(tmp_path / "model")
    asked = query(data, [2], 1, 4)
    mean = surrogate.predict(asked).mean
    real = truth(data, [2], 1, 4)
    for name in ("u", "v"):
        assert np.array_equal(mean[name].values[..., EDGE], real[name].values.astype(np.float32)[..., EDGE])
    again = Surrogate.load(tmp_path / "model").predict(asked).mean
    assert np.array_equal(again["u"].values, mean["u"].values)
    with pytest.raises(InputError, match="lacks the known boundary values"):
        surrogate.predict(replace(asked, known=None))
    with pytest.raises(InputError, match="have known True"):
        Surrogate("fno", width=4, layers=1, modes=2, steps=1).fit(made(known=None), data)


def test_an_exported_program_puts_known_values_in(tmp_path: Path) -> None:
    data = made()
    surrogate = Surrogate("fno", width=4, layers=1, modes=2, steps=2, batch_size=4, threads=1).fit(data)
    surrogate.export(tmp_path)
    assert "| known |" in (tmp_path / "MODEL_CARD.md").read_text()
    step = torch.export.load(tmp_path / "model.pt2").module()
    asked = query(data, [0], 1, 1)
    start = Layout.of(data).start(asked, 1)
    given = {name: getattr(start, name) for name in ("x", "parameters", "mask", "inputs", "scale", "time_scale")}
    frames = step(**given, signals=torch.zeros(CASES, 2, 0), dt=torch.ones(CASES), known=start.known)
    expected = surrogate.predict(asked).mean
    for channel, name in enumerate(data.fields):
        assert frames[:, :, channel].numpy() == pytest.approx(expected[name].values, abs=1e-5)
