"""Conditioning forecasts on a conservation law: the update in linear time against the formula with whole matrices.

    python benchmarks/peers/probconserv.py [--repeats N] [--points N] [--threads N]

Both sides condition the same 100 slices of a forecast with independent errors on one integral. Ours is
`sciflow.conservation.condition`, which forms Sigma g only and gives mean, variances and a covariance to sample from.
The peer is the textbook formula in NumPy, slice by slice, with the n x n covariance before and after, the products
ordered in the cheapest way (none of two n x n matrices). Repeats alternate; the answers must agree to 1e-12 before.
Then the time of 10,000 slices of 201 points, and time and peak memory of one slice of up to 10^6 points, which must
grow no faster than the number of points. Last line: JSON {name, ours, peer, ratio, unit, device}.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from sciflow.conservation import Constraint, Diagonal, condition, smooth

SLICES = 100
MANY, POINTS = 10_000, 201


def data(slices: int, points: int) -> tuple[np.ndarray, np.ndarray, Constraint]:
    """Means, variances and the trapezoidal rule with totals of 1."""
    rng = np.random.default_rng(0)
    weights = np.full(points, 1 / (points - 1))
    weights[[0, -1]] *= 0.5
    mean, variance = rng.normal(1, 0.3, (slices, points)), rng.uniform(0.01, 0.1, (slices, points))
    return mean, variance, Constraint(weights[None], np.ones((slices, 1)), names=("mass",))


def textbook(mean: np.ndarray, variance: np.ndarray, constraint: Constraint) -> tuple[np.ndarray, np.ndarray]:
    """Means and variances by Bayes' rule with whole matrices."""
    matrix = np.asarray(constraint.matrix)
    after = np.empty_like(mean), np.empty_like(mean)
    for index in range(len(mean)):
        sigma = np.diag(variance[index])
        rows = matrix @ sigma
        gain = np.linalg.solve(rows @ matrix.T, rows).T
        after[0][index] = mean[index] - gain @ (matrix @ mean[index] - constraint.target[index])
        after[1][index] = np.diag(sigma - gain @ rows)
    return after


def seconds(run: Callable[[], Any]) -> float:
    """Wall time of one run."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def against_textbook(points: int, repeats: int) -> dict[str, Any]:
    """Microseconds for each slice, both sides."""
    mean, variance, constraint = data(SLICES, points)
    found, expected = condition(mean, Diagonal(variance), constraint), textbook(mean, variance, constraint)
    gap = max(np.abs(found.mean - expected[0]).max(), np.abs(found.variance - expected[1]).max())
    print(f"the two sides differ by {gap:.1e}")
    if not gap < 1e-12:
        raise SystemExit("The two sides do not agree.")
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        times[0].append(seconds(lambda: condition(mean, Diagonal(variance), constraint)) / SLICES * 1e6)
        times[1].append(seconds(lambda: textbook(mean, variance, constraint)) / SLICES * 1e6)
    ratio = statistics.median(peer / ours for ours, peer in zip(*times, strict=True))
    for label, found_times in (("sciflow", times[0]), ("textbook", times[1])):
        low, high = min(found_times), max(found_times)
        print(f"{label}: {statistics.median(found_times):.1f} us a slice ({low:.1f} to {high:.1f})", flush=True)
    return {
        "name": f"conservation update against whole matrices, n = {points}",
        "ours": round(statistics.median(times[0]), 2),
        "peer": round(statistics.median(times[1]), 1),
        "ratio": round(ratio, 1),
        "unit": "us/slice",
        "device": f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads",
    }


def growth() -> None:
    """Time and peak memory of one slice as the number of points grows."""
    for points in (10_000, 100_000, 1_000_000):
        mean, variance, constraint = data(1, points)
        took = min(seconds(partial(condition, mean, Diagonal(variance), constraint)) for _ in range(3))
        posterior = condition(mean, Diagonal(variance), constraint)
        residual = float(np.abs(constraint.residual(posterior.mean)).max())
        peak = numbers(mean, variance, constraint)
        print(f"n = {points}: {took * 1e3:.2f} ms, {peak:.1f} numbers a point, residual {residual:.1e}", flush=True)


def numbers(mean: np.ndarray, variance: np.ndarray, constraint: Constraint) -> float:
    """Most float64 numbers that torch held at once in an update, for each point."""
    activity = torch.profiler.ProfilerActivity.CPU
    with torch.profiler.profile(activities=[activity], profile_memory=True) as profile:
        condition(mean, Diagonal(variance), constraint)
    held = peak = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak / 8 / mean.size


def main() -> None:
    """Parse the options, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--points", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    result = against_textbook(options.points, options.repeats)
    mean, variance, constraint = data(MANY, POINTS)
    many = [seconds(lambda: condition(mean, Diagonal(variance), constraint)) for _ in range(options.repeats + 1)][1:]
    print(f"{MANY} slices of {POINTS} points: {statistics.median(many):.3f} s ({min(many):.3f} to {max(many):.3f})")
    smoothed = seconds(lambda: condition(*smooth(mean, Diagonal(variance)), constraint))
    print(f"with smoothing before: {smoothed:.2f} s", flush=True)
    growth()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
