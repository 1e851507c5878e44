"""Ways to differentiate: Taylor series are exact, are used where faster, and give way where they do not exist."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from sciflow.problems import Box, Field, Parameter, Problem, coordinates
from sciflow.problems.residual import autograd_jax

t, x, y = coordinates("t x y")
u = Field("u")(t, x)
NU = Parameter("nu", 0.7)
RATES = {
    "second": NU * u.diff(x, 2) - u * u.diff(x),
    "third": -u * u.diff(x) - NU * u.diff(x, 3),
    "fourth": -u * u.diff(x) - u.diff(x, 2) - NU * u.diff(x, 4),
}


def _problem(order: str) -> Problem:
    return Problem(
        name=order,
        fields=[u],
        parameters=[NU],
        domain=Box(x=(0, 1)),
        periodic=["x"],
        evolution={u: RATES[order]},
    )


def _weights(width: int = 12) -> list[tuple[np.ndarray, np.ndarray]]:
    random = np.random.default_rng(0)
    sizes = [2, width, width, 1]
    return [(random.normal(size=(a, b)) / np.sqrt(a), random.normal(size=b)) for a, b in itertools.pairwise(sizes)]


def _net(weights: Any, activation: Callable, points: Any) -> Any:
    for weight, bias in weights[:-1]:
        points = activation(points @ weight + bias)
    return points @ weights[-1][0] + weights[-1][1]


def _jax_loss(problem: Problem, activation: Callable, points: np.ndarray) -> tuple[float, list[np.ndarray], float]:
    """Loss, its gradient in the weights and in nu."""
    residual = problem.residual("jax")

    def loss(weights: Any, nu: jax.Array) -> jax.Array:
        found = residual(lambda p: _net(weights, activation, p), jnp.asarray(points), nu=nu)["u"]
        return (found**2).mean()

    weights = jax.tree.map(jnp.asarray, _weights())
    value, (slopes, slope) = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))(weights, 0.7)
    return float(value), [np.asarray(leaf) for leaf in jax.tree.leaves(slopes)], float(slope)


def _torch_loss(problem: Problem, points: np.ndarray) -> tuple[float, list[np.ndarray], float]:
    weights = [tuple(torch.tensor(array, requires_grad=True) for array in layer) for layer in _weights()]
    nu = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    net = lambda p: _net(weights, torch.tanh, p)  # noqa: E731
    value = problem.residual("torch")(net, torch.tensor(points), nu=nu)["u"].square().mean()
    leaves = [array for layer in weights for array in layer]
    *slopes, slope = torch.autograd.grad(value, [*leaves, nu], materialize_grads=True)
    return value.item(), [found.numpy() for found in slopes], slope.item()


POINTS = np.random.default_rng(1).random((30, 2))


@pytest.mark.parametrize("order", ["third", "fourth"])
def test_series_nested_jvp_and_reverse_mode_agree_with_gradients(order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = _problem(order)
    with jax.enable_x64(True):
        assert len(_series_of(problem)) == {"third": 4, "fourth": 5}[order]
        series = _jax_loss(problem, jnp.tanh, POINTS)
        monkeypatch.setattr(autograd_jax, "_SERIES_FROM", 99)
        assert not _series_of(problem)
        nested = _jax_loss(problem, jnp.tanh, POINTS)
    reverse = _torch_loss(problem, POINTS)
    assert abs(reverse[2]) > 1e-3
    for other in (nested, reverse):
        assert series[0] == pytest.approx(other[0], rel=1e-10)
        assert series[2] == pytest.approx(other[2], rel=1e-10)
        size = max(np.abs(slope).max() for slope in other[1])
        for ours, theirs in zip(series[1], other[1], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10 * size)


def test_low_orders_take_no_series() -> None:
    assert not _series_of(_problem("second"))


def _series_of(problem: Problem) -> dict:
    wanted = [orders for _, orders in problem.residual("jax")._equations.compiled.derivatives]
    return autograd_jax._series(lambda p: jnp.tanh(p[:, :1] * p[:, 1:]), jnp.asarray(POINTS), wanted)


@pytest.mark.parametrize("name", ["softplus", "arctan", "checkpoint"])
def test_networks_without_a_rule_for_series_are_differentiated_by_jvp(name: str) -> None:
    activation = {"softplus": jax.nn.softplus, "arctan": jnp.arctan, "checkpoint": jax.checkpoint(jnp.tanh)}[name]
    in_torch = {"softplus": torch.nn.functional.softplus, "arctan": torch.arctan, "checkpoint": torch.tanh}[name]
    problem = _problem("third")
    weights = _weights()
    with jax.enable_x64(True):
        net = lambda p: _net(jax.tree.map(jnp.asarray, weights), activation, p)  # noqa: E731
        found = jax.jit(lambda p: problem.residual("jax")(net, p)["u"])(jnp.asarray(POINTS))
    other = lambda p: _net([tuple(map(torch.tensor, layer)) for layer in weights], in_torch, p)  # noqa: E731
    expected = problem.residual("torch")(other, torch.tensor(POINTS))["u"].detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11 * np.abs(expected).max())


def test_mixed_derivatives_stand_beside_series() -> None:
    w = Field("w")(t, x, y)
    problem = Problem(
        name="mixed",
        fields=[w],
        domain=Box(x=(0, 1), y=(0, 1)),
        evolution={w: w.diff(x, 4) + 2 * w.diff(x, 2, y, 2) + w.diff(y, 4) + w.diff(x, y)},
    )
    points = np.random.default_rng(2).random((20, 3))
    with jax.enable_x64(True):
        field = lambda p: jnp.sin(2 * p[:, :1] + 3 * p[:, 1:2]) * jnp.exp(p[:, 2:])  # noqa: E731
        found = jax.jit(lambda p: problem.residual("jax")(field, p)["w"])(jnp.asarray(points))
    wave, slope = (f(2 * points[:, 0] + 3 * points[:, 1]) * np.exp(points[:, 2]) for f in (np.sin, np.cos))
    # w_xxxx = 81 w, w_xxyy = -9 w, w_yyyy = w, w_xy = 3 cos, w_t = 2 cos
    np.testing.assert_allclose(found, 2 * slope - (81 - 18 + 1) * wave - 3 * slope, rtol=0, atol=1e-10)
