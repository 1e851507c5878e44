"""Each command does its job on a small problem."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr


@pytest.fixture(scope="module")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small advection data set, made by the command line."""
    from sciflow.cli.main import main

    path = tmp_path_factory.mktemp("data") / "waves.h5"
    sets = ["cases=6", "resolution=32", "times.frames=9"]
    with pytest.raises(SystemExit) as stop:
        main(["data", "generate", "advection", "--out", str(path), *(part for s in sets for part in ("--set", s))])
    assert not stop.value.code
    return path


def test_help_and_version(sciflow) -> None:
    assert "bench" in sciflow("--help").out
    assert sciflow("--version").out.startswith("sciflow ")


def test_listings(sciflow) -> None:
    assert "burgers" in sciflow("problems", "list").out
    models = sciflow("models", "list").out
    assert "fno" in models and "persistence" in models
    assert "cavity-driven" in sciflow("data", "recipes").out
    assert "quickstart" in sciflow("bench", "list").out


def test_show_problem(sciflow) -> None:
    shown = sciflow("problems", "show", "burgers").out
    assert "viscosity [m^2/s]" in shown and "galilean in x" in shown
    assert json.loads(sciflow("problems", "show", "kdv", "--json").out)["name"] == "kdv"
    assert "partial" in sciflow("problems", "show", "heat", "--latex").out


@pytest.mark.parametrize("model", ["fno", "unet", "persistence"])
def test_show_model(sciflow, model: str) -> None:
    assert f"{model} (" in sciflow("models", "show", model).out


def test_info(sciflow) -> None:
    assert "torch" in sciflow("info").out


def test_simulate_writes_the_exact_solution_of_the_heat_equation(sciflow, tmp_path: Path) -> None:
    path, picture = tmp_path / "heat.h5", tmp_path / "heat.png"
    answer = sciflow(
        "simulate", "heat", "--out", path, "--resolution", 32, "--frames", 3, "--end", 0.5, "--plot", picture,
        "--set", "kappa=[0.01, 0.02]",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert picture.stat().st_size > 1000
    with xr.open_dataset(path, engine="h5netcdf") as data:
        spectrum = np.abs(np.fft.rfft(data.u.values, axis=-1))
        decay = spectrum[:, -1, 1:4] / spectrum[:, 0, 1:4]
        exact = np.exp(-np.outer([0.01, 0.02], (2 * np.pi * np.arange(1, 4)) ** 2) * 0.5)
        assert decay == pytest.approx(exact, rel=1e-9)


def test_data_info_and_check(sciflow, waves: Path) -> None:
    shown = sciflow("data", "info", waves).out
    assert "advection" in shown and "split random" in shown
    assert sciflow("data", "check", waves).code == 0


def test_train_and_predict(sciflow, waves: Path, tmp_path: Path) -> None:
    model, forecast = tmp_path / "model", tmp_path / "forecast.h5"
    sets = [part for s in ("steps=20", "width=8", "modes=4", "batch_size=4") for part in ("--set", s)]
    answer = sciflow("train", "fno", waves, "--out", model, *sets)
    assert answer.code == 0, answer.err
    assert "parameters" in answer.out and not (model / "unfinished").exists()
    picture = tmp_path / "forecast.png"
    assert sciflow("predict", model, waves, "--out", forecast, "--plot", picture).code == 0
    assert picture.stat().st_size > 1000
    with xr.open_dataset(forecast, engine="h5netcdf") as data:
        assert data.u.sizes["time"] == 8 and np.isfinite(data.u).all()


def test_bench_runs_and_reports(sciflow, waves: Path, tmp_path: Path) -> None:
    suite = tmp_path / "small.yaml"
    suite.write_text(
        f"name: small\ndata: {{path: {waves}}}\nmethods: [{{method: persistence}}, {{method: nearest}}]\n"
        "task: {horizons: [{steps: 1}]}\n"
    )
    out = tmp_path / "out"
    assert "persistence" in sciflow("bench", "run", suite, "--out", out, "--dry-run").out
    assert sciflow("bench", "run", suite, "--out", out).code == 0
    assert "persistence" in sciflow("bench", "report", out).out
    assert (out / "report.html").stat().st_size > 1000


def test_check_passes_a_catalogue_problem(sciflow) -> None:
    answer = sciflow("check", "heat")
    assert answer.code == 0 and "checks passed" in answer.out
