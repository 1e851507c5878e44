"""Logs of a training, and the export of a trained model, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from sciflow.data import from_arrays, splits

SETS = [part for s in ("steps=20", "width=8", "modes=4", "batch_size=4") for part in ("--set", s)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    u = np.random.default_rng(0).normal(size=(6, 4, 16))
    data = from_arrays({"u": u}, periodic=("x",), path=tmp_path / "data.h5")
    data.with_split(splits.random(6, {"train": 0.5, "valid": 0.25, "test": 0.25})).close()
    return tmp_path / "data.h5"


def test_training_is_logged_and_exported(sciflow, path: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    answer = sciflow("train", "fno", path, "--out", model, *SETS, "--log", "jsonl", "--log", "tensorboard")
    assert answer.code == 0, answer.err
    lines = (model / "logs" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["step"] == 20
    assert list((model / "logs").glob("events.out.tfevents.*"))
    exported = tmp_path / "exported"
    assert sciflow("export", model, exported).code == 0
    assert torch.export.load(exported / "model.pt2") and (exported / "MODEL_CARD.md").stat().st_size > 500


def test_unknown_loggers_and_models_are_named(sciflow, path: Path, tmp_path: Path) -> None:
    answer = sciflow("train", "fno", path, "--out", tmp_path / "model", *SETS, "--log", "tensorbord")
    assert answer.code == 2 and "Did you mean 'tensorboard'" in answer.err
    assert sciflow("export", tmp_path / "none", tmp_path / "out").code == 2


def test_some_of_the_fields_are_trained_on(sciflow, tmp_path: Path) -> None:
    u, v, w = np.random.default_rng(0).normal(size=(3, 4, 3, 16))
    data = from_arrays({"u": u, "v": v, "w": w}, periodic=("x",), path=tmp_path / "three.h5")
    data.with_split({"train": [0, 1], "test": [2, 3]}).close()
    command = (
        "train",
        "fno",
        tmp_path / "three.h5",
        "--out",
        tmp_path / "model",
        *SETS,
        "--set",
        "steps=1",
        "--fields",
    )
    assert sciflow(*command, "w,u").code == 0
    assert json.loads((tmp_path / "model" / "model.json").read_text())["layout"]["fields"] == ["w", "u"]
    answer = sciflow(*command, "w,q")
    assert answer.code == 2 and "no field 'q'" in answer.err


def test_a_forecast_that_keeps_its_mass(sciflow, tmp_path: Path) -> None:
    rng, x = np.random.default_rng(0), np.arange(16) / 16
    u = 1 + rng.uniform(size=(6, 1, 1)) * np.sin(2 * np.pi * (x - 0.1 * np.arange(5)[:, None]))
    parameters = {"c": np.ones(6), "kappa": np.full(6, 1e-4)}
    data = from_arrays(
        {"u": u}, times=0.1 * np.arange(5), coordinates={"x": x}, parameters=parameters,
        problem="advection-diffusion", path=tmp_path / "data.h5",
    )  # fmt: skip
    data.with_split({"train": [0, 1, 2, 3], "test": [4, 5]}).close()
    model, out = tmp_path / "model", tmp_path / "forecast.h5"
    sets = [*SETS, "--set", "steps=2", "--set", "frames_in=2", "--set", "loss=nll"]
    assert sciflow("train", "fno", tmp_path / "data.h5", "--out", model, *sets).code == 0
    command = ("predict", model, tmp_path / "data.h5", "--out", out)
    leaks = []
    for options in ([], ["--conserve"], ["--conserve", "--set", "stepwise=true"], ["--conserve", "--set", "hard=true"]):
        answer = sciflow(*command, *options)
        assert answer.code == 0, answer.err
        with xr.open_dataset(out, engine="h5netcdf") as found:
            assert found["u"].sizes["time"] == 3
            mass = found["u"].values.astype(float).mean(axis=-1)
            leaks.append(np.abs(mass - u[4:, :1].mean(axis=-1)).max())
        with xr.open_dataset(out, engine="h5netcdf", group="variance") as variance:
            assert variance["u"].shape == (2, 3, 16) and float(variance["u"].min()) >= 0
    assert max(leaks[1:]) < 1e-6 < leaks[0]  # the mass of the start frame is stored in float32
    for options, message in ((["--set", "noise=1"], "--conserve"), (["--conserve", "--set", "nois=1"], "noise")):
        answer = sciflow(*command, *options)
        assert answer.code == 2 and message in answer.err
