from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor, nn

from sciflow.core import InputError, Query
from sciflow.data import Dataset, Normaliser, Windows, from_arrays, query
from sciflow.training import Training
from sciflow.training import rollout as module
from sciflow.training.batches import read_batch
from sciflow.training.layout import Layout
from sciflow.training.rollout import rollout
from sciflow.training.step import StepModel

PREDICT: list[Literal["increment", "state"]] = ["increment", "state"]


class Mix(nn.Module):
    """A fixed smooth function of everything it is given; keeps what it was called with."""

    def __init__(self, frames_out: int = 1) -> None:
        super().__init__()
        self.frames_out = frames_out
        self.weight = nn.Parameter(torch.tensor(0.3))
        self.calls: list[dict[str, Tensor]] = []

    def forward(self, x: Tensor, **given: Tensor) -> Tensor:
        self.calls.append({"x": x, **given})
        level = given["signals"].sum((1, 2)) + given["parameters"].sum(1) + given["dt"]
        level = level.reshape(-1, 1, 1, *[1] * (x.ndim - 3))
        base = torch.tanh(
            self.weight * x.mean(1, keepdim=True) + 0.1 * level + given["coordinates"].sum(1)[:, None, None]
        )
        return torch.cat([base * (k + 1) for k in range(self.frames_out)], dim=1)


@pytest.fixture
def channel() -> Dataset:
    """Two fields in 2-D with a mask, scales, a log parameter, a signal and uneven times."""
    draw = np.random.default_rng(0)
    u, v = draw.normal(size=(2, 3, 8, 5, 6))
    mask = np.ones((5, 6), bool)
    mask[1:3, 2:4] = False
    times = np.cumsum(draw.uniform(0.5, 1.5, (3, 8)), axis=1)
    data = from_arrays(
        {"u": u, "v": 10 + v},
        times=times,
        parameters={"Re": [10.0, 100.0, 1000.0]},
        signals={"lid": draw.normal(size=(3, 8))},
        mask=mask,
        grid="cells",
    ).xarray.copy()
    data.coords["speed"] = ("case", np.array([1.0, 2.0, 4.0]))
    data.coords["turnover"] = ("case", np.array([1.0, 0.5, 0.25]))
    data["u"].attrs["scale_coord"] = "speed"
    data.attrs["time_scale_coord"] = "turnover"
    data["Re"].attrs["scale"] = "log"
    return from_arrays(data)


def model_of(data: Dataset, predict: Literal["increment", "state"], frames_out: int = 1) -> StepModel:
    return StepModel(Mix(frames_out), Normaliser.fit(data), predict=predict, masked=data.has_mask)


def forecast(model: StepModel, asked: Query, data: Dataset, frames_in: int, frames_out: int = 1) -> np.ndarray:
    return rollout(model, Layout.of(data).start(asked, frames_in), frames_out).numpy()


@pytest.mark.parametrize("predict", PREDICT)
@pytest.mark.parametrize("frames_in", [1, 2])
def test_three_steps_are_three_times_one_step(channel: Dataset, predict: Any, frames_in: int) -> None:
    model = model_of(channel, predict)
    asked = query(channel, [0, 1], frames_in, 3)
    at_once = forecast(model, asked, channel, frames_in)
    context, times = asked.context, np.concatenate([asked.context_times, asked.times], axis=1)
    for step in range(3):
        signals = {name: values[:, step : step + frames_in + 1] for name, values in asked.signals.items()}
        now = slice(step, step + frames_in)
        one = Query(context, times[:, now], times[:, step + frames_in, None], signals)
        frame = forecast(model, one, channel, frames_in)
        assert frame.shape == (6, 1, 2, 5, 6)
        np.testing.assert_allclose(frame[:, 0], at_once[:, step], rtol=1e-6, atol=1e-6)
        fields = {name: (("case", "time", "y", "x"), frame[:, :, index]) for index, name in enumerate(channel.fields)}
        grown = xr.concat([context[channel.fields], xr.Dataset(fields)], dim="time").isel(time=slice(1, None))
        context = context.drop_vars(channel.fields).merge(grown)


