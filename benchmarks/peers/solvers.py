"""Reference solver against exponax (equal method) and py-pde (its own method) in one and two dimensions.

    python benchmarks/peers/solvers.py [--repeats N] [--precision float32|float64] [--skip-pypde]

exponax: ETDRK4 on both sides, the same grid, step, precision and number of steps, compiled before timing, one case;
Burgers and Kuramoto-Sivashinsky in exponax's default forms of the same equations. Our side is timed through the solver
behind `simulate`: spectra of two frames from initial spectra, coefficients of the step included. exponax's side is
`exponax.repeat` of its stepper under `jax.jit`, coefficients made beforehand. Repeats alternate between the two.
Before timing, the answers are compared.

py-pde: the time to the same end on the same grid, each choosing its steps: ours takes those of `simulate` (a frame good
to 1e-6; compiled before timing), py-pde integrates its differences of second order by its adaptive explicit
Runge-Kutta scheme at its default tolerance, compiled by numba before timing. In two dimensions the equations are those
of Gray and Scott: py-pde has no periodic stream function in its expressions.

Lines: one for each pair, then JSON {name, ours, peer, ratio, unit, device} of each; a ratio above 1 means that sciflow
is faster; with exponax it is the median of the ratios of neighbouring repeats, which a busy machine disturbs least.
Last line: the pair with exponax that has the lowest ratio.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import exponax
import jax
import jax.numpy as jnp
import numpy as np

from sciflow.problems import get
from sciflow.solvers import build, simulate


@dataclass(frozen=True)
class Pair:
    """One problem on both sides.

    Attributes:
        stepper: exponax's, from (points, dt).
        start: initial field from the coordinates.
    """

    name: str
    points: int
    dt: float
    steps: int
    parameters: dict[str, float]
    stepper: Callable[[int, float], Any]
    start: Callable[..., np.ndarray]


@dataclass(frozen=True)
class Explicit:
    """One problem for py-pde: its time derivatives, and the starts of the fields."""

    name: str
    points: int
    end: float
    parameters: dict[str, float]
    expressions: dict[str, str]
    start: dict[str, Callable[..., np.ndarray]]


PAIRS = [
    Pair(
        "burgers", 256, 1e-4, 5000, {"nu": 0.01},
        lambda n, dt: exponax.stepper.Burgers(1, 1.0, n, dt, diffusivity=0.01, order=4),
        lambda x: np.sin(2 * np.pi * x) + 0.3 * np.cos(4 * np.pi * x),
    ),
    Pair(
        "kuramoto-sivashinsky", 256, 1e-3, 5000, {"length": 22.0},
        lambda n, dt: exponax.stepper.KuramotoSivashinskyConservative(1, 22.0, n, dt, order=4),
        lambda x: np.cos(2 * np.pi * x / 22) + 0.1 * np.sin(4 * np.pi * x / 22),
    ),
    Pair(
        "navier-stokes-2d", 64, 1e-3, 1000, {"nu": 1e-2},
        lambda n, dt: exponax.stepper.NavierStokesVorticity(2, 1.0, n, dt, diffusivity=1e-2, order=4),
        lambda x, y: 10 * (np.cos(2 * np.pi * (x + 2 * y)) + np.sin(4 * np.pi * x) + np.cos(2 * np.pi * (2 * x - y))),
    ),
]  # fmt: skip


EXPLICIT = [
    Explicit(
        "burgers", 256, 0.5, {"nu": 0.01}, {"u": "-u * d_dx(u) + 0.01 * laplace(u)"}, {"u": PAIRS[0].start},
    ),
    Explicit(
        "kuramoto-sivashinsky", 256, 2.0, {"length": 22.0}, {"u": "-u * d_dx(u) - laplace(u + laplace(u))"},
        {"u": PAIRS[1].start},
    ),
    Explicit(
        "gray-scott", 64, 20.0, {"F": 0.04, "k": 0.06},
        {"u": "2e-5 * laplace(u) - u * v**2 + 0.04 * (1 - u)", "v": "1e-5 * laplace(v) + u * v**2 - 0.1 * v"},
        {
            "u": lambda x, y: 0.7 + 0.2 * np.cos(4 * np.pi * x) * np.cos(4 * np.pi * y),
            "v": lambda x, y: 0.3 - 0.1 * np.cos(4 * np.pi * x) + 0.1 * np.sin(4 * np.pi * (x + y)),
        },
    ),
]  # fmt: skip


def mesh(name: str, points: int, parameters: dict[str, float]) -> tuple[list[np.ndarray], float]:
    """Coordinates of our nodes, [(y,) x] each, and the side of the box."""
    bounds = get(name).bounds(parameters)
    (low, high) = bounds["x"]
    axis = low + (high - low) * np.arange(points) / points
    return ([axis] if len(bounds) == 1 else np.meshgrid(axis, axis, indexing="xy")), high - low


def our_steps(pair: Pair, start: np.ndarray) -> Callable[[], np.ndarray]:
    """Run all steps at the given dt, through the registry, from spectra to spectra."""
    from sciflow.solvers.periodic.solver import _advance

    problem = get(pair.name)
    solver: Any = build(problem, pair.points)
    cases = problem.sample(1, 0, **problem.values(pair.parameters))
    system = solver._system(cases, solver.grid(cases))
    values = {name: jnp.asarray([cases[0].values[name]]) for name in problem.values()}
    state = system.modes.forward(jnp.asarray(start)[None, None])

    def run() -> np.ndarray:
        spectra = _advance(system, 1, pair.steps, state, values, jnp.asarray(0.0), pair.dt * pair.steps)
        return np.asarray(system.modes.backward(spectra[0, 1, 0]))

    return run


def their_steps(pair: Pair, start: np.ndarray) -> Callable[[], np.ndarray]:
    """The same by exponax.

    Its stream function has the sign of the vorticity, lap psi = w, which is our flow with x and y exchanged: as its
    first axis is x and ours is the last, the arrays are those of ours.
    """
    rollout = jax.jit(exponax.repeat(pair.stepper(pair.points, pair.dt), pair.steps))
    state = jnp.asarray(start[None])
    return lambda: np.asarray(rollout(state)[0])


def seconds(run: Callable[[], Any]) -> float:
    """Wall time of one run."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def alternate(ours: Callable[[], Any], peer: Callable[[], Any], repeats: int) -> tuple[list[float], list[float]]:
    """Seconds of both sides, from repeats that alternate; the first of each is warm-up."""
    times: tuple[list[float], list[float]] = ([], [])
    for repeat in range(repeats + 1):
        for run, kept in zip((ours, peer), times, strict=True):
            elapsed = seconds(run)
            if repeat:
                kept.append(elapsed)
    return times


