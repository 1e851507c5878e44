"""Telling a network what one cell per frame is in the normalised units of its fields."""

from __future__ import annotations

import torch

from sciflow.data import Dataset
from sciflow.recurrent.declared import cell_speeds
from sciflow.training.step import StepModel


def set_speeds(model: StepModel, train: Dataset, step: int) -> None:
    """Call the network's ``set_speeds`` with the value of one cell per frame in each channel, [D, F], if it needs it.

    Raises:
        InputError: that value differs between the cases.
    """
    boost = getattr(model.network, "boost", None)
    if boost is None or boost.kind != "lift":
        return
    speeds = torch.from_numpy(cell_speeds(train, step)).to(torch.float32)
    unit = model.normaliser.std if model.normaliser.constants == "train" else torch.ones(len(train.fields))
    model.network.set_speeds(speeds[:, None] / unit)
