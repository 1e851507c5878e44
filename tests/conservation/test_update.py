"""Conditioning on linear laws: textbook formulas with whole matrices, exactness, noise, samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sciflow.conservation import Constraint, Dense, Diagonal, LowRank, Scaled, combine, condition, joint, project
from sciflow.conservation.covariance import Covariance

KINDS = ("diagonal", "lowrank", "factor", "scaled", "dense")


def covariance(kind: str, n: int, rng: np.random.Generator, lead: tuple[int, ...] = ()) -> Covariance:
    """A random covariance; `factor` is singular, its rank 5."""
    variance = rng.uniform(0.1, 2.0, (*lead, n))
    factor = rng.normal(size=(*lead, 5, n))
    if kind == "diagonal":
        return Diagonal(variance)
    if kind == "lowrank":
        return LowRank(factor, variance)
    if kind == "factor":
        return LowRank(factor)
    places = np.arange(n)
    kernel = np.exp(-np.abs(places[:, None] - places) / 3)
    if kind == "scaled":
        return Scaled(np.sqrt(variance), kernel)
    return Dense(np.sqrt(variance)[..., :, None] * kernel * np.sqrt(variance)[..., None, :])


def textbook(
    mean: np.ndarray, sigma: np.ndarray, matrix: np.ndarray, target: np.ndarray, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of a Gaussian after a linear observation, one slice, with whole matrices."""
    gain = sigma @ matrix.T @ np.linalg.inv(matrix @ sigma @ matrix.T + noise**2 * np.eye(len(matrix)))
    return mean - gain @ (matrix @ mean - target), sigma - gain @ matrix @ sigma


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_closed_form_is_the_textbook_formula(kind: str, rows: int, noise: float) -> None:
    rng = np.random.default_rng(1)
    n, lead = 30, (2, 4)
    sigma = covariance(kind, n, rng, lead)
    mean, matrix, target = rng.normal(size=(*lead, n)), rng.normal(size=(rows, n)), rng.normal(size=(*lead, rows))
    posterior = condition(mean, sigma, Constraint(matrix, target, noise))
    whole, after = sigma.dense(), posterior.covariance.dense()
    probe = rng.normal(size=(2, n))
    for place in np.ndindex(*lead):
        expected, left = textbook(mean[place], whole[place], matrix, target[place], noise)
        # A condition number of some 100 for S leaves 13 digits.
        np.testing.assert_allclose(posterior.mean[place], expected, atol=1e-11)
        np.testing.assert_allclose(after[place], left, atol=1e-11)
        np.testing.assert_allclose(posterior.variance[place], np.diag(left), atol=1e-11)
        np.testing.assert_allclose(posterior.covariance.times(probe)[place], probe @ left, atol=1e-10)