def against_exponax(pair: Pair, repeats: int) -> dict[str, Any]:
    """Steps per second of both sides."""
    start = pair.start(*mesh(pair.name, pair.points, pair.parameters)[0])
    ours, theirs = our_steps(pair, start), their_steps(pair, start)
    expected = theirs()
    gap = float(np.linalg.norm(ours() - expected) / np.linalg.norm(expected))
    mine, other = ([pair.steps / s for s in times] for times in alternate(ours, theirs, repeats))
    ratio = statistics.median(mine) / statistics.median(other)
    for label, rates in (("sciflow", mine), ("exponax", other)):
        print(
            f"{pair.name} {pair.points}: {label} {statistics.median(rates):.0f} steps/s "
            f"({min(rates):.0f} to {max(rates):.0f} in {repeats} repeats)"
        )
    paired = statistics.median(m / o for m, o in zip(mine, other, strict=True))
    print(
        f"{pair.name}: ratio of medians {ratio:.2f}, median ratio of neighbours {paired:.2f}, answers differ {gap:.0e}"
    )
    return _result(f"{pair.name} against exponax", statistics.median(mine), statistics.median(other), paired, "steps/s")


def against_pypde(problem: Explicit, repeats: int) -> dict[str, Any]:
    """Seconds to the same end on the same grid."""
    import pde

    points, side = mesh(problem.name, problem.points, problem.parameters)
    start = {name: function(*points) for name, function in problem.start.items()}
    grid = pde.CartesianGrid([(0, side)] * len(points), [problem.points] * len(points), periodic=True)
    # py-pde's first axis is x; its cells take the values of our nodes, since no equation depends on the place
    fields = [pde.ScalarField(grid, values.T) for values in start.values()]
    state = fields[0] if len(fields) == 1 else pde.FieldCollection(fields)
    equation = pde.PDE(problem.expressions)

    def ours() -> np.ndarray:
        solution = simulate(
            problem.name, resolution=problem.points, times=[0, problem.end], **problem.parameters,
            initial={name: values[None] for name, values in start.items()},
        )  # fmt: skip
        return solution["u"].values[0, -1]

    def theirs() -> np.ndarray:
        found = equation.solve(
            state, t_range=problem.end, dt=1e-6, solver="runge-kutta", adaptive=True, tracker=None, backend="numba"
        )
        return np.asarray(found.data if len(fields) == 1 else found.data[0]).T

    answer, expected = ours(), theirs()
    print(f"{problem.name}: answers differ {np.linalg.norm(answer - expected) / np.linalg.norm(answer):.0e}")
    mine, other = alternate(ours, theirs, max(1, repeats // 4))
    for label, times in (("sciflow", mine), ("py-pde", other)):
        print(
            f"{problem.name} to t = {problem.end:g}: {label} {statistics.median(times):.3f} s (best {min(times):.3f})"
        )
    first, second = statistics.median(mine), statistics.median(other)
    return _result(f"{problem.name} against py-pde", first, second, second / first, "s")


def _result(name: str, ours: float, peer: float, ratio: float, unit: str) -> dict[str, Any]:
    device = jax.devices()[0]
    return {"name": name, "ours": ours, "peer": peer, "ratio": ratio, "unit": unit, "device": device.device_kind}


def main() -> None:
    """Parse the options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--precision", choices=("float32", "float64"), default="float64")
    parser.add_argument("--skip-pypde", action="store_true")
    options = parser.parse_args()
    with jax.enable_x64(options.precision == "float64"):
        results = [against_exponax(pair, options.repeats) for pair in PAIRS]
    others = [] if options.skip_pypde else [against_pypde(problem, options.repeats) for problem in EXPLICIT]
    for result in [*others, *results]:
        print(json.dumps(result))
    print(json.dumps(min(results, key=lambda result: result["ratio"])))


if __name__ == "__main__":
    main()
