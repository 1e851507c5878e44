"""Networks that give a variance: what they learn, what a rollout's variance is, and what cannot have one."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor, nn

from sciflow.core import InputError
from sciflow.data import Dataset, Normaliser, from_arrays, query
from sciflow.training import Surrogate
from sciflow.training.layout import Layout
from sciflow.training.rollout import rollout_with_variance
from sciflow.training.step import StepModel

N = 16


@pytest.fixture(scope="module")
def noisy() -> Dataset:
    """Each frame is the one before plus noise of deviation 0.1 on the left half and 1 on the right one."""
    rng = np.random.default_rng(0)
    spread = np.where(np.arange(N) < N // 2, 0.1, 1.0)
    u = np.cumsum(spread * rng.standard_normal((24, 12, N)), axis=1)
    return from_arrays({"u": u}, times=np.arange(12.0), coordinates={"x": np.arange(N) / N})


class Fixed(nn.Module):
    """Normalised values 0 and the variance 4 (up to the least one), whatever it is given."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.frames, self.level = frames, nn.Parameter(torch.tensor(math.log(math.expm1(4.0))))

    def forward(self, x: Tensor, *, signals: Tensor, **_: Tensor) -> Tensor:
        assert signals.shape[1] == x.shape[1] + 2 * self.frames
        zero = torch.zeros(len(x), self.frames, *x.shape[2:])
        return torch.cat([zero, zero + self.level], dim=1)


@pytest.mark.parametrize("frames_out", [1, 2])
@pytest.mark.parametrize("predict", ["increment", "state"])
def test_variances_add_up_along_a_rollout(noisy: Dataset, predict: str, frames_out: int) -> None:
    normaliser = Normaliser.fit(noisy)
    model = StepModel(Fixed(frames_out), normaliser, predict=predict, masked=False, frames_out=frames_out, loss="nll")  # type: ignore[arg-type]
    start = Layout.of(noisy).start(query(noisy, [0], 1, 5), 1)
    frames, variance = rollout_with_variance(model, start, frames_out)
    assert variance is not None and variance.shape == frames.shape
    unit = float(normaliser.std_increment if predict == "increment" else normaliser.std)
    steps = np.arange(1, 6)
    calls = np.ceil(steps / frames_out) if predict == "state" else steps
    np.testing.assert_allclose(variance[0, :, 0, 0], 4 * unit**2 * calls, rtol=1e-4)


def test_the_error_is_the_weighted_likelihood(noisy: Dataset) -> None:
    model = StepModel(Fixed(1), Normaliser.fit(noisy), predict="increment", masked=False, loss="nll")
    from sciflow.data import Windows
    from sciflow.training.batches import read_batch

    batch = read_batch(Windows(noisy, frames_in=1, frames_out=1), [0, 5], torch.device("cpu"))
    target = model.target(batch)
    law = torch.distributions.Normal(torch.zeros_like(target), torch.full_like(target, 2.0))
    expected = -(2.0 * law.log_prob(target)).flatten(1).mean(1)
    torch.testing.assert_close(model(batch), expected, rtol=1e-4, atol=1e-5)
    plain = -law.log_prob(target).flatten(1).mean(1)
    torch.testing.assert_close(model.eval()(batch), plain, rtol=1e-4, atol=1e-5)


def test_the_validation_score_is_best_for_the_true_variance(noisy: Dataset) -> None:
    """Normalised increments have a mean square of 1; with the weight of training half of it would win."""
    from sciflow.data import Windows
    from sciflow.training.batches import read_batch

    batch = read_batch(Windows(noisy, frames_in=1, frames_out=1), range(200), torch.device("cpu"))
    model = StepModel(Fixed(1), Normaliser.fit(noisy), predict="increment", masked=False, loss="nll").eval()
    square = float(model.target(batch).square().mean())
    scores = {}
    for share in (1e-4, 0.5, 1.0, 2.0):
        model.network.level.data.fill_(math.log(math.expm1(share * square)))
        scores[share] = float(model(batch).detach().mean())
    assert min(scores, key=scores.__getitem__) == 1.0


def test_where_noise_is_large_is_learnt(noisy: Dataset, tmp_path: Path) -> None:
    options = {"width": 8, "modes": 4, "layers": 2, "learning_rate": 1e-2, "ema": 0.9, "threads": 1}
    surrogate = Surrogate("fno", loss="nll", steps=150, **options).fit(noisy, progress=False)
    forecast = surrogate.predict(query(noisy, [0], 1, 2))
    assert forecast.variance is not None
    deviation = np.sqrt(forecast.variance["u"].values[:, 0])
    left, right = deviation[:, 1:7].mean(), deviation[:, 9:15].mean()
    assert 0.05 < left < 0.25 and 0.75 < right < 1.25  # 0.1 and 1
    assert (forecast.variance["u"].values[:, 1] > forecast.variance["u"].values[:, 0]).all()
    surrogate.save(tmp_path / "kept")
    again = Surrogate.load(tmp_path / "kept").predict(query(noisy, [0], 1, 2))
    xr.testing.assert_equal(again.variance, forecast.variance)


def test_no_variance_where_solid_or_known() -> None:
    rng = np.random.default_rng(1)
    x = np.arange(N) / N
    data = from_arrays(
        {"u": rng.normal(size=(4, 6, N))}, times=np.arange(6.0), coordinates={"x": x}, mask=np.arange(N) > 1,
        known=np.arange(N) == N - 1,
    )  # fmt: skip
    options = {"width": 4, "modes": 2, "layers": 1, "steps": 2, "threads": 1}
    forecast = Surrogate("fno", loss="nll", **options).fit(data, progress=False).predict(data)
    assert forecast.variance is not None
    values = forecast.variance["u"].values
    assert (values[..., [0, 1, N - 1]] == 0).all() and (values[..., 2 : N - 1] > 0).all()


def test_maps_and_networks_without() -> None:
    rng = np.random.default_rng(1)
    data = from_arrays({"u": rng.normal(size=(5, N))}, inputs={"a": rng.normal(size=(5, N))}, steady=True)
    surrogate = Surrogate("fno", loss="nll", frames_in=0, width=4, modes=2, layers=1, steps=2, threads=1)
    found = surrogate.fit(data, progress=False).predict(data)
    assert found.variance is not None and found.variance["u"].shape == found.mean["u"].shape
    for name in ("auto-ffn", "pod-deeponet"):
        with pytest.raises(InputError, match=f"'{name}' cannot give a variance"):
            Surrogate(name, loss="nll", **({"predict": "state"} if name == "auto-ffn" else {}))