@pytest.mark.parametrize("predict", PREDICT)
@pytest.mark.parametrize("frames_in", [1, 2])
def test_a_step_forward_agrees_with_what_is_trained(channel: Dataset, predict: Any, frames_in: int) -> None:
    """The first call of a rollout gets the tensors of a training batch, and a perfect forecast has no error."""
    model = model_of(channel, predict)
    windows = Windows(channel, frames_in=frames_in)
    first = [index for index in range(len(windows)) if int(windows[index]["start"]) == 0]
    batch = read_batch(windows, first, torch.device("cpu"))
    error = model(batch)
    frames = forecast(model, query(channel, [0], frames_in, 1), channel, frames_in)
    trained, used = model.network.calls
    assert set(trained) == set(used) == {"x", "parameters", "signals", "mask", "coordinates", "dt", "inputs"}
    for name in trained:
        torch.testing.assert_close(used[name], trained[name], rtol=1e-5, atol=1e-5)
    assert bool((error > 0.1).all())
    assert float(model({**batch, "y": torch.from_numpy(frames)}).detach().max()) < 1e-9


def test_the_error_is_a_mean_over_fluid_cells(channel: Dataset) -> None:
    model = model_of(channel, "increment")
    batch = read_batch(Windows(channel), [0, 9], torch.device("cpu"))
    y = torch.from_numpy(forecast(model, query(channel.select([0]), [0], 1, 1), channel, 1))
    batch["y"] = torch.cat([y, y])
    batch["y"][0, 0, 0, 0, 0] += 2 * float(model.normaliser.std_increment[0])  # one of 26 fluid cells, one of 2 fields
    batch["y"][:, :, :, 1, 2] = 1e6  # solid
    assert float(model(batch)[0].detach()) == pytest.approx(4 / (26 * 2), rel=1e-4)


def test_signals_and_times_move_along(channel: Dataset) -> None:
    model = model_of(channel, "increment")
    asked = query(channel, [1], 2, 4)
    forecast(model, asked, channel, 2)
    normaliser, calls = model.normaliser, model.network.calls
    assert len(calls) == 4
    times = np.concatenate([asked.context_times, asked.times], axis=1)
    turnover = torch.tensor([1.0, 0.5, 0.25])
    for step, call in enumerate(calls):
        signals = torch.from_numpy(asked.signals["lid"][:, step : step + 3, None]).float()
        torch.testing.assert_close(call["signals"], normaliser.signals(signals))
        dt = torch.from_numpy(times[:, step + 2] - times[:, step + 1]).float()
        torch.testing.assert_close(call["dt"], normaliser.time(dt, turnover))
        assert bool((call["x"] == call["x"] * call["mask"][:, None]).all())


@pytest.mark.parametrize("predict", PREDICT)
def test_solid_cells_hold_zero(channel: Dataset, predict: Any) -> None:
    frames = forecast(model_of(channel, predict), query(channel, [0], 1, 5), channel, 1)
    solid = ~channel.xarray["mask"].values
    assert (frames[..., solid] == 0).all()
    assert (frames[..., ~solid] != 0).all()


@pytest.mark.parametrize("predict", PREDICT)
def test_several_frames_at_a_time(channel: Dataset, predict: Any) -> None:
    """Five frames in calls of two: the last call is cut, and its missing signal continued."""
    channel = from_arrays(channel.xarray.assign_coords(time_of_case=(("case", "time"), np.outer([1, 2, 3], range(8)))))
    model = model_of(channel, predict, frames_out=2)
    asked = query(channel, [0], 1, 5)
    frames = forecast(model, asked, channel, 1, frames_out=2)
    assert frames.shape[1] == 5
    assert [call["signals"].shape[1] for call in model.network.calls] == [3, 3, 3]
    last = model.network.calls[-1]["signals"]
    assert torch.equal(last[:, 1], last[:, 2])
    batch = read_batch(Windows(channel, frames_out=2, stride=6), [0, 1, 2], torch.device("cpu"))
    batch["y"] = torch.from_numpy(frames[:, :2])
    assert float(model(batch).detach().max()) < 1e-9


