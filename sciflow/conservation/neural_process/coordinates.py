"""From times and positions to the features that a neural process sees."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, final

import numpy as np
import torch
from torch import Tensor

from sciflow.core import InputError
from sciflow.data.grid import bounds

if TYPE_CHECKING:
    from sciflow.data import Dataset

Scaling = Literal["unit", "raw"]


@final
@dataclass(frozen=True)
class Coordinates:
    """Time (in characteristic times of the case), then the space axes in tensor order.

        "unit":  s = (x - low) / (high - low) of each axis; a periodic one becomes a circle, [cos 2πs, sin 2πs] / 2π
        "raw":   the coordinates as they are

    A steady problem has no feature for the time.

    Attributes:
        axes: names of the space axes.
        low, high: of the time, then of each axis.
        periodic: names of the periodic axes.
        scaling: "unit" or "raw".
    """

    axes: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    periodic: tuple[str, ...]
    scaling: Scaling

    @classmethod
    def of(cls, train: Dataset, scaling: Scaling) -> Self:
        """The box around the training cases.

        Raises:
            InputError: the scaling is unknown.
        """
        if scaling not in ("unit", "raw"):
            raise InputError(f"coordinates must be 'unit' or 'raw', not {scaling!r}.")
        times = train.case_times / train.time_scales()[:, None]
        valid = times[np.arange(train.frame_count) < train.lengths[:, None]]
        ends = [(float(valid.min()), float(valid.max())), *(bounds(train.header, axis) for axis in train.space)]
        low, high = zip(*ends, strict=True)
        return cls(tuple(train.space), low, high, tuple(train.periodic), scaling)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()
        }
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """Plain values by attribute name."""
        return asdict(self)

    @property
    def steady(self) -> bool:
        """Whether there is one time alone."""
        return self.low[0] == self.high[0]

    @property
    def count(self) -> int:
        """K, the number of features of a point."""
        circles = sum(axis in self.periodic for axis in self.axes) if self.scaling == "unit" else 0
        return len(self.axes) + circles + (not self.steady)

    def __call__(self, points: Tensor) -> Tensor:
        """Features [..., K], float32, of points [..., 1 + D]; differentiable."""
        features = []
        for column, name in enumerate(("t", *self.axes)):
            x = points[..., column]
            if column == 0 and self.steady:
                continue
            if self.scaling == "raw":
                features.append(x)
                continue
            s = (x - self.low[column]) / (self.high[column] - self.low[column])
            if name in self.periodic:
                features += [torch.cos(2 * math.pi * s) / (2 * math.pi), torch.sin(2 * math.pi * s) / (2 * math.pi)]
            else:
                features.append(s)
        return torch.stack(features, dim=-1).float()
