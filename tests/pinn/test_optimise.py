from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from sciflow.core.errors import InputError
from sciflow.pinn.objective import Batch, Objective, Term
from sciflow.pinn.optimise import build
from sciflow.pinn.optimise.broyden import Dense
from sciflow.pinn.optimise.descent import Pair
from sciflow.pinn.optimise.lbfgs import Limited
from sciflow.pinn.optimise.search import search


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def _least_squares(matrix: np.ndarray, target: np.ndarray) -> tuple[Objective, list[Batch]]:
    """Mean of (matrix w - target)^2."""
    term = Term("linear", lambda w, block: (block["a"].T @ w - block["b"])[None])
    blocks = {"a": jnp.asarray(matrix.T)[None], "b": jnp.asarray(target)[None]}
    return Objective([term], lambda flat: flat), [Batch(blocks, jnp.ones(1))]


def _rosenbrock(size: int) -> tuple[Objective, list[Batch]]:
    """Mean of 100 (w_{i+1} - w_i^2)^2 + (1 - w_i)^2, with a minimum of 0 at ones."""

    def rows(w: jax.Array, block: Any) -> jax.Array:
        i = block["i"].astype(int)
        return jnp.stack([10 * (w[i + 1] - w[i] ** 2), 1 - w[i]])

    return Objective([Term("rosenbrock", rows)], lambda flat: flat), [
        Batch({"i": jnp.arange(size - 1.0)[None]}, jnp.ones(2))
    ]


def _run(name: str, options: dict, problem: tuple[Objective, list[Batch]], start: np.ndarray, steps: int) -> Any:
    objective, batches = problem
    method = build(name, objective, steps, options)
    flat = jnp.asarray(start)
    return method.advance(flat, method.init(flat), batches, steps)


def _positive(rng: np.random.Generator, size: int, spread: float) -> np.ndarray:
    """A symmetric matrix with eigenvalues between 10^-spread and 10^spread."""
    turn = np.linalg.qr(rng.normal(size=(size, size)))[0]
    return (turn * 10 ** rng.uniform(-spread, spread, size)) @ turn.T


def _broyden(h_inverse: np.ndarray, s: np.ndarray, y: np.ndarray, hessian: np.ndarray) -> tuple[np.ndarray, float]:
    """The update of Urban et al. (2025), equations 13 to 23, written with both matrices; and its theta."""
    ys = y @ s
    hy = h_inverse @ y
    h, b = y @ hy / ys, s @ hessian @ s / ys
    a = h * b - 1
    c = np.sqrt(a / (a + 1))
    rho_minus = min(1, h * (1 - c))
    theta = max((rho_minus - 1) / a, min(1 / rho_minus, (1 - b) / b))
    sigma = 1 + a * theta
    scale = sigma ** (1 / (1 - len(s)))
    rho = min(1, 1 / b)
    tau = min(rho * scale, sigma) if theta <= 0 else rho * min(scale, 1 / theta)
    phi = (1 - theta) / (1 + a * theta)
    v = np.sqrt(y @ hy) * (s / ys - hy / (y @ hy))
    return (h_inverse - np.outer(hy, hy) / (y @ hy) + phi * np.outer(v, v)) / tau + np.outer(s, s) / ys, theta


@pytest.mark.parametrize("name", ["broyden", "lbfgs"])
def test_a_quadratic_is_minimised_in_about_as_many_steps_as_it_has_weights(name: str) -> None:
    rng = np.random.default_rng(0)
    matrix, target = rng.normal(size=(40, 12)), rng.normal(size=40)
    exact = np.linalg.lstsq(matrix, target, rcond=None)[0]
    objective, batches = _least_squares(matrix, target)
    method = build(name, objective, 60, {})
    flat, state, losses, reason = method.advance(jnp.zeros(12), method.init(jnp.zeros(12)), batches, 20)
    assert np.abs(flat - exact).max() < 1e-6
    assert losses[-1] - np.mean((matrix @ exact - target) ** 2) < 1e-13
    assert np.all(np.diff(losses) <= 0)

    for _ in range(2):  # there is nothing more to gain but rounding
        flat, state, losses, reason = method.advance(flat, state, batches, 20)
    assert reason == "no step along the descent direction lowers the loss"
    assert np.abs(flat - exact).max() < 1e-6


