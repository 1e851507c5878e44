"""The published training of CFDBench: its error, constants, optimiser and random points, written out."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sciflow.core import InputError
from sciflow.data import Dataset, Normaliser, Windows, from_arrays
from sciflow.training import Surrogate
from sciflow.training.batches import read_batch
from sciflow.training.step import StepModel, some_points

CPU = torch.device("cpu")
RECIPE: dict[str, Any] = {
    "predict": "state",
    "normalise": "cfdbench",
    "loss": "nmse",
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "weight_decay": 0,
    "warmup": 0,
    "schedule": "step",
    "clip": None,
    "ema": 0,
}


class Twice(nn.Module):
    """w times the last frame; keeps what it was called with."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(1.5))
        self.given: dict[str, torch.Tensor] = {}

    def forward(self, x: torch.Tensor, **given: torch.Tensor) -> torch.Tensor:
        self.given = {"x": x, **given}
        return self.w * x[:, -1:]


def flows(cases: int = 4, frames: int = 6, *, step: float = 0.5, seed: int = 0, **more: Any) -> Dataset:
    """Decaying waves of different speed and decay, with one solid cell."""
    draw = np.random.default_rng(seed)
    u_top, mu = draw.uniform(1, 50, cases), draw.uniform(0.001, 0.1, cases)
    t, y, x = np.arange(frames)[:, None, None], np.arange(8)[:, None] / 8, np.arange(7) / 7
    waves = [np.exp(-3 * m * t) * np.sin(3 * y + x + 0.1 * t * (1 + u / 50)) for u, m in zip(u_top, mu, strict=True)]
    fields = {"u": u_top[:, None, None, None] * np.stack(waves), "v": 2 + np.stack(waves)}
    mask = np.ones((8, 7), bool)
    mask[0, 0] = False
    parameters = {"u_top": u_top, "rho": np.full(cases, 2.0), "mu": mu, "width": np.full(cases, 0.3)}
    signals = {"lid": u_top[:, None] * np.ones(frames)}
    return from_arrays(
        fields, times=step * np.arange(frames), parameters=parameters, mask=mask, signals=signals, **more
    )


def step_model(data: Dataset, **options: Any) -> StepModel:
    constants = options.pop("constants", "cfdbench")
    normaliser = Normaliser.fit(data, constants=constants)
    return StepModel(Twice(), normaliser, predict="state", masked=True, loss="nmse", **options)


@pytest.mark.parametrize("constants", ["train", "cfdbench"])
def test_the_error_is_the_ratio_of_the_totals_of_a_batch(constants: str) -> None:
    data = flows()
    model, windows = step_model(data, constants=constants), Windows(data)
    batch = read_batch(windows, [0, 3, 7, 11], CPU)
    given, true = model.advance(batch).detach(), batch["y"]
    fluid = torch.from_numpy(data.xarray["mask"].values)
    expected = (given - true)[..., fluid].square().sum() / true[..., fluid].square().sum()
    torch.testing.assert_close(model(batch).mean(), expected)
    alone = torch.stack([model(read_batch(windows, [index], CPU)) for index in (0, 3, 7, 11)]).mean()
    assert abs(float((alone - expected).detach())) > 0.01 * float(expected)  # not the mean of ratios


def test_frames_at_rest_do_not_divide_by_zero() -> None:
    data = flows()
    model, batch = step_model(data), read_batch(Windows(data), [0, 1], CPU)
    batch["y"] = torch.zeros_like(batch["y"])
    error = model(batch)
    error.mean().backward()
    assert error.isfinite().all() and model.network.w.grad.isfinite()


