"""Inputs of the network: exact periods with all derivatives, and the unit interval along other coordinates."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciflow.pinn.embedding import Embedding
from sciflow.pinn.networks import Network
from sciflow.pinn.series import closed

LOW, HIGH = -1.5, 2.5


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def _values(times: list[float], places: list[float]) -> dict[str, jax.Array]:
    return {"t": jnp.array(times), "x": jnp.array(places)}


def test_a_network_has_the_period_with_all_derivatives() -> None:
    embedding = Embedding(("t", "x"), ((0.0, 2.0), (LOW, HIGH)), ("x",))
    network = Network(embedding.rows, 2, 8, 2)
    weights = network.init(jax.random.key(0), jnp.float64)
    orders = closed([(1, 4)])
    found = network(weights, embedding(_values([0.3, 0.3, 0.3], [LOW, HIGH, 0.0]), orders))
    for order in orders:
        low, high, inside = np.asarray(found.derivative(order)).T
        size = np.abs(found.derivative(order)).max()
        np.testing.assert_allclose(low, high, rtol=0, atol=1e-13 * size)
        assert np.abs(low - inside).max() > 1e-3 * size


def test_rows_and_their_derivatives() -> None:
    embedding = Embedding(("t", "x"), ((1.0, 3.0), (LOW, HIGH)), ("x",))
    assert embedding.rows == 3
    places = np.array([-1.2, 0.4])
    found = embedding(_values([1.0, 2.5], places.tolist()), closed([(1, 0), (0, 1)]))
    wave = 2 * np.pi / (HIGH - LOW)
    phase = wave * (places - LOW)
    expected = [[-1.0, 0.5], np.cos(phase), np.sin(phase)]
    np.testing.assert_allclose(found.value, expected, rtol=0, atol=1e-14)
    slopes = [[0, 0], -np.sin(phase), np.cos(phase)]
    np.testing.assert_allclose(found.derivative((0, 1)), wave * np.array(slopes), rtol=0, atol=1e-13)
    np.testing.assert_allclose(found.derivative((1, 0)), [[1.0, 1.0], *[[0, 0]] * 2], rtol=0, atol=1e-15)


def test_coordinates_that_are_not_periodic_go_from_minus_one_to_one() -> None:
    embedding = Embedding(("x", "y"), ((LOW, HIGH), (10.0, 30.0)))
    found = embedding({"x": jnp.array([LOW, HIGH]), "y": jnp.array([10.0, 25.0])}, closed([(0, 1)]))
    np.testing.assert_allclose(found.value, [[-1, 1], [-1, 0.5]], rtol=0, atol=1e-15)
    np.testing.assert_allclose(found.derivative((0, 1)), [[0, 0], [0.1, 0.1]], rtol=1e-14)
