"""Named profiles: values, shapes, and their use as initial conditions."""

from __future__ import annotations

import numpy as np
import pytest

from sciflow.core import InputError
from sciflow.problems import profile
from sciflow.problems.profiles import PROFILES
from sciflow.solvers import simulate

RNG = np.random.default_rng(0)


def drawn(name: str, points: np.ndarray, **options: float) -> np.ndarray:
    return profile(name, **options).sample(RNG, {"x": points}, {"x": (-1.0, 3.0)}, ())


def test_values_at_points_that_can_be_worked_out() -> None:
    x = np.array([-1.0, 0.0, 1.0, 1.4, 3.0])  # s = 0, 1/4, 1/2, 0.6, 1
    np.testing.assert_allclose(drawn("sine", x), [0, 1, 0, np.sin(1.2 * np.pi), 0], atol=1e-12)
    np.testing.assert_allclose(drawn("cosine", x)[:3], [1, 0, -1], atol=1e-12)
    np.testing.assert_allclose(drawn("gaussian", x)[2:4], [1, np.exp(-0.5)], atol=1e-12)
    np.testing.assert_allclose(drawn("bump", x), [0, 0, 1, np.cos(0.2 * np.pi) ** 4, 0], atol=1e-12)
    np.testing.assert_allclose(drawn("step", x)[[0, 1, 2]], [0, 0.5, 1], atol=1e-8)
    np.testing.assert_allclose(drawn("tent", x), [0, 0.5, 1, 0.8, 0], atol=1e-12)
    np.testing.assert_allclose(drawn("tent", x, amplitude=2, mean=1), 1 + 2 * drawn("tent", x))


def test_a_profile_of_the_plane_is_the_product() -> None:
    grid = {"x": np.linspace(0, 1, 5), "y": np.linspace(0, 1, 7)}
    field = profile("gaussian").sample(RNG, grid, {"x": (0, 1), "y": (0, 1)}, ())
    assert field.shape == (5, 7)
    np.testing.assert_allclose(field[2, 3], 1.0)
    np.testing.assert_allclose(field, np.outer(field[:, 3], field[2]), atol=1e-15)


def test_simulation_starts_from_a_profile() -> None:
    """One sine decays by the exponential of its eigenvalue."""
    data = simulate("heat", initial="sine", resolution=16, times=[0, 0.5], kappa=0.01)
    expected = np.exp(-0.01 * (2 * np.pi) ** 2 * 0.5) * np.sin(2 * np.pi * data["x"].values)
    np.testing.assert_allclose(data["u"][0, 1], expected, atol=1e-12)


def test_of_several_fields_the_first_gets_it() -> None:
    data = simulate("wave-2d", initial="cosine", resolution=16, times=[0, 0.01])
    assert float(data["u"][0, 0].max()) == pytest.approx(1.0) and not data["v"][0, 0].any()


def test_unknown_profiles_are_named() -> None:
    with pytest.raises(InputError, match="no profile 'gauss'.*gaussian"):
        profile("gauss")
    with pytest.raises(InputError, match=", ".join(PROFILES)):
        simulate("heat", initial="gauss", resolution=16)
