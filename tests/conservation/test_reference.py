"""Reference arrays of the porous-medium equation: published neural-process weights and what the paper's code made.

The arrays were computed with the weights and the code of github.com/amazon-science/probconserv (Apache-2.0), which
belong to Hansen et al. (2023), arXiv:2302.11002: mean and variance of the attentive neural process, and what the
constraints of that code make of them. ``probconserv_pme_case0_t4.npz`` beside this file is one case at one time; all
six cases at ten times lie beside the repository where there is room for them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sciflow.conservation import Constraint, Diagonal, condition, project, smooth

SLICE = Path(__file__).with_name("probconserv_pme_case0_t4.npz")
ROOT = Path(__file__).resolve().parents[2]
# Beside the repository, or one level up where this is a second checkout.
PLACES = [folder / "shared" / "reference" / "probconserv_pme.npz" for folder in (ROOT.parent, ROOT.parent.parent)]
WHOLE = next((place for place in PLACES if place.exists()), PLACES[0])


@pytest.fixture(scope="module", params=["slice", "whole"])
def arrays(request: pytest.FixtureRequest) -> dict[str, np.ndarray]:
    path = SLICE if request.param == "slice" else WHOLE
    if not path.exists() and request.param == "whole":
        pytest.skip("the whole reference arrays lie beside the repository")
    with np.load(path) as stored:
        return {name: stored[name] for name in stored}


@pytest.fixture(scope="module")
def mass(arrays: dict[str, np.ndarray]) -> Constraint:
    gaps = np.diff(arrays["x"].astype(np.float64))
    weights = 0.5 * (np.append(gaps, 0) + np.insert(gaps, 0, 0))
    return Constraint(weights[None], arrays["mass"][..., None], names=("mass",))


def test_update_reproduces_mean_and_variance(arrays: dict[str, np.ndarray], mass: Constraint) -> None:
    """The arrays are float32 of values up to 1.9: 2e-6 in the mean and 1e-7 relative in the variance."""
    posterior = condition(arrays["anp_mean"], Diagonal(arrays["anp_var"]), mass)
    np.testing.assert_allclose(posterior.mean, arrays["probconserv_mean"], atol=1e-5)
    # No variance is tiny here (5e-6 at least), so that a relative bound means something everywhere.
    np.testing.assert_allclose(posterior.variance, arrays["probconserv_var"], rtol=1e-4)
    if "probconserv_covariance_case0_t4" in arrays:
        whole = arrays["probconserv_covariance_case0_t4"]
        np.testing.assert_allclose(posterior.covariance.dense()[0, 4], whole, atol=1e-7)
    assert np.abs(mass.residual(posterior.mean)).max() < 1e-14


def test_projection_reproduces_the_hard_constraint(arrays: dict[str, np.ndarray], mass: Constraint) -> None:
    np.testing.assert_allclose(project(arrays["anp_mean"], mass), arrays["hardc_mean"], atol=1e-5)


def test_smoothing_then_mass_reproduces_the_diffusion_variant(arrays: dict[str, np.ndarray], mass: Constraint) -> None:
    """There smoothing was computed in float32 with whole matrices, which leaves a few 1e-6 in mean and variance."""
    posterior = condition(*smooth(arrays["anp_mean"], Diagonal(arrays["anp_var"])), mass)
    np.testing.assert_allclose(posterior.mean, arrays["probconserv_diffusion_mean"], atol=1e-5)
    np.testing.assert_allclose(posterior.variance, arrays["probconserv_diffusion_var"], rtol=1e-4)
    assert np.abs(mass.residual(posterior.mean)).max() < 1e-14


@pytest.mark.parametrize("name", ["anp", "probconserv", "hardc", "probconserv_diffusion"])
def test_scores_of_the_reference_follow_from_our_update(
    name: str, arrays: dict[str, np.ndarray], mass: Constraint
) -> None:
    """Log-likelihood and squared error of each frame, as stored beside the arrays."""
    mean, variance = arrays["anp_mean"].astype(np.float64), arrays["anp_var"].astype(np.float64)
    if name == "hardc":
        mean = project(mean, mass)
    elif name != "anp":
        start = smooth(mean, Diagonal(variance)) if name.endswith("diffusion") else (mean, Diagonal(variance))
        posterior = condition(*start, mass)
        mean, variance = posterior.mean, posterior.variance
    error = arrays["exact"] - mean
    likelihood = -0.5 * (np.log(2 * np.pi * variance) + error**2 / variance).mean(axis=-1)
    # Errors of 1e-6 in the mean, over deviations of 2e-3, shift a log-likelihood by up to 1e-3 where it is poor.
    np.testing.assert_allclose(likelihood, arrays[f"{name}_ll"], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose((error**2).mean(axis=-1), arrays[f"{name}_mse"], rtol=1e-3)
