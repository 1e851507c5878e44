"""Accuracy against cost: the error of every method beside the seconds that a solve takes and those spent before it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, final

import numpy as np

from sciflow.evaluation.breakeven import SAMPLES, BreakEven, break_even, generation_seconds
from sciflow.evaluation.leaderboard_notes import BREAK_EVEN, NMSE
from sciflow.evaluation.leaderboard_table import markdown_table
from sciflow.evaluation.measurements import Measured, drawn, longest, measured
from sciflow.evaluation.number_text import ranged, seconds, short, solves
from sciflow.evaluation.results import Results
from sciflow.evaluation.statistics import LEVEL, Interval, percentile_interval, resampling

if TYPE_CHECKING:
    from sciflow.plot.figure import Picture

Kind = Literal["solver", "learned", "other"]

_NOTES = (
    "s/solve: seconds for one case over the longest horizon, in a batch, with the interval of a bootstrap over seeds "
    "and timings. Up-front s: generation of the training and validation cases + tuning + training. Front: no other "
    "method is at least as accurate and as fast and better in one of the two; up-front costs do not count there."
)
_INTERPOLATED = (
    "Interpolated: break-even against a solver whose grid lies between the matched and the next coarser one, its cost "
    "interpolated in the error, both in logarithms."
)


@final
@dataclass(frozen=True)
class CostPoint:
    """One method in the plane of cost and error.

    Attributes:
        method: its label.
        kind: a reference solver, a method that learned, or another one.
        error: mean NMSE over the longest horizon.
        seconds: of one solve.
        upfront_seconds: spent before the first solve; 0 for methods that do not learn.
        front: whether no other method is as accurate and as fast.
        points: of a solver's grid.
        break_even: of a method that learned.
    """

    method: str
    kind: Kind
    error: Interval
    seconds: Interval
    upfront_seconds: float
    front: bool
    points: float | None = None
    break_even: BreakEven | None = None


def accuracy_cost(results: Results, horizon: int | None = None) -> list[CostPoint]:
    """All timed methods of a suite, the fastest first.

    Args:
        results: of the suite.
        horizon: steps of a solve; by default the longest horizon.
    """
    every = [item for item in measured(results, horizon) if math.isfinite(item.seconds)]
    if not every:
        return []
    cases = every[0].errors.shape[1]
    _, of_cases = resampling(1, cases, SAMPLES)
    generator = np.random.default_rng(1)
    paid = {found.method: found for found in break_even(results, horizon)}
    front = pareto([(item.error, item.seconds) for item in every])
    generation = np.nan_to_num(generation_seconds(results.facts))
    found = []
    for item, best in zip(every, front, strict=True):
        sample = drawn(item, of_cases, generator)
        upfront = float(generation + item.training.mean() + item.tuning.mean()) if item.learns else 0.0
        found.append(
            CostPoint(
                method=item.method,
                kind=_kind(item),
                error=percentile_interval(item.error, sample.error, cases),
                seconds=percentile_interval(item.seconds, sample.seconds, max(len(times) for times in item.timings)),
                upfront_seconds=upfront,
                front=best,
                points=item.points,
                break_even=paid.get(item.method),
            )
        )
    return sorted(found, key=lambda point: point.seconds.value)


def pareto(values: Sequence[tuple[float, float]]) -> list[bool]:
    """For each pair of costs, whether no other pair is at most as large in both and smaller in one.

    A pair that is not finite is on no front.
    """
    return [
        math.isfinite(sum(mine))
        and not any(all(a <= b for a, b in zip(other, mine, strict=True)) and other != mine for other in values)
        for mine in values
    ]


def accuracy_cost_markdown(points: Sequence[CostPoint]) -> str:
    """The table with its explanation."""
    heads, rows = accuracy_cost_columns(points)
    return f"{markdown_table(heads, rows)}\n{accuracy_cost_notes(points)}\n"


def accuracy_cost_columns(points: Sequence[CostPoint]) -> tuple[list[str], list[list[str]]]:
    """Headings and cells as text."""
    ci = f"[{LEVEL:.0%} CI]"
    heads = ["method", f"NMSE {ci}", f"s/solve {ci}", "up-front s", "front"]
    rows = [
        [
            point.method,
            ranged(point.error),
            ranged(point.seconds),
            seconds(point.upfront_seconds) if point.upfront_seconds else "0",
            "yes" if point.front else "",
        ]
        for point in points
    ]
    if any(point.break_even for point in points):
        heads += [f"break-even, solves {ci}", f"interpolated {ci}"]
        for row, point in zip(rows, points, strict=True):
            row += [solves(point.break_even), solves(point.break_even, smooth=True)]
    return heads, rows


def accuracy_cost_notes(points: Sequence[CostPoint]) -> str:
    """What the columns mean."""
    paid = [BREAK_EVEN, _INTERPOLATED] if any(point.break_even for point in points) else []
    return " ".join([NMSE, _NOTES, *paid])


def drawable(points: Sequence[CostPoint]) -> list[CostPoint]:
    """The points with a place on logarithmic axes: not those without error, or that diverged."""
    return [point for point in points if all(0 < part.value < math.inf for part in (point.error, point.seconds))]


def accuracy_cost_figure(results: Results, points: Sequence[CostPoint]) -> Picture:
    """Error against seconds of a solve; solvers form a line, the front is marked.

    Args:
        results: whose horizon the title names.
        points: from `drawable`, at least one.
    """
    from sciflow import plot

    marks = [
        plot.Mark(
            name=point.method,
            seconds=(point.seconds.value, point.seconds.low, point.seconds.high),
            error=(point.error.value, point.error.low, point.error.high),
            kind=point.kind,
            front=point.front,
        )
        for point in sorted(points, key=lambda point: point.points or 0.0)
    ]
    steps = longest(results)
    unit = "step" if results.kind == "forecast" else "frame"
    return plot.accuracy_cost(marks, title=f"one solve: {short(steps)} {unit}{'' if steps == 1 else 's'}")


def _kind(item: Measured) -> Kind:
    return "solver" if item.points is not None else "learned" if item.learns else "other"
