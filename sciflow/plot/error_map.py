"""A score over two parameters."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sciflow.core import InputError
from sciflow.plot.figure import figure, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sciflow.plot.figure import Picture

Pair = tuple[float, float]
_ACROSS = 4  # panels in a row


def error_map(
    scores: Mapping[str, Mapping[Pair, float]],
    names: tuple[str, str],
    *,
    units: tuple[str, str] = ("", ""),
    trained: Collection[Sequence[float]] = (),
    metric: str = "NMSE",
    title: str = "",
) -> Picture:
    """One map for each method: a cell for each pair of values, on a logarithmic colour scale that they share.

    Args:
        scores: name of the method -> score by pair (value of the first parameter, of the second). Cells whose score is
            missing, not finite or not positive are grey.
        names: of the parameters, along the horizontal and the vertical axis.
        units: of the parameters.
        trained: pairs that the methods were trained on; their cells are outlined together.
        metric: label of the colours.
        title: above the picture.

    Raises:
        InputError: there is no method, or one without scores.
    """
    if not scores or not all(scores.values()):
        raise InputError("There are no scores to draw; give a mapping of methods to scores by pair of values.")
    pairs = np.array([pair for own in scores.values() for pair in own], float)
    first, second = (np.unique(pairs[:, place]) for place in (0, 1))
    maps = {method: _table(own, first, second) for method, own in scores.items()}
    across = min(len(maps), _ACROSS)
    down = -(-len(maps) // across)
    made = figure(2.9 * across + 1.0, 2.8 * down + 0.3)
    panels = made.subplots(down, across, squeeze=False, sharex=True, sharey=True).ravel()
    style = _style(np.stack(list(maps.values())))
    edges = _outline({(float(pair[0]), float(pair[1])) for pair in trained}, first, second)
    for panel, (method, values) in zip(panels, maps.items(), strict=False):
        drawn = panel.imshow(np.ma.masked_invalid(values), origin="lower", aspect="auto", **style)
        panel.set_facecolor("0.85")
        for across_, up in edges:
            panel.plot(across_, up, color="k", linewidth=2.0, solid_capstyle="round", clip_on=False)
        panel.set_title(method, fontsize=10)
        _ticks(panel, first, second)
    for panel in panels[len(maps) :]:
        panel.set_axis_off()
    made.supxlabel(label(names[0], {"units": units[0]}), fontsize=10)
    made.supylabel(label(names[1], {"units": units[1]}), fontsize=10)
    made.colorbar(drawn, ax=list(panels), label=metric)
    made.suptitle(title, fontsize=11)
    return made


def _table(scores: Mapping[Pair, float], first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Scores [second, first], nan where there is none that a logarithm has."""
    values = np.full((len(second), len(first)), np.nan)
    for (one, two), score in scores.items():
        if np.isfinite(score) and score > 0:
            values[np.searchsorted(second, two), np.searchsorted(first, one)] = score
    return values


def _style(values: np.ndarray) -> dict[str, Any]:
    from matplotlib.colors import LogNorm

    known = values[np.isfinite(values)]
    low, high = (known.min(), known.max()) if known.size else (1.0, 1.0)
    return {"norm": LogNorm(low, high if high > low else 2 * low), "cmap": "viridis"}


def _outline(trained: Collection[Pair], first: np.ndarray, second: np.ndarray) -> list[tuple[Pair, Pair]]:
    """Edges between cells of which one is trained and the other is not, as (x, x), (y, y) in cells."""
    inside = {(i, j) for i, one in enumerate(first) for j, two in enumerate(second) if (one, two) in trained}
    edges: list[tuple[Pair, Pair]] = []
    for i, j in sorted(inside):
        for di, dj in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            if (i + di, j + dj) not in inside:
                x, y = (i + di / 2, j + dj / 2)
                edges.append(((x - abs(dj) / 2, x + abs(dj) / 2), (y - abs(di) / 2, y + abs(di) / 2)))
    return edges


def _ticks(panel: Axes, first: np.ndarray, second: np.ndarray) -> None:
    panel.set_xticks(range(len(first)), [f"{value:g}" for value in first])
    panel.set_yticks(range(len(second)), [f"{value:g}" for value in second])
    panel.tick_params(labelsize=8)
