"""Lid-driven cavity, 64 x 64 uniform cells, Re 1000: steps per second of `incompressible` against PhiFlow on JAX.

    python benchmarks/peers/cavity.py [--repeats N] [--precision float32|float64] [--frames N]

Both sides take a lid set in motion at once over fluid at rest, in steps in which it moves by half a cell, and the same
precision (float32 by default, PhiFlow's own). Ours is `run` of the solver behind `simulate`, from the start to the data
set: second order in space and time, pressure and diffusion solved exactly by decomposition. PhiFlow's step is put
together from its parts: MacCormack advection (semi-Lagrangian, there, back and corrected, without the clamp, which does
not take a lid), explicit diffusion and `fluid.make_incompressible`, which starts from the last pressure and stops at
PhiFlow's single-precision tolerance, 1e-5. Its diffusion reads the wall's speed half a cell beyond the wall; the step
corrects that in the cells beside walls. The pressure solver is conjugate gradients or BiCGStab(2), and steps are calls
of the jitted step, as in PhiFlow's own programs, or one compiled loop, as in ours: the fastest way counts.

Before timing, the horizontal velocity along the vertical centre line must agree after the lid has moved by two sides.
Repeats alternate; both sides are compiled before timing. The ratio is the median over neighbouring repeats, which a
busy machine disturbs least; above 1 means that sciflow is faster.

Then frames per second of generation of CFDBench's four flows: one driven case each on 64 x 64 stored cells, a quarter
of the flow's own time apart, compiled before timing. Last line: JSON {name, ours, peer, ratio, unit, device}.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, final

import jax
import numpy as np

from sciflow.problems import get
from sciflow.problems.registry import names
from sciflow.solvers import build

CELLS, VISCOSITY = 64, 1e-3  # side and lid speed are 1
STEP = 0.5 / CELLS
START = 10.0  # s; the catalogue's lid has its full speed by then, so that a run from rest starts at once
COMPARED = 256  # steps to the comparison
OURS, PEER = 1280, 20  # steps in a repeat
AGREEMENT = 0.05  # largest relative difference of the centre lines; 0.015 is usual
METHODS = ("CG", "biCG-stab(2)")
FLOWS = ("cavity", "cylinder", "tube", "dam")
SPACING = 0.25  # of frames, in units of the time that a flow declares


def our_steps(steps: int, precision: str) -> Callable[[], np.ndarray]:
    """Run `steps` steps from rest; the result gives u `(y, x)` at cell centres."""
    problem = get("cavity")
    options: dict[str, Any] = {"convection": "central", "stretch": 0.0, "solve_resolution": CELLS, "dt": STEP}
    solver = build(problem, CELLS, precision=precision, **options)
    cases = problem.sample(1, 0, **problem.values({"mu": VISCOSITY}))
    times = np.array([START, START + steps * STEP])
    return lambda: solver.run(cases, times)["u"].values[0, -1]


@final
class Peer:
    """PhiFlow's step, and the state it leads to: arrays (x, y) of u and v at inner faces and p, at first of fluid at
    rest under a moving lid."""

    def __init__(self, flow: Any, method: str) -> None:
        box = flow.Box(x=1, y=1)
        walls = {"x": 0, "y-": 0, "y+": flow.vec(x=1.0, y=0.0)}
        velocity = flow.StaggeredGrid(0, walls, x=CELLS, y=CELLS, bounds=box)
        pressure = flow.CenteredGrid(0, flow.extrapolation.BOUNDARY, x=CELLS, y=CELLS, bounds=box)
        share, source = beside_walls(flow, box)

        def step(v: Any, p: Any) -> Any:
            forward = flow.advect.semi_lagrangian(v, v, STEP)
            back = flow.advect.semi_lagrangian(forward, v, -STEP)
            w = flow.diffuse.explicit(forward + 0.5 * (v - back), VISCOSITY, STEP)
            w = v.with_values((w + source - share * w).values)
            # A known deficiency of rank would be met by a larger system, which takes longer.
            solve = flow.Solve(method, 1e-5, 1e-5, x0=p, rank_deficiency=0)
            return flow.fluid.make_incompressible(w, (), solve)

        def fields(arrays: Any) -> Any:
            u, v, p = (flow.wrap(array, flow.spatial("x,y")) for array in arrays)
            return velocity.with_values(flow.math.stack([u, v], flow.dual(vector="x,y"))), pressure.with_values(p)

        def together(arrays: Any, steps: int) -> Any:
            return jax.lax.fori_loop(0, steps, lambda _, now: natives(*step(*fields(now))), arrays)

        self._fields, self._step, self._together = fields, flow.math.jit_compile(step), jax.jit(together)
        dtype = np.float64 if flow.math.get_precision() == 64 else np.float32
        shapes = (CELLS - 1, CELLS), (CELLS, CELLS - 1), (CELLS, CELLS)
        self._arrays = tuple(jax.numpy.zeros(shape, dtype) for shape in shapes)

    def together(self, steps: int) -> np.ndarray:
        """Take steps in one compiled loop; gives u (x, y)."""
        self._arrays = self._together(self._arrays, steps)
        return np.asarray(self._arrays[0])

    def apart(self, steps: int) -> np.ndarray:
        """Take steps as PhiFlow's own programs do, each a call of the jitted step; gives u (x, y)."""
        state = self._fields(self._arrays)
        for _ in range(steps):
            state = self._step(*state)
        self._arrays = natives(*state)
        return np.asarray(self._arrays[0])


