"""Training over several calls lowers the error of long forecasts."""

from __future__ import annotations

import numpy as np
import pytest

from sciflow.data import Dataset, from_arrays, query, truth
from sciflow.training import Surrogate

OPTIONS = {"width": 12, "layers": 2, "modes": 8, "steps": 300, "batch_size": 16, "learning_rate": 1e-2, "ema": 0.98}


def burgers(cases: int, seed: int, points: int = 32, frames: int = 16) -> Dataset:
    """u_t + u u_x = 0.01 u_xx with period 1, frames 0.05 apart: pseudo-spectral, 2/3 rule, integrating factor, RK4."""
    draw, x, k = np.random.default_rng(seed), np.arange(points) / points, np.arange(1, 4)
    amplitude, phase = draw.normal(size=(2, cases, 3))
    u = np.einsum("ck,ckx->cx", amplitude / k, np.sin(2 * np.pi * k[:, None] * x + phase[..., None]))
    wave, step = 2 * np.pi * np.arange(points // 2 + 1), 0.005
    keep, half = wave < 2 * np.pi * points / 3, np.exp(-0.01 * wave**2 * step / 2)

    def slope(z: np.ndarray) -> np.ndarray:
        return -0.5j * wave * keep * np.fft.rfft(np.fft.irfft(z * keep, points) ** 2)

    z, out = np.fft.rfft(u), [u]
    for _ in range(frames - 1):
        for _ in range(10):
            a = slope(z)
            b = slope(half * (z + step / 2 * a))
            c = slope(half * z + step / 2 * b)
            d = slope(half**2 * z + step * half * c)
            z = half**2 * z + step / 6 * (half**2 * a + 2 * half * (b + c) + d)
        out.append(np.fft.irfft(z, points))
    return from_arrays({"u": np.stack(out, 1).astype(np.float32)}, times=0.05 * np.arange(frames), periodic=("x",))


def error(surrogate: Surrogate, data: Dataset, steps: int) -> float:
    """Relative L2 error after so many steps, mean over cases and starts."""
    given = surrogate.predict(query(data, [0, 5], 1, steps)).mean["u"].values[:, -1]
    true = truth(data, [0, 5], 1, steps)["u"].values[:, -1]
    return float((np.linalg.norm(given - true, axis=1) / np.linalg.norm(true, axis=1)).mean())


def test_four_unrolled_calls_lower_the_error_after_ten_steps() -> None:
    """With 300 steps each. When written 0.17 without and 0.09 with unrolling (0.20 and 0.14 with another seed)."""
    train, test = burgers(32, 0), burgers(32, 1)
    one, four = (Surrogate("fno", **OPTIONS, threads=1, unroll=calls).fit(train) for calls in (1, 4))
    assert error(four, test, 10) < 0.85 * error(one, test, 10) < 0.3
    assert error(four, test, 1) < 1.5 * error(one, test, 1)  # at little cost to the first step


@pytest.mark.slow
@pytest.mark.parametrize("more", [{"unroll": 2}, {"unroll": 4}, {"unroll": 4, "unroll_from": 0.5}])
def test_unrolling_helps_on_average_over_seeds(more: dict[str, float]) -> None:
    train, test = burgers(32, 0), burgers(32, 1)
    ratios = []
    for seed in range(4):
        one, unrolled = (
            Surrogate("fno", **OPTIONS, threads=1, seed=seed, **options).fit(train) for options in ({}, more)
        )
        ratios.append(error(unrolled, test, 10) / error(one, test, 10))
    assert np.mean(ratios) < 0.95
