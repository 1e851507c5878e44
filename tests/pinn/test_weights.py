from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciflow.core.errors import InputError
from sciflow.pinn.causal import causal_weights
from sciflow.pinn.objective import Batch, Objective, Term, in_blocks
from sciflow.pinn.weights import balance, weighted

# Two terms with residuals 3 w_0 and (w_1, w_1 x), the second weighed with 4: L = (9 w_0^2, 4 w_1^2 (1 + mean x^2)).
TERMS = [
    Term("first", lambda w, block: 3 * w[0] * jnp.ones_like(block["x"])[None]),
    Term("second", lambda w, block: w[1] * jnp.stack([jnp.ones_like(block["x"]), block["x"]])),
]
X = np.array([0.0, 2.0, 0.0, 2.0, 0.0, 2.0, 1.0, np.sqrt(3)])  # mean of x^2: 2
FLAT = np.array([1.0, 1.0])


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def _setting() -> tuple[Objective, list[Batch]]:
    first = in_blocks({"x": np.ones(6)}, [1.0], jnp.float64, size=2)
    return Objective(TERMS, lambda flat: flat), [first, in_blocks({"x": X}, [4.0, 4.0], jnp.float64, size=4)]


@pytest.mark.parametrize(
    "kind,expected",
    [
        ("fixed", [1.0, 1.0]),
        ("gradient-norm", [21 / 18, 21 / 24]),  # |g| = (18, 24)
        ("ntk", [10.5 / 9, 10.5 / 12]),  # k = (9, 4 (1 + 2))
        ("self-adaptive", [9 / 10.5, 12 / 10.5]),  # L = (9, 12)
    ],
)
def test_multipliers_of_known_gradients(kind: str, expected: list[float]) -> None:
    objective, batches = _setting()
    np.testing.assert_allclose(balance(kind, objective, jnp.asarray(FLAT), batches, None), expected, rtol=1e-12)
    later = balance(kind, objective, jnp.asarray(FLAT), batches, [2.0, 0.5])
    old = np.array([2.0, 0.5])
    np.testing.assert_allclose(later, old if kind == "fixed" else 0.9 * old + 0.1 * np.array(expected), rtol=1e-12)


def test_balanced_terms_pull_with_equal_force() -> None:
    objective, batches = _setting()
    flat = jnp.asarray([0.3, -2.0])
    balanced = weighted(batches, balance("gradient-norm", objective, flat, batches, None))
    pulls = [
        float(jnp.linalg.norm(Objective([term], objective.unravel).value_and_grad(flat, [batch])[1]))
        for term, batch in zip(TERMS, balanced, strict=True)
    ]
    np.testing.assert_allclose(pulls[0], pulls[1], rtol=1e-12)
    assert batches[1].weights.tolist() == [4.0, 4.0]


def test_the_kernel_is_that_of_the_normal_equations() -> None:
    term = Term("tanh", lambda w, block: jnp.tanh(w[:, None] * block["x"][0] + block["x"][1]))
    rng = np.random.default_rng(0)
    arrays = {"x": rng.normal(size=(2, 90)), "weight": rng.uniform(size=90)}
    batches = [in_blocks(arrays, [1.0, 2.0, 3.0], jnp.float64, size=30), in_blocks(arrays, [1.0] * 3, jnp.float64)]
    objective = Objective([term, term], lambda flat: flat)
    flat = jnp.asarray(rng.normal(size=3))
    first, second = (
        float(jnp.trace(Objective([term], objective.unravel).normal_equations(flat, [batch])[2])) for batch in batches
    )
    mean = (first + second) / 2
    np.testing.assert_allclose(balance("ntk", objective, flat, batches, None), [mean / first, mean / second])


