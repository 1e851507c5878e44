"""Error against cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np

from sciflow.core import InputError
from sciflow.plot.figure import figure

if TYPE_CHECKING:
    from sciflow.plot.figure import Picture

_MARKERS = {"learned": "o", "other": "^"}


@final
@dataclass(frozen=True)
class Mark:
    """One method in the picture.

    Attributes:
        name: in the legend.
        seconds: of one solve: value, and the lower and upper end of its interval.
        error: the same of the error.
        kind: "solver" (joined by a line in the order given), "learned" or "other".
        front: drawn with a ring.
    """

    name: str
    seconds: tuple[float, float, float]
    error: tuple[float, float, float]
    kind: Literal["solver", "learned", "other"] = "learned"
    front: bool = False


def accuracy_cost(marks: Sequence[Mark], *, metric: str = "NMSE", title: str = "") -> Picture:
    """Error against the seconds of one solve, both logarithmic, with intervals.

    Args:
        marks: methods; those whose error or seconds are not positive and finite are left out.
        metric: label of the vertical axis.
        title: above the picture.

    Raises:
        InputError: nothing is left to draw.
    """
    shown = [mark for mark in marks if _drawable(mark)]
    if not shown:
        raise InputError("No method has a positive, finite error and cost to draw; time the methods first.")
    made = figure(8.0, 4.6)
    panel = made.subplots()
    solvers = [mark for mark in shown if mark.kind == "solver"]
    if solvers:
        panel.plot(*_values(solvers), color="0.3", linestyle="-", linewidth=1.0, zorder=1)
    others = [mark for mark in shown if mark.kind != "solver"]
    for index, mark in enumerate(others):
        _draw(panel, mark, color=f"C{index % 10}", marker=_MARKERS[mark.kind])
    for index, mark in enumerate(solvers):
        shade = str(0.65 * (1 - (index + 1) / len(solvers)))  # the finest is black
        _draw(panel, mark, color=shade, marker="s")
    front = [mark for mark in shown if mark.front]
    if front:
        ring: dict[str, Any] = {"marker": "o", "markersize": 13, "markerfacecolor": "none", "markeredgecolor": "0.4"}
        panel.plot(*_values(front), linestyle="none", label="on the front", zorder=1, **ring)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xlabel("seconds per solve [s]")
    panel.set_ylabel(f"{metric} [1]")
    panel.set_title(title)
    panel.grid(alpha=0.3, which="both")
    panel.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return made


def _draw(panel: Any, mark: Mark, *, color: str, marker: str) -> None:
    """A point with its bars; an end that is not positive and finite is left off."""
    bars = {"xerr": _reach(mark.seconds), "yerr": _reach(mark.error)}
    style: dict[str, Any] = {"color": color, "marker": marker, "capsize": 2, "linestyle": "none"}
    panel.errorbar(mark.seconds[0], mark.error[0], **bars, label=mark.name, **style)


def _reach(values: tuple[float, float, float]) -> np.ndarray:
    """Distances [2, 1] from the value to the ends of its interval."""
    value, low, high = values
    below = value - low if 0 < low <= value else 0.0
    above = high - value if np.isfinite(high) and high >= value else 0.0
    return np.array([[below], [above]])


def _drawable(mark: Mark) -> bool:
    return all(np.isfinite(value) and value > 0 for value in (mark.seconds[0], mark.error[0]))


def _values(marks: Sequence[Mark]) -> tuple[list[float], list[float]]:
    return [mark.seconds[0] for mark in marks], [mark.error[0] for mark in marks]