def test_the_forecast_of_a_case_does_not_depend_on_the_others(
    channel: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_of(channel, "increment")
    asked = query(channel, [0, 1, 2], 1, 4)
    together = forecast(model, asked, channel, 1)
    monkeypatch.setattr(module, "_CELLS_AT_ONCE", 60)
    before = len(model.network.calls)
    apart = forecast(model, asked, channel, 1)
    assert len(model.network.calls) - before == 5 * 4  # nine starts, two at a time
    np.testing.assert_allclose(apart, together, rtol=1e-6, atol=1e-6)


def test_older_context_frames_are_not_used(channel: Dataset) -> None:
    model = model_of(channel, "increment")
    short = forecast(model, query(channel, [2], 1, 3), channel, 1)
    long = forecast(model, query(channel, [0], 3, 3), channel, 1)
    np.testing.assert_array_equal(short, long)


def changed(asked: Query, **parts: Any) -> Query:
    return Query(
        **{name: parts.get(name, getattr(asked, name)) for name in ("context", "context_times", "times", "signals")}
    )


def test_what_a_query_lacks_is_named(channel: Dataset) -> None:
    asked, layout = query(channel, [0], 1, 2), Layout.of(channel)
    context, nan = asked.context, np.full_like(asked.times, np.nan)
    broken = context.assign(u=context["u"].where(context["x"] > 0.2))
    for wrong, frames_in, message in [
        (changed(asked, context=context.drop_vars("v")), 1, "lacks the field 'v'"),
        (changed(asked, context=context.drop_vars("mask")), 1, "lacks the variable 'mask'"),
        (changed(asked, context=context.assign(mask=context["mask"].isel(x=0))), 1, "mask of the query has the dimen"),
        (changed(asked, context=context.drop_vars("Re")), 1, "lacks the case parameter 'Re'"),
        (changed(asked, context=context.drop_vars("speed")), 1, "lacks the characteristic scale 'speed'"),
        (changed(asked, context=context.drop_vars("turnover")), 1, "lacks the characteristic time 'turnover'"),
        (changed(asked, signals={}), 1, "lacks the signal 'lid'"),
        (changed(asked, context=context.isel(x=0)), 1, r"'u' of the query has the dimensions \('case', 'time', 'y'\)"),
        (changed(asked, context=broken), 1, "context frames hold NaN or infinity"),
        (changed(asked, times=nan), 1, "times hold NaN"),
        (changed(asked, times=nan[:, :0], signals={"lid": np.zeros((3, 1))}), 1, "asks for no frames"),
        (asked, 2, "has 1 context frames; this surrogate needs 2"),
    ]:
        with pytest.raises(InputError, match=message):
            layout.start(wrong, frames_in)


def test_solid_cells_are_refused_by_a_model_without_a_mask(channel: Dataset) -> None:
    layout = Layout.of(channel).model_copy(update={"masked": False})
    with pytest.raises(InputError, match="trained without a mask"):
        layout.start(query(channel, [0], 1, 2), 1)


def test_the_layout_gives_the_sizes_of_the_network(channel: Dataset) -> None:
    sizes = Layout.of(channel).sizes(Training(frames_in=2, frames_out=3))
    assert (sizes.fields, sizes.dims, sizes.parameters, sizes.signals) == (2, 2, 1, 1)
    assert (sizes.frames_in, sizes.frames_out, sizes.periodic, sizes.mask) == (2, 3, (False, False), True)
    wrapped = from_arrays({"u": np.random.default_rng(0).normal(size=(2, 3, 4, 4, 4))}, periodic=("x", "z"))
    assert Layout.of(wrapped).sizes(Training()).periodic == (True, False, True)