def test_terms_that_do_not_pull() -> None:
    objective, batches = _setting()
    still = balance("gradient-norm", objective, jnp.asarray([1.0, 0.0]), batches, None)
    np.testing.assert_allclose(still, [0.5, 1e5])
    assert balance("gradient-norm", objective, jnp.zeros(2), batches, [2.0, 0.5]) == [2.0, 0.5]
    with pytest.raises(InputError, match="no way 'gradnorm'.*gradient-norm"):
        balance("gradnorm", objective, jnp.zeros(2), batches, None)


def test_weights_of_points_scale_the_loss_its_gradient_and_its_normal_equations() -> None:
    term = Term("tanh", lambda w, block: jnp.tanh(w[:, None] * block["x"]))
    rng = np.random.default_rng(1)
    x, weight = rng.normal(size=12), rng.uniform(size=12)
    batch = in_blocks({"x": x, "weight": weight}, [1.0, 3.0], jnp.float64, size=4)
    objective, flat = Objective([term], lambda flat: flat), jnp.asarray([0.4, -0.7])

    def loss(w: jax.Array) -> jax.Array:
        return jnp.mean(weight * (jnp.tanh(w[0] * x) ** 2 + 3 * jnp.tanh(w[1] * x) ** 2))

    value, gradient = objective.value_and_grad(flat, [batch])
    np.testing.assert_allclose(value, loss(flat), rtol=1e-12)
    np.testing.assert_allclose(gradient, jax.grad(loss)(flat), rtol=1e-12)
    value, right, left = objective.normal_equations(flat, [batch])
    np.testing.assert_allclose(value, loss(flat), rtol=1e-12)
    np.testing.assert_allclose(2 * right, jax.grad(loss)(flat), rtol=1e-12)
    slopes = np.stack([x / np.cosh(0.4 * x) ** 2, x / np.cosh(0.7 * x) ** 2])
    np.testing.assert_allclose(np.diag(left), [1, 3] * (weight * slopes**2).mean(axis=1), rtol=1e-12)
    plain = in_blocks({"x": x}, [1.0, 3.0], jnp.float64, size=4)
    np.testing.assert_array_equal(objective.sizes(flat, 0, plain.blocks), objective.sizes(flat, 0, batch.blocks))


def test_causal_weights_by_hand() -> None:
    times = np.array([0.9, 0.1, 2.0, 0.2, 1.6, 1.2])  # chunks of 0.5 from 0 to 2: 1, 0, 3, 0, 3, 2
    squares = np.array([0.5, 1.0, 7.0, 3.0, 9.0, 0.25])  # chunk means: 2, 0.5, 0.25, 8, and 2.6875 of these
    expected = np.exp(-0.1 * np.array([2.0, 0.0, 2.75, 0.0, 2.75, 2.5]) / 2.6875)
    np.testing.assert_allclose(causal_weights(times, squares, (0.0, 2.0), 4, 0.1), expected, rtol=1e-14)
    np.testing.assert_allclose(causal_weights(times, 1e6 * squares, (0.0, 2.0), 4, 0.1), expected, rtol=1e-14)
    np.testing.assert_array_equal(causal_weights(times, squares, (0.0, 2.0), 4, 0.0), 1)
    np.testing.assert_array_equal(causal_weights(times, squares, (0.0, 2.0), 1, 5.0), 1)


def test_causal_weights_pass_over_empty_chunks_and_take_in_points_outside() -> None:
    found = causal_weights(np.array([-1.0, 5.0]), np.array([2.0, 1.0]), (0.0, 1.0), 8, 1.0)
    np.testing.assert_allclose(found, [1.0, np.exp(-2.0 / (3 / 8))])


def test_bad_causal_weights() -> None:
    two = np.ones(2)
    with pytest.raises(InputError, match="each point"):
        causal_weights(two, np.ones(3), (0.0, 1.0))
    for interval, chunks, tolerance in (((1.0, 1.0), 4, 1.0), ((0.0, 1.0), 0, 1.0), ((0.0, 1.0), 4, -1.0)):
        with pytest.raises(InputError, match="at least one chunk"):
            causal_weights(two, two, interval, chunks, tolerance)
