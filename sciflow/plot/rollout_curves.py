"""Error against lead time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sciflow.core import InputError
from sciflow.plot.figure import figure

if TYPE_CHECKING:
    from sciflow.plot.figure import Picture

_COLOURS = (*(f"C{index}" for index in (0, 1, 2, 3, 4, 5, 6, 8, 9)), "k", "gold", "navy")  # grey is persistence


def rollout(
    curves: Mapping[str, Sequence[float]], *, metric: str = "NMSE", title: str = "", trained: int | None = None
) -> Picture:
    """One line for each method: error against the number of steps, on a logarithmic axis.

    Args:
        curves: name of the method -> error after 1, 2, ... steps; values that are not finite are left out, and the line
            ends there with a cross.
        metric: label of the vertical axis.
        title: above the picture.
        trained: number of steps that the methods were trained on; a vertical line marks it.

    Raises:
        InputError: there are no curves.
    """
    if not curves:
        raise InputError("There are no curves to draw; give a mapping of names to errors by step.")
    made = figure(8.0, 4.2)
    panel = made.subplots()
    for index, (name, errors) in enumerate(curves.items()):
        values = np.asarray(errors, float)
        steps = np.arange(1, len(values) + 1)
        good = np.isfinite(values) & (values > 0)
        style: dict[str, Any] = (
            {"color": "0.5", "linestyle": "--"} if name == "persistence" else {"color": _COLOURS[index % len(_COLOURS)]}
        )
        panel.plot(steps[good], values[good], label=name, marker=".", **style)
        if good.any() and not np.isfinite(values).all():
            panel.plot(steps[good][-1:], values[good][-1:], marker="x", markersize=9, **style)
    if trained is not None:
        panel.axvline(trained, color="0.3", linestyle=":", label=f"trained on {trained} steps")
    panel.set_yscale("log")
    panel.set_xlabel("steps")
    panel.set_ylabel(metric)
    panel.set_title(title)
    panel.grid(alpha=0.3, which="both")
    panel.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return made
