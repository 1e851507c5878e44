"""Weights that metrics sum with: the volumes of `sciflow.data.volume`, under the name that metrics know them by."""

from __future__ import annotations

from sciflow.data.volume import SPACE, cell_widths, fluid_volume, on_cells, positions_of, space_axes

__all__ = ["SPACE", "cell_widths", "fluid_volume", "on_cells", "positions_of", "space_axes"]
