"""Ways to differentiate a network in a PDE residual: milliseconds for a loss and its gradient in the weights.

A 4 x 50 tanh network in float32 at 10,000 points; the residuals are those of the catalogue: heat (u_xx), Korteweg-de
Vries (u_xxx), Kuramoto-Sivashinsky (u_xxxx) and 2-D Navier-Stokes (first and second derivatives of two fields). The row
"sciflow" is `problem.residual(engine)`; the others compute the same equations from derivatives by one fixed way. Plain
nested reverse mode, one gradient for each derivative with lower ones reused, is what DeepXDE and most other code does;
it is the peer of the last line, in JAX, summed over the problems. All ways take turns, and must agree on the loss.

    python benchmarks/peers/derivatives.py [--points 10000] [--repeats 7] [--threads 1]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import numpy as np

PROBLEMS = {
    "heat": "heat, u_xx",
    "kdv": "Korteweg-de Vries, u_xxx",
    "kuramoto-sivashinsky": "Kuramoto-Sivashinsky, u_xxxx",
    "navier-stokes-2d": "Navier-Stokes 2-D",
}
Run = Callable[[], float]  # one loss and gradient; gives the loss


def lower_of(orders: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """The last axis of a derivative, and the orders without one derivative along it."""
    axis = max(index for index, order in enumerate(orders) if order)
    return axis, tuple(order - (index == axis) for index, order in enumerate(orders))


def layers(inputs: int, outputs: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights and biases of the network."""
    random = np.random.default_rng(0)
    sizes = [inputs, 50, 50, 50, 50, outputs]
    return [
        (random.normal(size=(a, b)).astype("f4") / np.sqrt(a, dtype="f4"), random.normal(size=b).astype("f4") / 10)
        for a, b in itertools.pairwise(sizes)
    ]


def network(weights: Any, tanh: Callable[[Any], Any], points: Any) -> Any:
    """Fields [N, F] at points [N, D]."""
    for weight, bias in weights[:-1]:
        points = tanh(points @ weight + bias)
    return points @ weights[-1][0] + weights[-1][1]


def torch_ways(problem: Any, where: np.ndarray) -> dict[str, Run]:
    """Runs by name."""
    import torch

    from sciflow.problems.residual.common import Equations

    equations, own = Equations(problem, "torch"), problem.residual("torch")
    column = {info.name: index for index, info in enumerate(problem.fields)}
    weights = [
        tuple(torch.tensor(array, requires_grad=True) for array in layer)
        for layer in layers(where.shape[1], len(column))
    ]
    leaves, data = [array for layer in weights for array in layer], torch.tensor(where)
    nothing = (0,) * where.shape[1]

    def net(points: Any) -> Any:
        return network(weights, torch.tanh, points)

    def along(points: Any, axis: int) -> Any:
        return torch.zeros_like(points).index_fill(1, torch.tensor(axis), 1.0)

    def reverse() -> Callable[[str, tuple[int, ...]], Any]:
        points = data.clone().requires_grad_(True)
        output, known = net(points), {}

        def derivative(name: str, orders: tuple[int, ...]) -> Any:
            if (name, orders) not in known:
                if orders == nothing:
                    return output[:, column[name]]
                axis, lower = lower_of(orders)
                below = derivative(name, lower)
                known[name, orders] = torch.autograd.grad(below.sum(), points, create_graph=True)[0][:, axis]
            return known[name, orders]

        return derivative

    def forward() -> Callable[[str, tuple[int, ...]], Any]:
        def level(orders: tuple[int, ...]) -> Callable:
            if orders == nothing:
                return net
            axis, lower = lower_of(orders)
            return lambda points: torch.func.jvp(level(lower), (points,), (along(points, axis),))[1]

        return cached(level, data, column)

    def mixed() -> Callable[[str, tuple[int, ...]], Any]:
        def slopes(points: Any) -> Any:  # [N, F, D] by reverse mode
            output, back = torch.func.vjp(net, points)
            eye = torch.eye(output.shape[1])
            return torch.stack([back(row.expand_as(output).contiguous())[0] for row in eye], dim=1)

        def level(orders: tuple[int, ...]) -> Callable:
            if orders == nothing:
                return net
            axis, lower = lower_of(orders)
            if lower == nothing:
                return lambda points: slopes(points)[:, :, axis]
            return lambda points: torch.func.jvp(level(lower), (points,), (along(points, axis),))[1]

        return cached(level, data, column)

    positions = {symbol.name: data[:, index] for index, symbol in enumerate(problem.coordinates)}

    def by(way: Callable) -> dict[str, Any]:
        return equations.evaluate(way(), positions, {})

    def timed(residuals: Callable[[], dict[str, Any]]) -> Run:
        def run() -> float:
            loss = sum(value.square().mean() for value in residuals().values())
            torch.autograd.grad(loss, leaves, allow_unused=True)
            return loss.item()

        return run

    ways = {"nested reverse": reverse, "nested jvp": forward, "jvp over reverse": mixed}
    runs = {name: timed(partial(by, way)) for name, way in ways.items()}
    return {"sciflow": timed(lambda: own(net, data)), **runs}


