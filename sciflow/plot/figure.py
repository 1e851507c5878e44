"""Figures without global state: no backend is chosen, nothing is shown or kept open."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, final

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


@final
class Picture(Figure):
    """A figure that a notebook shows by itself, whether or not pyplot was ever imported."""

    def _repr_png_(self) -> bytes:
        return png(self)


def figure(width: float, height: float) -> Picture:
    """An empty figure of a size in inches, drawn by Agg."""
    made = Picture(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(made)
    return made


def png(made: Figure, dpi: int = 110) -> bytes:
    """A figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    made.savefig(buffer, format="png", dpi=dpi, bbox_inches="tight")
    return buffer.getvalue()


def label(name: str, attributes: Mapping[str, Any]) -> str:
    """Axis label with the unit in brackets, as in ``u [m/s]``."""
    unit = str(attributes.get("units", ""))
    return f"{name} [{unit}]" if unit not in ("", "1", "dimensionless") else name
