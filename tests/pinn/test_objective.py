"""The blocked loss: its gradient, its normal equations and its residual sizes against plain dense computations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciflow.pinn.compiled import Compiled
from sciflow.pinn.objective import Batch, Objective, Term, in_blocks

P = 5


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def _equations(weights: Any, block: Mapping[str, jax.Array]) -> jax.Array:
    """Two rows, nonlinear in the weights."""
    place, data = block["points"], block["data"]
    first = jnp.tanh(weights["a"][0] * place[0] + weights["a"][1] * place[1]) * weights["b"][0] - data
    second = jnp.sin(weights["b"][1] * place[0]) + weights["b"][2] ** 2 * place[1]
    return jnp.stack([first, second])


def _condition(weights: Any, block: Mapping[str, jax.Array]) -> jax.Array:
    return (weights["a"][0] * block["points"][1] - weights["b"][0] ** 3)[None]


def _unravel(flat: jax.Array) -> dict[str, jax.Array]:
    return {"a": flat[:2], "b": flat[2:]}


def _objective() -> Objective:
    return Objective([Term("equations", _equations), Term("side", _condition)], _unravel)


def _arrays(count: int, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {"points": random.normal(size=(2, count)), "data": random.normal(size=count)}


def _batches(counts: tuple[int, int] = (30, 8), size: int = 10) -> tuple[Batch, Batch]:
    return (
        in_blocks(_arrays(counts[0], 0), [1.0, 0.3], jnp.float64, size),
        in_blocks({"points": _arrays(counts[1], 1)["points"]}, [2.5], jnp.float64, size),
    )


def _residuals(flat: jax.Array, counts: tuple[int, int]) -> jax.Array:
    """The weighted residual vector of all points at once."""
    first, second = _arrays(counts[0], 0), _arrays(counts[1], 1)
    rows = _equations(_unravel(flat), {name: jnp.asarray(item) for name, item in first.items()})
    other = _condition(_unravel(flat), {"points": jnp.asarray(second["points"])})
    scaled = jnp.sqrt(jnp.array([1.0, 0.3]) / counts[0])[:, None] * rows
    return jnp.concatenate([scaled.ravel(), jnp.sqrt(2.5 / counts[1]) * other[0]])


FLAT = np.random.default_rng(9).normal(size=P)
VALUE = jax.jit(_objective().value_and_grad)


@pytest.mark.parametrize("size", [4, 10, 30, 512])
def test_value_and_gradient_whatever_the_blocks(size: int) -> None:
    counts, flat = (30, 8), jnp.asarray(FLAT)
    value, gradient = VALUE(flat, _batches(counts, size))

    def plain(vector: jax.Array) -> jax.Array:
        return jnp.sum(_residuals(vector, counts) ** 2)

    blocks = _batches(counts, size)[0].blocks["points"].shape
    assert blocks == {4: (8, 2, 3), 10: (3, 2, 10), 30: (1, 2, 30), 512: (1, 2, 30)}[size]
    if size == 4:  # 8 blocks of 3 leave out the last 6 points
        counts = (24, 8)

        def plain(vector: jax.Array) -> jax.Array:
            first = {name: jnp.asarray(item[..., :24]) for name, item in _arrays(30, 0).items()}
            rows = _equations(_unravel(vector), first)
            side = _residuals(vector, (30, 8))[60:]
            return jnp.sum(jnp.array([[1.0], [0.3]]) * rows**2) / 24 + jnp.sum(side**2)

    wanted, slope = jax.jit(jax.value_and_grad(plain))(flat)
    assert float(value) == pytest.approx(float(wanted), rel=1e-14)
    np.testing.assert_allclose(gradient, slope, rtol=0, atol=1e-13 * np.abs(gradient).max())


@pytest.mark.parametrize("size", [10, 512])
def test_normal_equations_are_those_of_the_dense_jacobian(size: int) -> None:
    counts, flat = (30, 8), jnp.asarray(FLAT)
    value, right, left = jax.jit(_objective().normal_equations)(flat, _batches(counts, size))
    residual, jacobian = jax.jit(lambda v: (_residuals(v, counts), jax.jacrev(_residuals)(v, counts)))(flat)
    assert jacobian.shape == (68, P)
    assert float(value) == pytest.approx(float(residual @ residual), rel=1e-14)
    np.testing.assert_allclose(right, jacobian.T @ residual, rtol=0, atol=1e-13 * np.abs(right).max())
    np.testing.assert_allclose(left, jacobian.T @ jacobian, rtol=0, atol=1e-13 * np.abs(left).max())
    gradient = VALUE(flat, _batches(counts, size))[1]
    np.testing.assert_allclose(2 * right, gradient, rtol=0, atol=1e-13 * np.abs(gradient).max())


def test_sizes_are_norms_over_the_rows_in_the_order_of_the_blocks() -> None:
    batch = _batches()[0]
    found = _objective().sizes(jnp.asarray(FLAT), 0, batch.blocks)
    arrays = {name: jnp.asarray(item) for name, item in _arrays(30, 0).items()}
    expected = jnp.linalg.norm(_equations(_unravel(jnp.asarray(FLAT)), arrays), axis=0)
    assert found.shape == (3, 10)
    np.testing.assert_allclose(found.ravel(), expected, rtol=1e-14)


def test_weights_of_points_scale_the_loss_its_gradient_and_its_normal_equations() -> None:
    term = Term("tanh", lambda w, block: jnp.tanh(w[:, None] * block["x"]))
    rng = np.random.default_rng(1)
    x, weight = rng.normal(size=12), rng.uniform(size=12)
    batch = in_blocks({"x": x, "weight": weight}, [1.0, 3.0], jnp.float64, size=4)
    objective, flat = Objective([term], lambda flat: flat), jnp.asarray([0.4, -0.7])

    def loss(w: jax.Array) -> jax.Array:
        return jnp.mean(weight * (jnp.tanh(w[0] * x) ** 2 + 3 * jnp.tanh(w[1] * x) ** 2))

    value, gradient = jax.jit(objective.value_and_grad)(flat, [batch])
    wanted, slope = jax.jit(jax.value_and_grad(loss))(flat)
    np.testing.assert_allclose(value, wanted, rtol=1e-12)
    np.testing.assert_allclose(gradient, slope, rtol=1e-12)
    value, right, left = jax.jit(objective.normal_equations)(flat, [batch])
    np.testing.assert_allclose(value, wanted, rtol=1e-12)
    np.testing.assert_allclose(2 * right, slope, rtol=1e-12)
    slopes = np.stack([x / np.cosh(0.4 * x) ** 2, x / np.cosh(0.7 * x) ** 2])
    np.testing.assert_allclose(np.diag(left), [1, 3] * (weight * slopes**2).mean(axis=1), rtol=1e-12)
    plain = in_blocks({"x": x}, [1.0, 3.0], jnp.float64, size=4)
    np.testing.assert_array_equal(objective.sizes(flat, 0, plain.blocks), objective.sizes(flat, 0, batch.blocks))


def test_blocks_keep_the_order_of_the_points() -> None:
    arrays = {"points": np.arange(22.0).reshape(2, 11), "data": np.arange(11.0)}
    batch = in_blocks(arrays, [1.0], jnp.float32, 5)
    assert batch.count == 10
    np.testing.assert_array_equal(batch.blocks["data"], [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]])
    np.testing.assert_array_equal(batch.blocks["points"][1], [[5, 6, 7, 8, 9], [16, 17, 18, 19, 20]])
    assert batch.blocks["data"].dtype == batch.weights.dtype == jnp.float32
    few = in_blocks({"points": np.zeros((2, 3))}, [1.0], jnp.float64, 512)
    assert few.count == 3


def test_batches_are_arguments_of_compiled_functions() -> None:
    """New points of the same number need no new program; others do, and both are counted."""
    objective = _objective()
    loss = Compiled(lambda flat, batches: objective.loss(flat, batches))
    before = Compiled.seconds
    flat = jnp.asarray(FLAT)
    first = loss(flat, _batches())
    once = Compiled.seconds
    assert once > before
    moved = tuple(
        Batch({name: item + 0.1 for name, item in batch.blocks.items()}, 2 * batch.weights) for batch in _batches()
    )
    second = loss(flat, moved)
    assert Compiled.seconds == once
    assert float(second) == pytest.approx(float(objective.loss(flat, moved)), rel=1e-14)
    assert float(first) == pytest.approx(float(objective.loss(flat, _batches())), rel=1e-14)
    loss(flat, _batches((40, 8)))
    assert Compiled.seconds > once


def test_static_arguments_make_programs_of_their_own() -> None:
    repeat = Compiled(lambda x, count: jnp.tile(x, count), static="count")
    x = jnp.arange(2.0)
    assert repeat(x, count=2).shape == (4,)
    assert repeat(x, count=3).shape == (6,)
    assert repeat(x, count=2).tolist() == [0, 1, 0, 1]