def cached(level: Callable, points: Any, column: dict[str, int]) -> Callable[[str, tuple[int, ...]], Any]:
    """Look-up of derivatives that are functions of the points."""
    known: dict[tuple[int, ...], Any] = {}

    def derivative(name: str, orders: tuple[int, ...]) -> Any:
        if orders not in known:
            known[orders] = level(orders)(points)
        return known[orders][:, column[name]]

    return derivative


def jax_ways(problem: Any, where: np.ndarray) -> dict[str, Run]:
    """Runs by name."""
    import jax
    import jax.numpy as jnp

    from sciflow.problems.residual.common import Equations

    equations, own = Equations(problem, "jax"), problem.residual("jax")
    column = {info.name: index for index, info in enumerate(problem.fields)}
    weights, data = jax.tree.map(jnp.asarray, layers(where.shape[1], len(column))), jnp.asarray(where)
    nothing = (0,) * where.shape[1]

    def forward(weights: Any, points: Any) -> Callable[[str, tuple[int, ...]], Any]:
        def level(orders: tuple[int, ...]) -> Callable:
            if orders == nothing:
                return lambda p: network(weights, jnp.tanh, p)
            axis, lower = lower_of(orders)
            direction = jnp.zeros_like(points).at[:, axis].set(1.0)
            return lambda p: jax.jvp(level(lower), (p,), (direction,))[1]

        return cached(level, points, column)

    def reverse(weights: Any, points: Any) -> Callable[[str, tuple[int, ...]], Any]:
        def single(name: str, orders: tuple[int, ...]) -> Callable:
            if orders == nothing:
                return lambda point: network(weights, jnp.tanh, point[None])[0, column[name]]
            axis, lower = lower_of(orders)
            return lambda point: jax.grad(single(name, lower))(point)[axis]

        return lambda name, orders: jax.vmap(single(name, orders))(points)

    def by(way: Callable) -> Callable[[Any, Any], dict[str, Any]]:
        def residuals(weights: Any, points: Any) -> dict[str, Any]:
            positions = {symbol.name: points[:, index] for index, symbol in enumerate(problem.coordinates)}
            return equations.evaluate(way(weights, points), positions, {})

        return residuals

    def timed(residuals: Callable[[Any, Any], dict[str, Any]]) -> Run:
        def loss(weights: Any, points: Any) -> Any:
            return sum((value**2).mean() for value in residuals(weights, points).values())

        compiled = jax.jit(jax.value_and_grad(loss))
        return lambda: float(jax.block_until_ready(compiled(weights, data))[0])

    runs = {"nested reverse": timed(by(reverse)), "nested jvp": timed(by(forward))}
    mine = timed(lambda weights, points: own(lambda p: network(weights, jnp.tanh, p), points))
    return {"sciflow": mine, **runs}


def measure(problem: str, points: int, repeats: int) -> dict[str, float]:
    """Median milliseconds by way; the ways of all engines take turns."""
    from sciflow.problems import get

    declared = get(problem)
    low, high = zip(declared.time or (0.0, 1.0), *declared.bounds().values(), strict=True)
    where = np.random.default_rng(1).uniform(low, high, (points, len(low))).astype(np.float32)
    runs = {
        f"{engine}, {name}": run
        for engine, ways in (("torch", torch_ways), ("jax", jax_ways))
        for name, run in ways(declared, where).items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    losses = {name: run() for name, run in runs.items()}  # compiles, and warms the caches
    assert np.allclose(list(losses.values()), losses["torch, sciflow"], rtol=1e-3), losses
    for _ in range(repeats):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begin)
    return {name: 1e3 * median(taken) for name, taken in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("points", 10_000), ("repeats", 7), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)  # before torch and JAX start
    if options.threads == 1:
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    table = {name: measure(name, options.points, options.repeats) for name in PROBLEMS}
    print(f"{'ms for loss and gradient':28s}" + "".join(f"{title:>31s}" for title in PROBLEMS.values()))
    for way in table["heat"]:
        print(f"{way:28s}" + "".join(f"{table[name][way]:31.1f}" for name in PROBLEMS))
    ours = sum(row["jax, sciflow"] for row in table.values())
    peer = sum(row["jax, nested reverse"] for row in table.values())
    result = {
        "name": "derivatives",
        "ours": round(ours, 1),
        "peer": round(peer, 1),
        "ratio": round(peer / ours, 3),
        "unit": "ms",
        "device": f"cpu ({platform.machine()}, {options.threads} threads)",
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
