"""A data set that a small network learns in seconds, and the pieces of a surrogate without the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sciflow.data import Dataset, Normaliser, Windows, from_arrays
from sciflow.training.config import Training
from sciflow.training.loop import Loop
from sciflow.training.step import StepModel


def waves(cases: int, frames: int = 6, points: int = 32, seed: int = 0) -> Dataset:
    """Sums of three sine waves, carried along x at a speed that is the parameter of each case."""
    draw = np.random.default_rng(seed)
    speed = draw.uniform(0.02, 0.06, cases)
    x, t, k = np.arange(points) / points, np.arange(frames), np.arange(1, 4)
    amplitude, phase = draw.normal(size=(2, cases, 3))
    moved = x[None, None] - speed[:, None, None] * t[None, :, None]
    u = np.einsum(
        "ck,cktx->ctx", amplitude / k, np.sin(2 * np.pi * k[:, None, None] * moved[:, None] + phase[..., None, None])
    )
    return from_arrays({"u": u.astype(np.float32)}, times=t, parameters={"speed": speed}, periodic=("x",))


@pytest.fixture(scope="session")
def train() -> Dataset:
    return waves(128)


@pytest.fixture(scope="session")
def valid() -> Dataset:
    return waves(8, seed=1)


@pytest.fixture(scope="session")
def test() -> Dataset:
    return waves(8, seed=2)


@pytest.fixture(autouse=True)
def single_thread() -> Iterator[None]:
    """Small networks are fastest, and other tests undisturbed, with one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Small(nn.Module):
    """Two circular convolutions that see the parameters, with dropout in between; one frame out."""

    def __init__(self, frames_in: int = 1, width: int = 16, dropout: float = 0.0) -> None:
        super().__init__()
        self.lift = nn.Conv1d(frames_in, width, 5, padding=2, padding_mode="circular")
        self.condition = nn.Linear(1, width)
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Conv1d(width, 1, 5, padding=2, padding_mode="circular")
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor, *, parameters: Tensor, **others: Tensor) -> Tensor:
        if self.training:
            self.calls += 1
        hidden = self.lift(x[:, :, 0]) * (1 + self.condition(parameters)[..., None])
        return self.project(self.dropout(nn.functional.gelu(hidden)))[:, None]


@pytest.fixture
def make_loop(train: Dataset, valid: Dataset) -> Callable[..., Loop]:
    """A loop around `Small` whose settings are given by keyword."""

    def make(*, dropout: float = 0.0, windows: Windows | None = None, checked: bool = True, **settings: object) -> Loop:
        training = Training(**settings)
        torch.manual_seed(0)
        names = ("frames_out", "loss", "pushforward")
        options = {name: getattr(training, name) for name in names}
        network = Small(dropout=dropout)
        model = StepModel(network, Normaliser.fit(train), predict=training.output, masked=False, **options)
        sizes = (training.frames_in, training.unroll * training.frames_out)
        checks = Windows(valid, *sizes) if checked else None
        return Loop(model, windows or Windows(train, *sizes), checks, training, torch.device("cpu"))

    return make
