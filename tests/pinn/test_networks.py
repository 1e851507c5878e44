"""Networks on series against the same networks written out in JAX, with nested derivatives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciflow.core.errors import InputError
from sciflow.pinn.networks import Network
from sciflow.pinn.series import Series, closed, stack


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def _plain(weights: Any, depth: int, kind: str, place: jax.Array) -> jax.Array:
    """One point (2,) -> outputs, from the formulas."""
    encoders = [jnp.tanh(layer["w"] @ place + layer["b"][:, 0]) for layer in weights[depth + 1 :]]
    h = place
    for layer in weights[:depth]:
        h = jnp.tanh(layer["w"] @ h + layer["b"][:, 0])
        if kind == "modified":
            h = h * encoders[0] + (1 - h) * encoders[1]
    return weights[depth]["w"] @ h + weights[depth]["b"][:, 0]


@pytest.mark.parametrize("kind", ["mlp", "modified"])
def test_outputs_and_derivatives(kind: Any) -> None:
    network = Network(2, 3, 6, 2, kind)
    weights = network.init(jax.random.key(1), jnp.float64)
    random = np.random.default_rng(0)
    weights = jax.tree.map(lambda w: w + jnp.asarray(random.normal(0, 0.3, w.shape)), weights)  # biases too
    points = random.uniform(-1, 1, (2, 4))
    orders = closed([(2, 0), (1, 1)])
    found = network(
        weights, stack([Series.coordinate(orders, axis, jnp.asarray(row)) for axis, row in enumerate(points)])
    )

    def plain(place: jax.Array) -> jax.Array:
        return _plain(weights, 2, kind, place)

    @jax.jit
    @jax.vmap
    def nested(place: jax.Array) -> tuple[jax.Array, ...]:
        return plain(place), jax.jacfwd(plain)(place), jax.jacfwd(jax.jacfwd(plain))(place)

    value, first, second = nested(jnp.asarray(points.T))
    for order, expected in (
        ((0, 0), value),
        ((0, 1), first[..., 1]),
        ((2, 0), second[..., 0, 0]),
        ((1, 1), second[..., 0, 1]),
    ):
        np.testing.assert_allclose(found.derivative(order).T, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(("kind", "layers"), [("mlp", 4), ("modified", 6)])
def test_fresh_weights_have_the_spread_of_glorot_and_a_small_last_layer(kind: Any, layers: int) -> None:
    network = Network(30, 40, 200, 3, kind)
    weights = network.init(jax.random.key(0), jnp.float32)
    assert len(weights) == layers
    assert {leaf.dtype for leaf in jax.tree.leaves(weights)} == {jnp.dtype("float32")}
    assert all(not np.any(layer["b"]) for layer in weights)
    assert [layer["w"].shape for layer in weights[:4]] == [(200, 30), (200, 200), (200, 200), (40, 200)]
    assert float(weights[1]["w"].std()) == pytest.approx(np.sqrt(2 / 400), rel=0.02)
    assert float(weights[0]["w"].std()) == pytest.approx(np.sqrt(2 / 230), rel=0.04)
    assert float(weights[3]["w"].std()) == pytest.approx(0.1 * np.sqrt(2 / 240), rel=0.04)
    other = network.init(jax.random.key(1), jnp.float32)
    assert not np.allclose(weights[1]["w"], other[1]["w"])


def test_impossible_networks_are_refused() -> None:
    with pytest.raises(InputError, match="width=0"):
        Network(2, 1, 0)
    with pytest.raises(InputError, match="no network 'resnet'"):
        Network(2, 1, kind="resnet")  # type: ignore[arg-type]
