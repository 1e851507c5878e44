"""Shape conditions that keep the law: optimality, totals, and the variant that does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from sciflow.conservation import Constraint, post_condition, truncate
from sciflow.core.errors import InputError


@given(n=st.integers(2, 40), seed=st.integers(0, 2**16), shape=st.sampled_from(["nonnegative", "decreasing", "both"]))
def test_shape_and_law_hold_together(n: int, seed: int, shape: str) -> None:
    rng = np.random.default_rng(seed)
    shapes = ("nonnegative", "decreasing") if shape == "both" else (shape,)
    mean, variance = rng.normal(0.3, 1, size=(2, n)), rng.uniform(1e-4, 1, (2, n))
    constraint = Constraint(rng.uniform(0.5, 1.5, (1, n)), rng.uniform(0.1, 3, (2, 1)))
    found = post_condition(mean, variance, constraint, shapes)
    assert (np.abs(constraint.residual(found)) <= 1e-11 * (constraint.scale(found) + constraint.scale(mean))).all()
    if "nonnegative" in shapes:
        assert found.min() >= 0
    if "decreasing" in shapes:
        assert (np.diff(found) <= 1e-12).all()


@pytest.mark.parametrize("shape", ["nonnegative", "increasing"])
def test_nearest_values_are_those_of_a_general_optimiser(shape: str) -> None:
    rng = np.random.default_rng(4)
    n = 8
    mean, variance = rng.normal(size=n), rng.uniform(0.2, 1, n)
    matrix, target = rng.uniform(0.5, 1.5, (2, n)), np.array([2.0, 2.1])
    found = post_condition(mean, variance, Constraint(matrix, target), shape)
    cone = (lambda u: u) if shape == "nonnegative" else np.diff
    rules = [{"type": "eq", "fun": lambda u: matrix @ u - target}, {"type": "ineq", "fun": cone}]
    best = minimize(
        lambda u: 0.5 * ((u - mean) ** 2 / variance).sum(),
        np.linspace(0.1, 0.5, n),
        constraints=rules,
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    np.testing.assert_allclose(found, best.x, atol=1e-6)


def test_values_of_the_shape_that_hold_the_law_stay() -> None:
    values = np.array([3.0, 2.0, 1.0])
    found = post_condition(values, np.ones(3), Constraint(np.ones((1, 3)), [6.0]), ("nonnegative", "decreasing"))
    np.testing.assert_array_equal(found, values)


def test_truncation_breaks_the_law() -> None:
    values = np.array([2.0, 2.5, -0.25])
    np.testing.assert_array_equal(truncate(values), [2.0, 2.0, 0.0])
    assert truncate(values).sum() != values.sum()


def test_bad_input() -> None:
    constraint = Constraint(np.ones((1, 3)), [-1.0], names=("mass",))
    with pytest.raises(InputError, match="No nonnegative values were found that hold the law 'mass'"):
        post_condition(np.ones(3), np.ones(3), constraint, "nonnegative")
    with pytest.raises(InputError, match="Did you mean 'nonnegative'"):
        post_condition(np.ones(3), np.ones(3), constraint, "nonnegativ")
    with pytest.raises(InputError, match="not both of the last"):
        post_condition(np.ones(3), np.ones(3), constraint, ("decreasing", "increasing"))