@given(
    n=st.integers(2, 60),
    rows=st.integers(1, 2),
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 2**16),
    size=st.floats(-9, 9),
)
def test_laws_hold_to_rounding(n: int, rows: int, kind: str, seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.uniform(0.5, 1.5, (rows, n)) * np.array([1.0, 1e-3])[:rows, None]
    matrix[1:] *= np.linspace(-1, 1, n)
    constraint = Constraint(matrix, 10**size * rng.normal(size=(3, rows)))
    mean = 10 ** rng.uniform(-6, 6) * rng.normal(size=(3, n))
    posterior = condition(mean, covariance(kind, n, rng, (3,)), constraint)
    scale = constraint.scale(posterior.mean)
    assert (np.abs(constraint.residual(posterior.mean)) <= 1e-12 * scale).all()
    assert (posterior.variance >= 0).all()
    assert (np.abs(constraint.residual(project(mean, constraint))) <= 1e-12 * constraint.scale(mean)).all()


@given(noise=st.floats(1e-4, 1e3), seed=st.integers(0, 2**16), kind=st.sampled_from(KINDS))
def test_noise_leaves_its_share_of_the_residual(noise: float, seed: int, kind: str) -> None:
    """G mean' - b = (G mean - b) noise^2 / (noise^2 + G Sigma G^T)."""
    rng = np.random.default_rng(seed)
    n = 40
    sigma, mean, row = covariance(kind, n, rng), rng.normal(size=n), rng.uniform(0.5, 1.5, (1, n))
    constraint = Constraint(row, rng.normal(size=1), noise)
    before, after = constraint.residual(mean), constraint.residual(condition(mean, sigma, constraint).mean)
    share = noise**2 / (noise**2 + (sigma.times(row) @ row.T).item())
    assert abs(after - before * share).item() <= 1e-10 * max(1.0, abs(before).item())


def test_much_noise_changes_nothing_and_less_noise_leaves_less() -> None:
    rng = np.random.default_rng(0)
    mean, sigma, row = rng.normal(size=50), Diagonal(rng.uniform(1, 2, 50)), np.ones((1, 50))
    none = condition(mean, sigma, Constraint(row, [3.0], 1e12))
    np.testing.assert_allclose(none.mean, mean, atol=1e-20 * 50)
    np.testing.assert_allclose(none.variance, sigma.diagonal(), rtol=1e-20 * 50)
    gaps = []
    for noise in (0.0, 0.1, 1.0, 10.0):
        constraint = Constraint(row, [3.0], noise)
        gaps.append(abs(constraint.residual(condition(mean, sigma, constraint).mean)).item())
    assert gaps == sorted(gaps) and gaps[0] < 1e-13


@given(seed=st.integers(0, 2**16), kind=st.sampled_from(KINDS), noise=st.sampled_from([0.0, 0.2]))
def test_order_of_laws_does_not_matter(seed: int, kind: str, noise: float) -> None:
    rng = np.random.default_rng(seed)
    n = 25
    sigma, mean = covariance(kind, n, rng), rng.normal(size=n)
    parts = [Constraint(rng.normal(size=(1, n)), rng.normal(size=1), noise, (name,)) for name in "ab"]
    together = condition(mean, sigma, combine(*parts))
    swapped = condition(mean, sigma, combine(*parts[::-1]))
    first = condition(mean, sigma, parts[0])
    in_turn = condition(first.mean, first.covariance, parts[1])
    for other in (swapped, in_turn):
        np.testing.assert_allclose(other.mean, together.mean, atol=1e-8)
        np.testing.assert_allclose(other.variance, together.variance, atol=1e-8)


@given(lead=st.sampled_from([(), (3,), (2, 3)]), seed=st.integers(0, 2**16))
def test_batches_equal_single_slices(lead: tuple[int, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    mean, variance = rng.normal(size=(*lead, 12)), rng.uniform(0.1, 1, (*lead, 12))
    row, target = rng.uniform(0.5, 1, (1, 12)), rng.normal(size=(*lead, 1))
    posterior = condition(mean, Diagonal(variance), Constraint(row, target))
    for place in np.ndindex(*lead):
        alone = condition(mean[place], Diagonal(variance[place]), Constraint(row, target[place]))
        np.testing.assert_allclose(posterior.mean[place], alone.mean, atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_samples_have_the_posterior_mean_and_covariance(kind: str, noise: float) -> None:
    rng = np.random.default_rng(3)
    n, count = 12, 40_000
    constraint = Constraint(rng.uniform(0.5, 1.5, (2, n)), rng.normal(size=2), noise)
    posterior = condition(rng.normal(size=n), covariance(kind, n, rng), constraint)
    drawn = posterior.draw(count, seed=4)
    whole = posterior.covariance.dense()
    # Five standard errors: of a mean sqrt(v / count), of a covariance at most sqrt(2 v v / count).
    assert (np.abs(drawn.mean(axis=0) - posterior.mean) <= 5 * np.sqrt(posterior.variance / count) + 1e-12).all()
    bound = 5 * np.sqrt(2 * np.outer(posterior.variance, posterior.variance) / count) + 1e-12
    assert (np.abs(np.cov(drawn.T) - whole) <= bound).all()
    if noise == 0:
        assert np.abs(constraint.residual(drawn)).max() < 1e-12 * n
    np.testing.assert_array_equal(posterior.draw(2, seed=7), posterior.draw(2, seed=7))


def test_tensors_stay_tensors_and_carry_gradients() -> None:
    mean = torch.randn(4, 9, dtype=torch.float64, requires_grad=True)
    variance = torch.rand(4, 9, dtype=torch.float64) + 0.1
    constraint = Constraint(torch.ones(1, 9), torch.zeros(4, 1))
    posterior = condition(mean, Diagonal(variance), constraint)
    assert isinstance(posterior.mean, torch.Tensor) and posterior.mean.dtype == torch.float64
    assert isinstance(posterior.draw(2, 0), torch.Tensor) and isinstance(project(mean, constraint), torch.Tensor)
    (posterior.mean**2).sum().backward()
    assert mean.grad is not None and torch.isfinite(mean.grad).all()
    single = condition(np.zeros(3, np.float32), Diagonal(np.ones(3, np.float32)), Constraint(np.ones((1, 3)), [1.0]))
    assert isinstance(single.mean, np.ndarray) and single.mean.dtype == np.float64


def test_frames_may_be_coupled_by_one_joint_constraint() -> None:
    """With a covariance that couples frames the joint update is the textbook one, else frame by frame."""
    rng = np.random.default_rng(5)
    frames, n = 4, 10
    mean, weights, target = rng.normal(size=(frames, n)), rng.uniform(1, 2, (1, n)), rng.normal(size=(frames, 1))
    constraint = Constraint(weights, target, names=("mass",))
    whole = joint(constraint)
    assert whole.names == ("mass[0]", "mass[1]", "mass[2]", "mass[3]") and whole.matrix.shape == (4, 40)
    variance = rng.uniform(0.5, 1, (frames, n))
    apart = condition(mean, Diagonal(variance), constraint)
    together = condition(mean.ravel(), Diagonal(variance.ravel()), whole)
    np.testing.assert_allclose(together.mean.reshape(frames, n), apart.mean, atol=1e-13)
    sigma = LowRank(rng.normal(size=(6, frames * n)), variance.ravel())
    coupled = condition(mean.ravel(), sigma, whole)
    expected, left = textbook(mean.ravel(), sigma.dense(), np.kron(np.eye(frames), weights), target.ravel(), 0.0)
    np.testing.assert_allclose(coupled.mean, expected, atol=1e-11)
    np.testing.assert_allclose(coupled.variance, np.diag(left), atol=1e-11)


def test_projection_is_the_update_with_equal_variances() -> None:
    rng = np.random.default_rng(6)
    mean, constraint = rng.normal(size=(3, 20)), Constraint(rng.normal(size=(2, 20)), rng.normal(size=(3, 2)))
    equal = condition(mean, Diagonal(np.full(20, 7.0)), constraint)
    np.testing.assert_allclose(project(mean, constraint), equal.mean, atol=1e-12)


def test_a_law_that_already_holds_where_nothing_varies_is_left_alone() -> None:
    mean, variance = np.array([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]]), np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    posterior = condition(mean, Diagonal(variance), Constraint(np.ones((1, 3)), [[6.0], [6.0]]))
    np.testing.assert_array_equal(posterior.mean, [[1, 2, 3], [2, 2, 2]])
    # Members that all hold a law have no spread along it, up to rounding.
    rng = np.random.default_rng(0)
    members = project(rng.normal(size=(5, 8)), Constraint(np.ones((1, 8)), [1.0]))
    spread = LowRank((members - members.mean(axis=0)) / 2)
    again = condition(members.mean(axis=0), spread, Constraint(np.ones((1, 8)), [1.0]))
    np.testing.assert_allclose(again.mean, members.mean(axis=0), atol=1e-15)
    twice = condition(posterior.mean, posterior.covariance, Constraint(np.ones((1, 3)), [[6.0], [6.0]]))
    np.testing.assert_allclose(twice.variance, posterior.variance, atol=1e-15)


def test_conditioning_on_far_targets_keeps_the_residual_at_rounding() -> None:
    """Coupled errors whose corrections cancel in the law: the second pass is needed."""
    n = 400
    places = np.arange(n)
    kernel = np.exp(-((places[:, None] - places) ** 2) / 5000) + 1e-6 * np.eye(n)
    constraint = Constraint(np.sin(places / 9)[None] + 1e-3, [1e6])
    posterior = condition(np.zeros(n), Dense(kernel), constraint)
    assert (np.abs(constraint.residual(posterior.mean)) <= 1e-12 * constraint.scale(posterior.mean)).all()
    assert math.isfinite(posterior.mean.sum())


@given(n=st.integers(2, 300), kind=st.sampled_from(KINDS), seed=st.integers(0, 2**16), size=st.floats(-9, 9))
def test_totals_of_zero_hold_to_the_rounding_of_the_mean_before(n: int, kind: str, seed: int, size: float) -> None:
    """Nothing but rounding is left of a constant whose integral is to be 0, nor of one point that is to be 0."""
    rng = np.random.default_rng(seed)
    mean = np.full(n, 0.3 * 10**size)
    whole, point = np.full((1, n), 2 * np.pi / n), np.zeros((1, n))
    point[0, n // 2] = rng.uniform(0.1, 1)
    for row in (whole, point):
        law = Constraint(row, [0.0])
        bar = 1e-12 * law.scale(mean)
        posterior = condition(mean, covariance(kind, n, rng) if row is point else Diagonal(np.full(n, 0.04)), law)
        drawn = posterior.draw(20, seed)
        assert (np.abs(law.residual(posterior.mean)) <= bar).all()
        assert (np.abs(law.residual(project(mean, law))) <= bar).all()
        assert (np.abs(law.residual(drawn)) <= 1e-12 * (law.scale(mean) + 10 * row.sum())).all()  # deviations below 2