@pytest.mark.parametrize("name", ["broyden", "lbfgs", "levenberg-marquardt"])
def test_rosenbrock_its_minimum_and_a_loss_that_is_not_a_number(name: str) -> None:
    objective, batches = _rosenbrock(10)
    method = build(name, objective, 120, {})

    def run(start: float) -> Any:
        flat = jnp.full(10, start)
        return method.advance(flat, method.init(flat), batches, 120)

    flat, _, losses, _ = run(-0.5)
    assert np.abs(flat - 1).max() < 1e-9
    assert np.all(np.diff(losses) <= 0)

    flat, _, losses, reason = run(1.0)
    assert np.all(flat == 1) and np.all(losses == 0)
    assert reason == ("no damping lowers the loss" if name == "levenberg-marquardt" else "the gradient is zero")

    assert np.isnan(run(np.nan)[2]).all()  # so that the training can say it


def test_levenberg_marquardt_solves_linear_least_squares_in_one_undamped_step() -> None:
    rng = np.random.default_rng(1)
    matrix, target = rng.normal(size=(30, 8)), rng.normal(size=30)
    exact = np.linalg.lstsq(matrix, target, rcond=None)[0]
    flat, _, losses, reason = _run(
        "levenberg-marquardt", {"damping": 0.0}, _least_squares(matrix, target), np.ones(8), 3
    )
    np.testing.assert_allclose(losses[0], np.mean((matrix @ exact - target) ** 2), rtol=1e-14)
    np.testing.assert_allclose(flat, exact, atol=1e-13)
    assert reason == "no damping lowers the loss"


def test_levenberg_marquardt_raises_a_damping_of_zero_where_it_fails() -> None:
    problem = (
        Objective([Term("arc", lambda w, block: jnp.arctan(w)[:, None])], lambda flat: flat),
        [Batch({"x": jnp.zeros((1, 1))}, jnp.ones(1))],
    )
    flat, *_ = _run("levenberg-marquardt", {"damping": 0.0}, problem, np.array([3.0]), 60)
    assert abs(flat[0]) < 1e-12  # from 3 the undamped step leads to -9.5


@pytest.mark.parametrize("size", [1, 2, 30])
def test_updates_meet_the_secant_equation_and_stay_positive(size: int) -> None:
    rng = np.random.default_rng(size)
    for _ in range(10):
        inverse, true = _positive(rng, size, 2), _positive(rng, size, 2)
        gradient = rng.normal(size=size)
        length = rng.uniform(0.1, 2)
        s = -length * inverse @ gradient
        pair = Pair(*map(jnp.asarray, (s, true @ s, gradient, length)))
        found = np.asarray(Dense().updated(jnp.asarray(inverse), pair))
        np.testing.assert_allclose(found @ pair.y, s, rtol=1e-7, atol=1e-7 * np.abs(s).max())
        np.testing.assert_allclose(found, found.T, atol=1e-9 * np.abs(found).max())
        assert np.linalg.eigvalsh(found).min() > 0


def test_self_scaled_updates_are_those_of_the_paper() -> None:
    rng = np.random.default_rng(3)
    thetas = []
    for _ in range(40):
        inverse, true = _positive(rng, 6, 1), _positive(rng, 6, 1)
        gradient, length = rng.normal(size=6), rng.uniform(0.1, 2)
        s = -length * inverse @ gradient
        y = true @ s
        pair = Pair(*map(jnp.asarray, (s, y, gradient, length)))
        expected, theta = _broyden(inverse, s, y, np.linalg.inv(inverse))
        np.testing.assert_allclose(Dense().updated(jnp.asarray(inverse), pair), expected, rtol=1e-8, atol=1e-8)
        thetas.append(theta)
    assert min(thetas) < 0 < max(thetas)  # both cases of tau


def test_broyden_steps_use_the_update_of_the_paper() -> None:
    objective, batches = _rosenbrock(4)
    method = build("broyden", objective, 1, {})
    flat, state = jnp.full(4, -0.5), None
    evaluate = jax.jit(lambda w: objective.value_and_grad(w, batches))
    value, gradient = map(np.asarray, evaluate(flat))
    inverse = np.eye(4) / max(np.linalg.norm(gradient), 1)
    for _ in range(8):
        new, state, losses, reason = method.advance(flat, state, batches, 1)
        after = np.asarray(evaluate(new)[1])
        s, y = np.asarray(new - flat), after - gradient
        # The strong Wolfe conditions, or the approximate ones of Hager and Zhang.
        assert losses[-1] <= value + 1e-4 * gradient @ s or after @ s >= (2e-4 - 1) * gradient @ s
        assert abs(after @ s) <= 0.9 * abs(gradient @ s)
        inverse, _ = _broyden(inverse, s, y, np.linalg.inv(inverse))
        np.testing.assert_allclose(state.memory, inverse, rtol=1e-6, atol=1e-9)
        flat, gradient, value = new, after, losses[-1]
        assert reason is None


