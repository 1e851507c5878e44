"""Inputs of networks."""

from collections.abc import Callable

import pytest
import torch

from sciflow.operators import Sizes


@pytest.fixture
def inputs() -> Callable[..., dict[str, torch.Tensor]]:
    """Random inputs of the right shapes for some sizes and a grid."""

    def make(sizes: Sizes, shape: tuple[int, ...], batch: int = 3, seed: int = 0) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)

        def draw(*size: int) -> torch.Tensor:
            return torch.rand(*size, generator=generator)

        grid = torch.stack(torch.meshgrid(*((torch.arange(n) + 0.5) / n for n in shape), indexing="ij"))
        return {
            "x": draw(batch, sizes.frames_in, sizes.fields, *shape),
            "parameters": draw(batch, sizes.parameters),
            "signals": draw(batch, sizes.frames, sizes.signals),
            "mask": (draw(batch, 1, *shape) > 0.2).float(),
            "coordinates": grid.expand(batch, *grid.shape),
            "dt": 1 + draw(batch),
        }

    return make
