"""What a surrogate notes about the data that it was trained on."""

from __future__ import annotations

from typing import Self, final

import numpy as np

from sciflow.core import Config
from sciflow.data import Dataset
from sciflow.data.grid import bounds


@final
class Origin(Config):
    """The training data in a few words and numbers.

    Attributes:
        problem: name of the problem; "" = none.
        digest: hash of the training cases.
        cases: number of training cases.
        frames: frames of the longest one.
        valid_cases: number of validation cases; None without validation.
        valid_error: error of the kept weights on up to 256 validation windows, of the kind that ``Training.loss`` says;
            None without validation.
        units: unit of each field, input, parameter, signal and axis.
        bounds: where the domain begins and ends along each axis.
        positions: the points of the training grid along each axis, 0 to 1 over the domain.
    """

    problem: str
    digest: str
    cases: int
    frames: int
    valid_cases: int | None
    valid_error: float | None
    units: dict[str, str]
    bounds: dict[str, tuple[float, float]]
    positions: dict[str, tuple[float, ...]]

    @classmethod
    def of(cls, train: Dataset, valid: Dataset | None, valid_error: float | None) -> Self:
        """What is to be known of these cases."""
        limits = {axis: bounds(train.header, axis) for axis in train.space}
        positions = {
            axis: tuple(((np.asarray(train.header[axis].values, np.float64) - low) / (high - low)).tolist())
            for axis, (low, high) in limits.items()
        }
        names = [*train.fields, *train.inputs, *train.parameters, *train.signals, *train.space]
        return cls(
            problem=train.problem,
            digest=train.digest,
            cases=len(train),
            frames=int(train.lengths.max()),
            valid_cases=None if valid is None else len(valid),
            valid_error=valid_error,
            units={name: train.units(name) for name in names},
            bounds=limits,
            positions=positions,
        )