def test_lbfgs_is_bfgs_of_the_last_pairs() -> None:
    rng = np.random.default_rng(5)
    curvature, true = Limited(history=3), _positive(rng, 7, 1)
    gradient = rng.normal(size=7)
    memory = curvature.begin(jnp.asarray(gradient))
    np.testing.assert_allclose(curvature.times(memory, jnp.asarray(gradient)), gradient / np.linalg.norm(gradient))
    pairs = []
    for _ in range(5):
        s = rng.normal(size=7)
        pairs.append((s, true @ s))
        memory = curvature.updated(memory, Pair(*map(jnp.asarray, (*pairs[-1], gradient, 1.0))))
        s, y = pairs[-1]
        inverse = np.eye(7) * (s @ y) / (y @ y)
        for s, y in pairs[-3:]:
            shift = np.eye(7) - np.outer(s, y) / (s @ y)
            inverse = shift @ inverse @ shift.T + np.outer(s, s) / (s @ y)
        np.testing.assert_allclose(curvature.times(memory, jnp.asarray(gradient)), inverse @ gradient, rtol=1e-9)


def test_descent_keeps_its_memory_where_points_change_and_drops_one_that_leads_uphill() -> None:
    rng = np.random.default_rng(2)
    (objective, first), (_, second) = (_least_squares(rng.normal(size=(20, 4)), rng.normal(size=20)) for _ in range(2))
    method = build("broyden", objective, 1, {})
    flat, state, *_ = method.advance(jnp.zeros(4), method.init(jnp.zeros(4)), first, 1)
    memory = np.asarray(state.memory)
    value, gradient = jax.jit(objective.value_and_grad)(flat, second)

    new, kept, losses, _ = method.advance(flat, state, second, 1)
    step, expected = new - flat, -memory @ gradient
    np.testing.assert_allclose(step / np.linalg.norm(step), expected / np.linalg.norm(expected), rtol=1e-12)
    assert losses[-1] < value

    bad = kept._replace(memory=-jnp.eye(4))
    new, dropped, losses, reason = method.advance(flat, bad, second, 1)
    step = new - flat
    np.testing.assert_allclose(step / np.linalg.norm(step), -gradient / np.linalg.norm(gradient), rtol=1e-12)
    np.testing.assert_allclose(dropped.memory, np.eye(4) / max(1, np.linalg.norm(gradient)), rtol=1e-12)
    assert losses[-1] < value and reason is None and bool(dropped.fresh)


def _affine(rng: np.random.Generator, columns: np.ndarray) -> tuple[Objective, list[Batch], np.ndarray, Any]:
    """Mean over points x of |W x + b - target|^2; also the flat start and a function of the weights that unravels."""
    inputs = columns @ rng.normal(size=(4, 50))
    target = rng.normal(size=(3, 4)) @ inputs + rng.normal(size=(3, 1)) + 0.1 * rng.normal(size=(3, 50))
    start, unravel = ravel_pytree({"b": jnp.zeros((3, 1)), "w": jnp.asarray(rng.normal(size=(3, 4)))})
    term = Term("affine", lambda tree, block: tree["w"] @ block["x"] + tree["b"] - block["y"])
    blocks = {"x": jnp.asarray(inputs)[None], "y": jnp.asarray(target)[None]}
    return Objective([term], unravel), [Batch(blocks, jnp.ones(3))], np.asarray(start), unravel


