"""Break-even: after how many solves a learned method has paid for itself.

    N* = (generation + tuning + training seconds) / (seconds of a solve by the matched solver - by the method)

One solve is the forecast of one case over the longest horizon. The matched solver is the coarsest of the suite's
reference solvers whose mean NMSE is not above the method's. Where the method is not faster N* is infinite: it never
pays. A second number interpolates the solver's cost in the error (both in logarithms) between the matched grid and the
next coarser one: it stands for the grid between the two whose error would be the method's.

All seconds are taken as those of one device. Generating the training and validation cases counts, in core-seconds; the
test cases are needed by whoever compares, not by whoever uses the method. The 95 % intervals come from a bootstrap over
test cases (the same ones for all methods, so that the matched grid varies), seeds and timings.

Zhang, Roberts, Marwah and Khodak, "Breakeven complexity: a new perspective on neural partial differential equation
solvers", arXiv:2605.15399, 2026.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np

from sciflow.evaluation.measurements import Drawn, Measured, drawn, measured
from sciflow.evaluation.results import Results
from sciflow.evaluation.statistics import Interval, percentile_interval, resampling

SAMPLES = 2000
Bound = Literal["", "lower", "upper"]
BOUNDS = {
    "lower": "solver still better: even the coarsest is more accurate, so this is a lower bound",
    "upper": "even the finest solver is less accurate, so this is an upper bound",
}


@final
@dataclass(frozen=True)
class BreakEven:
    """When one learned method has paid for itself.

    Attributes:
        method: its label.
        solves: N* with its interval; infinite if it never pays, nan if something it needs was not measured.
        smooth: the same against the interpolated cost.
        grid: label of the matched solver.
        grid_error: its mean NMSE.
        grid_share: share of the bootstrap samples in which this grid was matched.
        method_error: mean NMSE of the method.
        solver_seconds, method_seconds: of one solve.
        upfront_seconds: generation + tuning + training.
        bound: "lower": even the coarsest solver is more accurate, and a coarser one might do, so that N* is at least
            this; "upper": even the finest solver is less accurate, and a finer one is needed, so that N* is at most
            this.
        note: in words, what the number does not hold.
    """

    method: str
    solves: Interval
    smooth: Interval
    grid: str
    grid_error: float
    grid_share: float
    method_error: float
    solver_seconds: float
    method_seconds: float
    upfront_seconds: float
    bound: Bound = ""
    note: str = ""


@final
@dataclass(frozen=True, eq=False)
class Match:
    """For each sample: index of the matched solver, its seconds, the interpolated seconds, and what bound this is.

    Attributes:
        index, seconds, smooth: [samples].
        below, above: [samples], whether even the coarsest solver is more, or even the finest less accurate.
    """

    index: np.ndarray
    seconds: np.ndarray
    smooth: np.ndarray
    below: np.ndarray
    above: np.ndarray


def match(errors: np.ndarray, seconds: np.ndarray, wanted: np.ndarray) -> Match:
    """The coarsest solver that is as accurate as wanted, for each sample.

    With E, s the errors and seconds of the matched and the next coarser solver, e the wanted error and
    w = log(E_coarser / e) / log(E_coarser / E_matched), the interpolated cost is s_coarser^(1 - w) s_matched^w. Where
    there is no coarser one, or an error is 0 or infinite, it is that of the matched solver.

    Args:
        errors, seconds: [samples, solvers], from the coarsest to the finest.
        wanted: [samples].
    """
    samples = np.arange(len(wanted))
    enough = errors <= wanted[:, None]
    above: np.ndarray = np.logical_not(enough.any(axis=1))
    index = np.where(above, errors.shape[1] - 1, enough.argmax(axis=1))
    below: np.ndarray = np.less(errors[:, 0], wanted)
    found, coarser = (samples, index), (samples, np.maximum(index - 1, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.log(errors[coarser] / wanted) / np.log(errors[coarser] / errors[found])
        between = seconds[coarser] ** (1.0 - share) * seconds[found] ** share
    inside = ~above & (index > 0) & (errors[found] > 0) & np.isfinite(errors[coarser])
    return Match(index, seconds[found], np.where(inside, between, seconds[found]), below, above)


def solves_until(upfront: np.ndarray, solver: np.ndarray, method: np.ndarray) -> np.ndarray:
    """N* = upfront / (solver - method), infinite where the method is not faster."""
    saved = solver - method
    with np.errstate(divide="ignore"):
        return np.where(saved > 0, upfront / np.where(saved > 0, saved, 1.0), np.where(np.isnan(saved), saved, np.inf))


def generation_seconds(facts: dict[str, Any]) -> float:
    """Core-seconds of generating the training and validation cases; nan if nobody measured them."""
    cases = facts.get("cases") or {}
    whole = facts.get("generation_seconds")
    if whole is None or not cases.get("all"):
        return math.nan
    return float(whole) * (cases.get("train", 0) + cases.get("valid", 0)) / cases["all"]


def break_even(results: Results, horizon: int | None = None) -> list[BreakEven]:
    """Break-even of every learned method of a suite; empty if the suite has no timed solver with a grid to compare.

    Args:
        results: of the suite; solvers are the methods whose costs name their ``points``.
        horizon: steps of a solve; by default the longest horizon.
    """
    every = measured(results, horizon)
    ladder = sorted(
        (item for item in every if item.points is not None and math.isfinite(item.seconds)),
        key=lambda item: (item.points, item.seconds),
    )
    if not ladder:
        return []
    _, of_cases = resampling(1, ladder[0].errors.shape[1], SAMPLES)
    generator = np.random.default_rng(1)
    solvers = [drawn(item, of_cases, generator) for item in ladder]
    return [
        _one(item, ladder, drawn(item, of_cases, generator), solvers, results.facts) for item in every if item.learns
    ]


def _one(
    item: Measured, ladder: Sequence[Measured], sample: Drawn, solvers: Sequence[Drawn], facts: dict[str, Any]
) -> BreakEven:
    given = generation_seconds(facts)
    generation = 0.0 if math.isnan(given) else given
    upfront = generation + float(item.training.mean() + item.tuning.mean())
    here = match(
        _row(solver.error for solver in ladder), _row(solver.seconds for solver in ladder), _row([item.error])[0]
    )
    errors, seconds = (np.stack([getattr(solver, name) for solver in solvers], axis=1) for name in ("error", "seconds"))
    there = match(errors, seconds, sample.error)
    spent = generation + sample.training + sample.tuning
    intervals = []
    for point, samples in ((here.seconds, there.seconds), (here.smooth, there.smooth)):
        value = solves_until(np.array([upfront]), point, np.array([item.seconds]))[0]
        many = solves_until(spent, samples, sample.seconds)
        # A forecast that blew up is no answer, however soon it comes.
        many = np.where(np.isfinite(sample.error), many, np.inf)
        value = value if math.isfinite(item.error) else math.inf
        intervals.append(percentile_interval(value, many, item.errors.shape[1]))
    solver = ladder[int(here.index[0])]
    bound: Bound = "lower" if here.below[0] else "upper" if here.above[0] else ""
    return BreakEven(
        method=item.method,
        solves=intervals[0],
        smooth=intervals[1],
        grid=solver.method,
        grid_error=solver.error,
        grid_share=float(np.mean(there.index == here.index[0])),
        method_error=item.error,
        solver_seconds=solver.seconds,
        method_seconds=item.seconds,
        upfront_seconds=upfront,
        bound=bound,
        note="; ".join([*_doubts(item, ladder, solver, bound), *_unknowns(item, solver, given, facts)]),
    )


def _row(values: Any) -> np.ndarray:
    return np.array([list(values)], np.float64)


def _doubts(item: Measured, ladder: Sequence[Measured], solver: Measured, bound: Bound) -> list[str]:
    """Reasons why the number is not what a user would go by."""
    notes = []
    if not math.isfinite(item.error):
        notes.append("the forecast diverged")
    elif item.error >= item.reference_error:
        notes.append("not more accurate than the reference forecast, which costs nothing")
    if bound:
        notes.append(BOUNDS[bound])
    faster = [other.method for other in ladder if other.error <= item.error and other.seconds < solver.seconds]
    if faster:
        notes.append(f"'{faster[0]}' is accurate enough too and faster than the coarser grid that was matched")
    return notes


def _unknowns(item: Measured, solver: Measured, generation: float, facts: dict[str, Any]) -> list[str]:
    """What was not measured, or not in one place."""
    notes = []
    if math.isnan(generation):
        notes.append("generation of the data not counted, its cost is not known")
    if math.isnan(item.seconds) or np.isnan(item.training).any():
        notes.append("not timed")
    if item.device and solver.device and item.device != solver.device:
        notes.append(f"devices differ: {item.device} and, for the solver, {solver.device}")
    keys = ("platform", "machine", "cpus")
    if len({tuple(str(made.get(key)) for key in keys) for made in facts.get("environments", [])}) > 1:
        notes.append("the runs of this suite were made on different machines")
    return notes
