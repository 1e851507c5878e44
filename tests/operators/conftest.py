"""Random inputs for a network of given sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from sciflow.operators import Sizes

Inputs = dict[str, torch.Tensor]


@pytest.fixture
def make_inputs() -> Callable[..., Inputs]:
    """make_inputs(sizes, space, batch=3) -> keyword arguments of forward, ``x`` among them."""

    def make(sizes: Sizes, space: tuple[int, ...], batch: int = 3, **replaced: Any) -> Inputs:
        generator = torch.Generator().manual_seed(1)

        def random(*shape: int) -> torch.Tensor:
            return torch.randn(*shape, generator=generator)

        axes = [(torch.arange(size) + 0.5) / size for size in space]
        inputs = {
            "x": random(batch, sizes.frames_in, sizes.fields, *space),
            "parameters": random(batch, sizes.parameters),
            "signals": random(batch, sizes.frames, sizes.signals),
            "mask": (random(batch, 1, *space) > -1).float(),
            "coordinates": torch.stack(torch.meshgrid(*axes, indexing="ij")).expand(batch, *[-1] * (len(space) + 1)),
            "dt": 1 + 0.1 * random(batch),
            "inputs": random(batch, sizes.inputs, *space),
        }
        return inputs | replaced

    return make