def test_networks_see_fields_as_they_are_and_published_constants() -> None:
    data = flows()
    raw = data.xarray.assign_coords(speed=("case", [2.0, 3.0, 4.0, 5.0]))
    for name in ("u", "v"):
        raw[name].attrs["scale_coord"] = "speed"
    raw["mu"].attrs["scale"] = "log"
    scaled = from_arrays(raw)
    model, batch = step_model(scaled), read_batch(Windows(scaled), [0, 9], CPU)
    frames = model.advance(batch).detach()
    given = model.network.given
    torch.testing.assert_close(given["x"], batch["x"] * batch["mask"][:, None])
    torch.testing.assert_close(frames, 1.5 * given["x"])
    u_top, rho, mu, width = batch["parameters"].T
    published = torch.stack([u_top / 50 - 0.5, (rho - 5) / 4, (mu - 0.00238) / 0.005, width], 1)
    torch.testing.assert_close(given["parameters"], published, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(given["signals"], batch["signals"])
    torch.testing.assert_close(model.target(batch), batch["y"])
    increments = StepModel(Twice(), model.normaliser, predict="increment", masked=True)
    torch.testing.assert_close(increments.target(batch), batch["y"] - batch["x"])
    torch.testing.assert_close(increments.advance(batch).detach(), 2.5 * given["x"])

    again = Normaliser.from_config(json.loads(json.dumps(model.normaliser.config())))
    again.load_state_dict(model.normaliser.state_dict())
    torch.testing.assert_close(again.parameters(batch["parameters"]), given["parameters"])
    assert torch.equal(again.encode(batch["x"], batch["scale"]), batch["x"])


@pytest.mark.parametrize("unit", ["seconds", "flow time"])
def test_times_are_counted_in_frames(unit: str) -> None:
    """Frames 0.25 s apart in all cases, or a quarter of the case's own time apart; in both 0, 1, 2, ..."""
    scale = np.array([1.0, 2.0, 3.0])
    times = 0.25 * np.arange(5) * (np.ones(3) if unit == "seconds" else scale)[:, None]
    data = from_arrays({"u": np.random.default_rng(0).normal(size=(3, 5, 4))}, times=times)
    raw = data.xarray.assign_coords(period=("case", scale))
    raw.attrs["time_scale_coord"] = "period"
    data = from_arrays(raw)
    fitted = Normaliser.fit(data, frames_in=0, constants="cfdbench")
    assert fitted.flow_time == (unit == "flow time")
    batch = read_batch(Windows(data, frames_in=0), list(range(15)), CPU)
    found = fitted.time(batch["dt"], batch["time_scale"])
    torch.testing.assert_close(found, batch["start"].float(), rtol=1e-5, atol=1e-5)
    again = Normaliser.from_config(json.loads(json.dumps(fitted.config())))
    again.load_state_dict(fitted.state_dict())
    torch.testing.assert_close(again.time(batch["dt"], batch["time_scale"]), found)


def test_random_points_are_columns_of_the_batch() -> None:
    data = flows()
    batch = read_batch(Windows(data, frames_in=0), [0, 5, 9], CPU)
    torch.manual_seed(3)
    part = some_points(batch, 200)
    torch.manual_seed(3)
    chosen = torch.randint(56, (200,))
    assert part["y"].shape == (3, 1, 2, 200, 1) and part["mask"].shape == (3, 1, 200, 1)
    assert torch.equal(part["y"][..., 0], batch["y"].flatten(-2)[..., chosen])
    assert torch.equal(part["coordinates"][..., 0], batch["coordinates"].flatten(-2)[..., chosen])
    assert chosen.unique().numel() < 57 and part["parameters"] is batch["parameters"]
    assert torch.equal(part["mask"][0, 0, :, 0] == 0, chosen == 0)  # the solid cell


def test_the_error_of_points_is_that_of_the_grid_on_average() -> None:
    """For a network that finds each point by itself; validation and forecasts take the whole grid."""
    data = flows(cases=2, frames=2)
    surrogate = Surrogate("cfdbench-ffn", frames_in=0, points=50, steps=1, depth=2, width=8, **RECIPE)
    surrogate.fit(data, data)
    model, batch = surrogate._model, read_batch(Windows(data, frames_in=0), [0, 1, 2, 3], CPU)
    assert model is not None
    exact = float(model(batch).mean().detach())
    model.train()
    drawn = [float(model(batch).mean().detach()) for _ in range(200)]
    spread = np.std(drawn)
    assert spread > 0 and abs(np.mean(drawn) - exact) < 5 * spread / np.sqrt(200) + 0.02 * exact  # a ratio has a bias
    assert surrogate.predict(data).mean["u"].sizes["y"] == 8


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_steps_are_those_of_the_optimiser_of_torch(optimizer: str) -> None:
    """Three whole batches, by hand; weight decay makes the two differ."""
    data = flows()
    settings = {**RECIPE, "optimizer": optimizer, "weight_decay": 0.1, "steps": 3, "batch_size": 20}
    options = {"width": 8, "modes": 3, "layers": 1}
    fitted = Surrogate("cfdbench-fno", **settings, **options).fit(data)
    start = Surrogate("cfdbench-fno", **{**settings, "steps": 1, "learning_rate": 1e-12}, **options).fit(data)
    model = start._model
    assert model is not None
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[optimizer]
    weights = list(model.network.requires_grad_(True).parameters())
    optimiser = kind(weights, lr=1e-3, weight_decay=0.1)
    windows = Windows(data)
    for _ in range(3):
        optimiser.zero_grad()
        model(read_batch(windows, list(range(20)), CPU)).mean().backward()
        optimiser.step()
        for group in optimiser.param_groups:
            group["lr"] *= 0.9
    for expected, found in zip(weights, fitted.network.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=2e-5)


def test_each_published_network_is_trained_stored_and_exported(tmp_path: Any) -> None:
    """With the published settings, errors fall; what is loaded and what is exported give the same forecast."""
    data = flows(cases=6)
    options: dict[str, dict[str, Any]] = {
        "cfdbench-ffn": {"frames_in": 0, "points": 40, "width": 16, "depth": 3},
        "cfdbench-deeponet": {"frames_in": 0, "points": 40, "width": 16, "depth": 3},
        "auto-ffn": {"width": 16, "depth": 3},
        "auto-edeeponet": {"width": 16, "depth": 3},
        "auto-deeponet-cnn": {"channels": 4, "width": 16, "depth": 2},
        "cfdbench-resnet": {"hidden": 8, "blocks": 1},
        "cfdbench-fno": {"width": 8, "modes": 3, "layers": 2},
        "cfdbench-unet": {"width": 4, "depth": 2},
    }
    for name, config in options.items():
        settings = {**RECIPE, "learning_rate": 3e-3, "steps": 40, "batch_size": 36, "validate_every": 8}
        records: list[Any] = []
        fitted = Surrogate(name, **settings, **config).fit(data, data, on_step=records.append)
        assert records[-1].valid < 0.9 * records[0].valid, name
        fitted.save(tmp_path / name)
        loaded = Surrogate.load(tmp_path / name)
        frames = fitted.predict(data).mean
        assert float(abs(loaded.predict(data).mean - frames).max().to_array().max()) == 0, name
        assert not frames["u"].values[..., 0, 0].any()
        if name not in ("cfdbench-deeponet", "cfdbench-fno"):  # exporting takes seconds; these look at their sizes
            continue
        fitted.export(tmp_path / name)
        program = torch.export.load(tmp_path / name / "model.pt2").module()
        batch = read_batch(Windows(data, frames_in=fitted.training.frames_in), [0, 8], CPU)
        keys = ("x", "parameters", "signals", "mask", "dt", "inputs", "scale", "time_scale")
        given = {key: batch[key].clone() for key in keys}
        assert fitted._model is not None
        torch.testing.assert_close(program(**given), fitted._model.advance(batch).detach(), rtol=1e-4, atol=1e-4)


def test_residual_networks_predict_states() -> None:
    with pytest.raises(InputError, match="'auto-ffn' adds the last frame to its output itself; use predict='state'"):
        Surrogate("auto-ffn", steps=1)
    assert Surrogate("cfdbench-fno", steps=1).training.output == "increment"


def test_a_fixed_grid_is_that_of_the_training_data() -> None:
    data = flows(cases=2)
    fitted = Surrogate("auto-deeponet", steps=1, width=4, depth=2, predict="state").fit(data)
    assert fitted.network.sizes.grid == (8, 7)
    coarse = data.xarray.isel(y=slice(0, 7))
    with pytest.raises(InputError, match=r"made for a grid of \[8, 7\] points, not \[7, 7\]"):
        fitted.predict(from_arrays(coarse))
