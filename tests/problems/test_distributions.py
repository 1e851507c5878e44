from __future__ import annotations

import numpy as np
import pytest

from sciflow.core.errors import InputError
from sciflow.problems import Distribution, blobs, gaussian_field, random_fourier
from sciflow.problems.distributions import GaussianField

BOUNDS = {"x": (-1.0, 3.0), "y": (0.0, 2.0), "z": (0.0, 1.0)}


def _nodes(**sizes: int) -> dict[str, np.ndarray]:
    return {a: BOUNDS[a][0] + (BOUNDS[a][1] - BOUNDS[a][0]) * np.arange(n) / n for a, n in sizes.items()}


def _draw(distribution: Distribution, seed: int, periodic: str, **sizes: int) -> np.ndarray:
    return distribution.sample(np.random.default_rng(seed), _nodes(**sizes), BOUNDS, tuple(periodic))


@pytest.mark.parametrize(
    ("distribution", "periodic"),
    [
        (random_fourier(modes=5), "xyz"),
        (gaussian_field(), "xyz"),
        (gaussian_field(), "y"),
        (gaussian_field(), ""),
        (gaussian_field(threshold=(3, 12)), ""),
        (blobs(), "xyz"),
        (blobs(), "y"),
    ],
)
@pytest.mark.parametrize("sizes", [{"x": 8}, {"x": 8, "y": 6}, {"x": 4, "y": 6, "z": 8}])
def test_a_draw_is_a_function_that_any_grid_samples(distribution, periodic: str, sizes: dict[str, int]) -> None:
    coarse = _draw(distribution, 3, periodic, **sizes)
    fine = _draw(distribution, 3, periodic, **{axis: 2 * n for axis, n in sizes.items()})
    assert coarse.shape == tuple(sizes.values())
    np.testing.assert_allclose(fine[(slice(None, None, 2),) * len(sizes)], coarse, atol=1e-12)
    assert np.ptp(coarse) > 0
    assert not np.allclose(coarse, _draw(distribution, 4, periodic, **sizes))


@pytest.mark.parametrize("sizes", [{"x": 11}, {"x": 12, "y": 14}])
def test_fourier_field_has_exact_rms_and_mean(sizes: dict[str, int]) -> None:
    for seed in range(3):
        field = _draw(random_fourier(modes=5, amplitude=0.7, mean=2.0, decay=1.5), seed, "xy", **sizes)
        assert field.mean() == pytest.approx(2.0, abs=1e-12)
        assert field.std() == pytest.approx(0.7, rel=1e-12)


def test_fourier_field_has_no_modes_beyond_the_number_asked_for() -> None:
    spectrum = np.abs(np.fft.rfft(_draw(random_fourier(modes=4), 0, "x", x=32)))
    assert (spectrum[1:5] > 1e-6).all()
    assert (spectrum[5:] < 1e-10).all()


def test_fourier_field_needs_periodic_axes() -> None:
    with pytest.raises(InputError, match=r"needs periodic axes, and \['y'\] are not; use gaussian_field"):
        _draw(random_fourier(), 0, "x", x=8, y=8)


@pytest.mark.parametrize("periodic", ["x", ""])
def test_covariance_of_a_gaussian_field(periodic: str) -> None:
    field = GaussianField(smoothness=2.0, scale=3.0, amplitude=1.5, modes=8)
    draws = np.stack([_draw(field, seed, periodic, x=6) for seed in range(3000)])
    position = (_nodes(x=6)["x"] + 1) / 4
    orders = np.arange(1, 9)
    first, second = np.meshgrid(position, position, indexing="ij")
    if periodic:  # 2 cos(2 pi k (x - y)) from each pair of cosine and sine
        basis = np.cos(2 * np.pi * orders * (first - second)[..., None])
        variances = 2 * 1.5**2 * ((2 * np.pi * orders) ** 2 + 9) ** -2.0
    else:
        basis = np.cos(np.pi * orders * first[..., None]) * np.cos(np.pi * orders * second[..., None])
        variances = 2 * 1.5**2 * ((np.pi * orders) ** 2 + 9) ** -2.0
    expected = basis @ variances
    np.testing.assert_allclose(draws.mean(0), 0, atol=4 * np.sqrt(expected.max() / 3000))
    np.testing.assert_allclose(np.cov(draws.T), expected, atol=0.1 * expected.max())


def test_walls_have_no_normal_derivative() -> None:
    ends = {"x": np.array([-1.0, -1.0 + 1e-4, 3.0 - 1e-4, 3.0])}
    field = gaussian_field(smoothness=4).sample(np.random.default_rng(0), ends, BOUNDS, ())
    assert abs(field[1] - field[0]) < 1e-6 * abs(field[0])
    assert abs(field[3] - field[2]) < 1e-6 * abs(field[3])


def test_threshold_gives_two_values_of_equal_share() -> None:
    field = np.stack([_draw(gaussian_field(threshold=(3, 12)), seed, "", x=16, y=16) for seed in range(20)])
    assert set(np.unique(field)) == {3.0, 12.0}
    assert 0.3 < (field == 3).mean() < 0.7


def test_mean_shifts_the_field() -> None:
    shifted, centred = _draw(gaussian_field(mean=5.0), 0, "x", x=8), _draw(gaussian_field(), 0, "x", x=8)
    np.testing.assert_allclose(shifted, centred + 5.0)


def test_one_blob_is_a_gaussian_around_its_peak() -> None:
    """Height between half the amplitude and all of it, width in units of the side, the background far away."""
    field = _draw(blobs(count=1, width=0.05, amplitude=2.0, background=1.0), 0, "x", x=400) - 1.0
    peak = int(field.argmax())
    assert 0.99 < field[peak] < 2.0
    distance = (np.arange(400) - peak + 200) % 400 - 200
    near = np.abs(distance) < 60
    curve, slope, _ = np.polyfit(distance[near] / 400, np.log(field[near]), 2)
    assert curve == pytest.approx(-1 / (2 * 0.05**2), rel=1e-6)
    assert abs(slope) < 1 / (2 * 0.05**2) / 400  # the centre lies within half a point of the peak
    assert field[(peak + 200) % 400] < 1e-20


def test_blobs_sum_to_the_integral_of_their_gaussians() -> None:
    """Periodic images complete each bump: its mean is height * 2 pi width^2, heights in [amplitude / 2, amplitude]."""
    means = [_draw(blobs(count=4, width=0.1, amplitude=3.0), seed, "xy", x=32, y=32).mean() for seed in range(20)]
    single = 2 * np.pi * 0.1**2 * 3.0
    assert 4 * 0.5 * single < min(means) and max(means) < 4 * single
    assert np.mean(means) == pytest.approx(4 * 0.75 * single, rel=0.1)


def test_blobs_refuse_impossible_shapes() -> None:
    for settings in ({"count": 0}, {"width": 0.0}, {"width": 0.3}):
        with pytest.raises(InputError, match="needs a count of at least 1 and a width"):
            blobs(**settings)


def test_descriptions_hold_every_setting() -> None:
    assert random_fourier(modes=3).describe() == {
        "distribution": "RandomFourier",
        "modes": 3,
        "amplitude": 1.0,
        "mean": 0.0,
        "decay": 1.0,
    }
    assert gaussian_field(threshold=(3, 12)).describe()["threshold"] == (3, 12)