def test_soap_is_the_algorithm_of_the_paper() -> None:
    rng = np.random.default_rng(7)
    objective, batches, start, unravel = _affine(rng, np.eye(4))
    x, y = (np.asarray(batches[0].blocks[name][0]) for name in "xy")
    steps, every, top, last = 40, 3, 0.02, 0.1
    method = build("soap", objective, steps, {"rate": top, "last": last, "warmup": 0.1, "every": every})
    flat, state, losses = jnp.asarray(start), method.init(jnp.asarray(start)), []
    for count in (7, steps - 7):  # the same in two calls as in one
        flat, state, part, reason = method.advance(flat, state, batches, count)
        losses += part.tolist()
        assert reason is None

    tree = jax.tree.map(np.array, unravel(jnp.asarray(start)))
    w, b = tree["w"], tree["b"]
    first, second, epsilon = 0.95, 0.95, 1e-8

    def gradients() -> tuple[float, np.ndarray, np.ndarray]:
        error = w @ x + b - y
        return np.sum(error**2) / 50, 2 * error @ x.T / 50, 2 * error.sum(axis=1, keepdims=True) / 50

    _, g, _ = gradients()
    left, right = g @ g.T, g.T @ g
    ql, qr = (np.linalg.eigh(item)[1][:, ::-1] for item in (left, right))
    m, v, mb, vb = np.zeros((3, 4)), np.zeros((3, 4)), np.zeros((3, 1)), np.zeros((3, 1))
    for t in range(1, steps + 1):
        rate = top * (
            (1 / 5 + (t - 1) / 4 * 4 / 5)
            if t <= 4
            else last + (1 - last) * (1 + np.cos(np.pi * (t - 1 - 4) / (steps - 4))) / 2
        )
        loss, g, gb = gradients()
        np.testing.assert_allclose(losses[t - 1], loss, rtol=1e-7)
        m, mb = first * m + (1 - first) * g, first * mb + (1 - first) * gb
        v = second * v + (1 - second) * (ql.T @ g @ qr) ** 2
        vb = second * vb + (1 - second) * gb**2
        n = (ql.T @ m @ qr / (1 - first**t)) / (np.sqrt(v / (1 - second**t)) + epsilon)
        w = w - rate * ql @ n @ qr.T
        b = b - rate * (mb / (1 - first**t)) / (np.sqrt(vb / (1 - second**t)) + epsilon)
        left, right = second * left + (1 - second) * g @ g.T, second * right + (1 - second) * g.T @ g
        if t % every == 0:
            ql, qr = np.linalg.qr(left @ ql)[0], np.linalg.qr(right @ qr)[0]
    found = unravel(flat)
    # The first gradient is diagonal in its own basis but for rounding, which epsilon does not quite suppress.
    np.testing.assert_allclose(found["w"], w, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(found["b"], b, rtol=1e-8, atol=1e-8)


def test_soap_turns_into_the_axes_of_a_badly_conditioned_loss() -> None:
    rng = np.random.default_rng(8)
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    problem = _affine(rng, turn * np.array([10.0, 3.0, 0.5, 0.05]))[:2]
    blocks = {name: np.asarray(item[0]) for name, item in problem[1][0].blocks.items()}
    rows = np.concatenate([blocks["x"], np.ones((1, 50))]).T
    least = np.linalg.lstsq(rows, blocks["y"].T, rcond=None)[1].sum() / 50
    adam, soap = (_run(name, {"rate": 0.1}, problem, np.zeros(15), 400)[2][-1] - least for name in ("adam", "soap"))
    assert 0 < soap < 0.1 * adam


def test_bad_optimisers_and_options() -> None:
    objective, _ = _rosenbrock(3)
    with pytest.raises(InputError, match="no optimiser 'sopa'.*soap"):
        build("sopa", objective, 10, {})
    with pytest.raises(InputError, match="'lbfgs' does not take these options.*memory"):
        build("lbfgs", objective, 10, {"memory": 5})
    with pytest.raises(InputError, match="history=0"):
        build("lbfgs", objective, 10, {"history": 0})
    with pytest.raises(InputError, match="'broyden' does not take these options.*update"):
        build("broyden", objective, 10, {"update": "bfgs"})
    with pytest.raises(InputError, match="every >= 1"):
        build("soap", objective, 10, {"every": 0})


def test_a_line_search_ends_where_the_strong_wolfe_conditions_hold() -> None:
    functions = [
        lambda x: (x - 0.9) ** 2,
        lambda x: (1e5 * x - 1) ** 2,  # the first trial is far too long
        lambda x: (x / 500 - 1) ** 2,  # the first trial is far too short
        lambda x: -x / (x**2 + 2),  # More and Thuente (1994), ACM Trans. Math. Softw. 20, 286, equation 5.1
        lambda x: (x + 0.004) ** 5 - 2 * (x + 0.004) ** 4,  # equation 5.2 there
        lambda x: jnp.where(x < 0.5, (x - 0.3) ** 2, jnp.nan),
    ]

    def run(index: jax.Array) -> Any:
        function = jax.value_and_grad(lambda x: jax.lax.switch(index, functions, x))

        def on_line(weights: jax.Array) -> Any:
            value, slope = function(weights[0])
            return value, slope[None]

        start = on_line(jnp.zeros(1))
        return start, search(on_line, jnp.zeros(1), jnp.ones(1), *start)

    (values, slopes), found = jax.jit(jax.vmap(run))(jnp.arange(len(functions)))
    assert np.all(found.value <= values + 1e-4 * found.length * slopes[:, 0])
    assert np.all(np.abs(found.gradient[:, 0]) <= 0.9 * np.abs(slopes[:, 0]))
    for function, length, value in zip(functions, found.length, found.value, strict=True):
        np.testing.assert_allclose(value, function(length), rtol=1e-9, atol=1e-12)
