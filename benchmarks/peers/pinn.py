"""Adam on a physics-informed network: the JAX engine against DeepXDE (PyTorch), iterations per second.

Burgers between walls (nu = 0.01 / pi, x in [-1, 1], t in [0, 1]), a 3 x 20 tanh network, all conditions in the loss.
As many points as in DeepXDE's example of this problem: the equation on 2,540 + 80 + 160, the walls on 80, the start on
160. DeepXDE is used as its documentation does; both sides get the same points, and must agree on the loss of the same
weights. They take turns; compilation is left out; a run is one call that trains for so many iterations. The last line
is that of the precision with the smaller ratio.

    python benchmarks/peers/pinn.py [--iterations 300] [--repeats 5] [--threads 1]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

EQUATION, SIDE, START = 2540 + 80 + 160, 40, 160  # points
WIDTH, DEPTH = 20, 3
VISCOSITY = 0.01 / np.pi
Run = Callable[[], float]  # seconds of one run


def our_side(precision: str, iterations: int) -> tuple[Run, float, list[np.ndarray], Any]:
    """A run, the loss of the weights at the beginning, the points of each term (D, N) and these weights."""
    import jax
    import jax.numpy as jnp
    from jax.flatten_util import ravel_pytree

    from sciflow.pinn.eulerian import Eulerian
    from sciflow.pinn.objective import Batch, Objective
    from sciflow.pinn.optimise import build
    from sciflow.pinn.settings import Settings
    from sciflow.problems import get

    problem = get("burgers-dirichlet")
    chosen = {"width": WIDTH, "depth": DEPTH, "hard": False, "points": EQUATION, "boundary_points": START}
    with jax.enable_x64(precision == "float64"):
        system = Eulerian.of(
            problem, problem.sample(1, nu=VISCOSITY)[0], Settings.make({**chosen, "precision": precision})
        )
        counts = {"equations": None, "u x-": SIDE, "u x+": SIDE, "u t-": START}
        batches = [
            Batch({name: item[..., : counts[term.name]] for name, item in batch.blocks.items()}, batch.weights)
            for term, batch in zip(system.terms, system.draw(np.random.default_rng(0), None), strict=True)
        ]
        assert [batch.count for batch in batches] == [EQUATION, SIDE, SIDE, START]
        flat, unravel = ravel_pytree(system.init(jax.random.key(0)))
        flat = flat + 0.3 * jnp.asarray(np.random.default_rng(1).normal(size=flat.shape), flat.dtype)
        objective = Objective(system.terms, unravel)
        loss = float(jax.jit(objective.loss)(flat, batches))
        optimiser = build("adam", objective, iterations, {"rate": 1e-3, "last": 1.0})
        places = [np.concatenate(np.asarray(batch.blocks["points"]), axis=1) for batch in batches]
        now: list[Any] = [flat, optimiser.init(flat)]

    def run() -> float:
        with jax.enable_x64(precision == "float64"):
            begun = time.perf_counter()
            now[0], now[1], losses, _ = optimiser.advance(now[0], now[1], batches, iterations)
            assert np.isfinite(np.asarray(losses)).all()
            return time.perf_counter() - begun

    return run, loss, places, jax.tree.map(np.asarray, unravel(flat))


def deepxde_side(precision: str, iterations: int, places: list[np.ndarray], weights: Any) -> tuple[Run, float]:
    """A run, and the loss of these weights at these points."""
    import deepxde as dde
    import torch

    dde.config.set_default_float(precision)

    def equation(x: Any, u: Any) -> Any:
        u_x, u_t = dde.grad.jacobian(u, x, i=0, j=0), dde.grad.jacobian(u, x, i=0, j=1)
        return u_t + u * u_x - VISCOSITY * dde.grad.hessian(u, x, i=0, j=0)

    inside, left, right, begin = (points[::-1].T for points in places)  # DeepXDE has the time last
    start = -np.sin(np.pi * begin[:, :1])
    conditions = [dde.icbc.PointSetBC(left, 0.0), dde.icbc.PointSetBC(right, 0.0), dde.icbc.PointSetBC(begin, start)]
    domain = dde.geometry.GeometryXTime(dde.geometry.Interval(-1, 1), dde.geometry.TimeDomain(0, 1))
    data = dde.data.TimePDE(domain, equation, conditions, anchors=np.ascontiguousarray(inside))
    network = dde.nn.FNN([2, *[WIDTH] * DEPTH, 1], "tanh", "Glorot normal")
    with torch.no_grad():
        for layer, own in zip(network.linears, weights, strict=True):
            layer.weight.copy_(torch.as_tensor(own["w"].copy()))
            layer.bias.copy_(torch.as_tensor(own["b"][:, 0].copy()))
        first = network.linears[0]  # ours sees 2 t - 1 and x
        first.bias -= first.weight[:, 0]
        first.weight.copy_(torch.stack([first.weight[:, 1], 2 * first.weight[:, 0]], dim=1))
    model = dde.Model(data, network)
    model.compile("adam", lr=1e-3, verbose=0)
    clock, times = dde.callbacks.Callback(), []
    clock.on_train_begin = clock.on_train_end = lambda: times.append(time.perf_counter())

    def run() -> float:
        times.clear()
        # Two evaluations of the loss after the last iteration are included.
        model.train(iterations=iterations, display_every=10**9, callbacks=[clock], verbose=0)
        return times[1] - times[0]

    model.train(iterations=1, verbose=0)
    return run, float(np.sum(model.losshistory.loss_train[0]))


def main() -> None:
    """Parse the options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("iterations", 300), ("repeats", 5), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    os.environ["DDE_BACKEND"] = "pytorch"
    os.environ["OMP_NUM_THREADS"] = str(options.threads)  # before torch and JAX start
    if options.threads == 1:
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    import torch

    torch.set_num_threads(options.threads)
    runs: dict[tuple[str, str], Run] = {}
    for precision, tolerance in (("float32", 1e-4), ("float64", 1e-10)):
        ours, loss, places, weights = our_side(precision, options.iterations)
        peer, expected = deepxde_side(precision, options.iterations, places, weights)
        print(f"{precision}: loss of the same weights {loss:.12g}, of DeepXDE {expected:.12g}")
        if not abs(loss - expected) < tolerance * expected:
            raise SystemExit("The two sides do not compute the same loss.")
        runs |= {(precision, "ours"): ours, (precision, "peer"): peer}
    rates: dict[tuple[str, str], list[float]] = {key: [] for key in runs}
    for repeat in range(options.repeats + 1):
        for key, run in runs.items():
            seconds = run()
            if repeat:  # the first compiles
                rates[key].append(options.iterations / seconds)
    device = f"cpu ({platform.machine()}, {options.threads} threads)"
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else device
    results = []
    for precision in ("float32", "float64"):
        ours_, peer_ = (statistics.median(rates[precision, side]) for side in ("ours", "peer"))
        figures = {"ours": round(ours_, 1), "peer": round(peer_, 1), "ratio": round(ours_ / peer_, 3)}
        results.append({"name": f"pinn, {precision}", **figures, "unit": "iterations/s", "device": device})
    for result in results:
        print(json.dumps(result))
    print(json.dumps(min(results, key=lambda result: result["ratio"])))


if __name__ == "__main__":
    main()