def natives(velocity: Any, pressure: Any) -> tuple[Any, Any, Any]:
    """Arrays (x, y) of PhiFlow's fields u, v and p."""
    u, v = (velocity.vector[name].values.native("x,y") for name in "xy")
    return u, v, pressure.values.native("x,y")


def beside_walls(flow: Any, box: Any) -> tuple[Any, Any]:
    """What a step adds for walls at half a cell: share of the velocity beside them to take off, and the lid's part.

    A ghost value 2 U - u instead of U adds nu (U - u) / h^2 to the rate of the tangential velocity.
    """
    rows, columns = np.zeros((CELLS, CELLS - 1)), np.zeros((CELLS - 1, CELLS))
    lid = np.zeros_like(rows)
    rows[[0, -1]], columns[:, [0, -1]], lid[-1] = 1.0, 1.0, 1.0

    def staggered(u: np.ndarray, v: np.ndarray) -> Any:
        parts = [flow.math.to_float(flow.math.tensor(part, flow.spatial("y,x"))) for part in (u, v)]
        values = flow.math.stack(parts, flow.dual(vector="x,y"))
        return flow.StaggeredGrid(values, 0, x=CELLS, y=CELLS, bounds=box)

    amount = VISCOSITY * STEP * CELLS**2
    return staggered(amount * rows, amount * columns), staggered(amount * lid, np.zeros_like(columns))


def against_phiflow(flow: Any, repeats: int, precision: str) -> dict[str, Any]:
    """Compare the answers, then steps per second of both sides."""
    flow.math.set_global_precision(64 if precision == "float64" else 32)
    expected = our_steps(COMPARED, precision)()[:, CELLS // 2 - 1 : CELLS // 2 + 1].mean(axis=1)  # at x = 1/2
    ours = our_steps(OURS, precision)
    ours()
    results = []
    for method in METHODS:
        peer = Peer(flow, method)
        line = peer.together(COMPARED)[CELLS // 2 - 1]
        gap = float(np.linalg.norm(line - expected) / np.linalg.norm(expected))
        print(f"centre lines after {COMPARED} steps differ by {gap:.3f} (relative), PhiFlow with {method}")
        if not gap < AGREEMENT:
            raise SystemExit(f"The two sides do not solve the same problem: more than {AGREEMENT} apart.")
        for way, theirs in (("one loop", peer.together), ("step by step", peer.apart)):
            results.append(measured(f"PhiFlow, {method}, {way}", ours, theirs, repeats))
    return min(results, key=lambda result: result["ratio"])


def measured(peer: str, ours: Callable[[], Any], theirs: Callable[[int], Any], repeats: int) -> dict[str, Any]:
    """Steps per second of both sides, printed too."""
    rates: tuple[list[float], list[float]] = ([], [])
    theirs(PEER)
    for _ in range(repeats):
        rates[0].append(OURS / seconds(ours))
        rates[1].append(PEER / seconds(partial(theirs, PEER)))
    ratio = statistics.median(m / o for m, o in zip(*rates, strict=True))
    both = ", ".join(
        f"{label} {statistics.median(found):.1f} steps/s ({min(found):.1f} to {max(found):.1f})"
        for label, found in (("sciflow", rates[0]), (peer, rates[1]))
    )
    print(f"{both}; ratio {ratio:.0f}, {repeats} repeats", flush=True)
    return {
        "name": "cavity against PhiFlow",
        "ours": round(statistics.median(rates[0]), 1),
        "peer": round(statistics.median(rates[1]), 2),
        "ratio": round(ratio, 1),
        "unit": "steps/s",
        "device": jax.devices()[0].device_kind,
    }


def generation(name: str, frames: int, precision: str) -> str:
    """A line with the frames per second of one flow."""
    if name not in names():
        return f"{name}: not among the problems, left out"
    problem = get(name)
    cases = problem.sample(1, 0, "driven")
    times = SPACING * problem.scale("t", problem.values(cases[0].values)) * np.arange(frames)
    solver = build(problem, CELLS, precision=precision)
    solver.run(cases, times)
    elapsed = [seconds(partial(solver.run, cases, times)) for _ in range(3)]
    return f"{name}: {frames / statistics.median(elapsed):.1f} frames/s with '{solver.name}', {precision}"


def seconds(run: Callable[[], Any]) -> float:
    """Wall time of one run."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def main() -> None:
    """Parse the options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--precision", choices=("float32", "float64"), default="float32")
    parser.add_argument("--frames", type=int, default=21)
    options = parser.parse_args()
    try:
        from phi.jax import flow
    except ImportError:
        print("PhiFlow is not installed; get it with: pip install 'sciflow-pde[peers]'.", file=sys.stderr)
        raise SystemExit(2) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PhiFlow's remarks on its own solves
        result = against_phiflow(flow, options.repeats, options.precision)
    for name in FLOWS:
        print(generation(name, options.frames, "float64"))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
