"""Statistics of the minimal turbulent channel against published direct numerical simulation.

    python benchmarks/channel_statistics.py --spin-up 10 --statistics 40 --restart channel-restart

Times are in half-heights over friction velocity (of the declared mean pressure gradient). The run is cut into pieces of
half a unit; with ``--restart`` its state is written after each, and a run that was interrupted goes on from there.
Prints one table (relative L2 error of each profile for y+ < 80 with the standard error over blocks, friction Reynolds
number, the largest departure of the total stress from its line, milliseconds per step) and, last, the same as one line
of JSON.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from time import perf_counter

from sciflow.evaluation.turbulence import compare, jackknife, published_profiles, total_stress, wall_profiles
from sciflow.problems import registry
from sciflow.solvers import build
from sciflow.solvers.channel.restart import load_restart, save_restart
from sciflow.solvers.channel.run import Run
from sciflow.solvers.channel.solver import Channel
from sciflow.solvers.channel.statistics import grouped, to_xarray

PIECE = 0.5  # h / u_tau
EVERY = 10  # steps between samples


def main() -> None:
    """Run, gather, print."""
    options = _arguments()
    problem = registry.get("channel")
    (case,) = problem.sample(1, options.seed, options.subset)
    solver = build(
        problem, (32, 33, 16), solve_resolution=tuple(options.cells), precision=options.precision,
        device=options.device, subgrid=options.subgrid,
    )  # fmt: skip
    assert isinstance(solver, Channel)
    unit = 1 / math.sqrt(case.parameters["force"])  # seconds of h / u_tau
    folder = options.restart
    if folder is not None and (folder / "run.json").is_file():
        run = load_restart(folder, solver.scheme(case), device=options.device)
        print(f"continues at t = {run.time / unit:.2f} h/u_tau with {len(run.blocks)} pieces", flush=True)
    else:
        run = solver.start(case)
    seconds, steps = 0.0, 0
    while run.time < (options.spin_up + options.statistics - 1e-6) * unit:
        sampled = run.time >= (options.spin_up - 1e-6) * unit
        before, begin = run.steps, perf_counter()
        run.advance(EVERY * max(1, round(PIECE * unit / run.dt / EVERY)), every=EVERY if sampled else 0)
        if before > 0:  # the first piece compiles
            seconds, steps = seconds + perf_counter() - begin, steps + run.steps - before
        print(f"t = {run.time / unit:6.2f} h/u_tau  u_tau = {math.sqrt(max(run.force, 0)):.5f} m/s", flush=True)
        if folder is not None:
            save_restart(run, folder)
    report(run, options.blocks, 1e3 * seconds / steps if steps else float("nan"))


def report(run: Run, blocks: int, milliseconds: float) -> None:
    """Print the table and the line of JSON."""
    statistics = to_xarray(grouped(run.blocks, min(blocks, len(run.blocks))), run.scheme.waves, run.scheme.nu)
    known = published_profiles()
    profiles = wall_profiles(statistics)

    def measure(part) -> dict[str, float]:  # type: ignore[no-untyped-def]
        found = wall_profiles(part)
        return {**compare(found, known), "Re_tau": found.attrs["Re_tau"], "stress": total_stress(part).attrs["largest"]}

    values = measure(statistics)
    errors = jackknife(statistics, measure) if statistics.sizes["block"] > 1 else dict.fromkeys(values, float("nan"))
    print(f"\n{'':22s}{'value':>9s}{'+-':>9s}")
    for name in ("U", "u_rms", "v_rms", "w_rms", "uv", "stress"):
        label = "stress off its line" if name == "stress" else f"{name} against DNS"
        print(f"{label:22s}{100 * values[name]:8.2f}%{100 * errors[name]:8.2f}%")
    print(f"{'Re_tau':22s}{values['Re_tau']:9.2f}{errors['Re_tau']:9.2f}")
    print(f"{'centre U+':22s}{float(profiles['U'][-1]):9.2f}\n{'ms per step':22s}{milliseconds:9.2f}")
    line = {"name": "channel_statistics", **values, "ms_per_step": milliseconds, "dt": run.dt}
    print(json.dumps({**line, **{f"{name}_error": value for name, value in errors.items()}}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--spin-up", type=float, default=10.0, help="h / u_tau before statistics are taken")
    parser.add_argument("--statistics", type=float, default=40.0, help="h / u_tau of statistics")
    parser.add_argument("--cells", type=int, nargs=3, default=(32, 64, 32), help="cells along x, y, z")
    parser.add_argument("--subset", default="minimal", help="minimal, re180, re395 or re590")
    parser.add_argument("--subgrid", default="none", help="none, smagorinsky or wale")
    parser.add_argument("--precision", default="float32", choices=("float32", "float64"))
    parser.add_argument("--device", default=None, help="JAX platform, such as gpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--blocks", type=int, default=8, help="of the error bars")
    parser.add_argument("--restart", type=Path, default=None, help="folder of the restart files")
    return parser.parse_args()


if __name__ == "__main__":
    main()
