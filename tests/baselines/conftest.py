"""Small data sets whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from sciflow.data import Dataset, from_arrays


def decaying_waves(cases: int = 12, frames: int = 12, seed: int = 0) -> Dataset:
    """u = exp(-nu t) (cos(x - c t) + a sin(2 x)): parameters nu (logarithmic) and a constant b, periodic in 1-D."""
    generator = np.random.default_rng(seed)
    nu = np.exp(np.linspace(np.log(0.05), np.log(1.0), cases))
    amplitude = generator.uniform(0.5, 1.5, cases)
    x = 2 * np.pi * np.arange(24) / 24
    t = 0.1 * np.arange(frames)
    decay = np.exp(-nu[:, None, None] * t[:, None])
    u = decay * (np.cos(x - t[:, None]) + amplitude[:, None, None] * np.sin(2 * x))
    data = from_arrays(
        {"u": u},
        times=t,
        coordinates={"x": x},
        parameters={"nu": nu, "b": 3.0},
        periodic=("x",),
        units={"u": "m/s", "x": "m"},
    )
    data.xarray["nu"].attrs["scale"] = "log"
    return from_arrays(data.xarray)


def driven(cases: int = 10, frames: int = 16, scaled: bool = False) -> Dataset:
    """Two fields on a 2-D grid with a mask, driven by a signal s: u_t = -u + s f, v = -2 u."""
    generator = np.random.default_rng(1)
    t = 0.2 * np.arange(frames)
    phase = generator.uniform(0, 2 * np.pi, cases)
    s = np.sin(2 * t + phase[:, None])
    rate = np.exp(-0.2)
    amplitude = np.zeros((cases, frames))
    for frame in range(1, frames):
        amplitude[:, frame] = rate * amplitude[:, frame - 1] + 0.5 * (1 - rate) * (s[:, frame - 1] + s[:, frame])
    size = np.linspace(1.0, 50.0, cases) if scaled else np.ones(cases)
    pattern = generator.normal(size=(6, 5))
    mask = np.ones((6, 5), bool)
    mask[2, 2] = False
    u = np.where(mask, size[:, None, None, None] * amplitude[..., None, None] * pattern, 0.0)
    data = from_arrays(
        {"u": u, "v": -2 * u}, times=t, parameters={"size": size}, signals={"s": s}, mask=mask, grid="cells"
    ).xarray
    if scaled:
        data["u"].attrs["scale_coord"] = data["v"].attrs["scale_coord"] = "size"
    return from_arrays(data)


@pytest.fixture(scope="session")
def waves() -> Dataset:
    return decaying_waves()


@pytest.fixture(scope="session")
def driven_flow() -> Dataset:
    return driven()


@pytest.fixture(scope="session")
def scaled_flow() -> Dataset:
    return driven(scaled=True)
