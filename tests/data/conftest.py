"""Small data sets for the tests of sciflow.data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from sciflow.data import Dataset, from_arrays


def fill(lengths: Sequence[int], shape: Sequence[int] = (4, 5), fields: Sequence[str] = ("u", "v")) -> dict[str, Any]:
    """Frames whose values tell where they come from: 1000 case + frame + 0.1 channel + 1e-4 cell."""
    cells = np.arange(np.prod(shape)).reshape(shape) * 1e-4
    return {
        name: [
            np.stack([1000 * case + frame + 0.1 * channel + cells for frame in range(length)]).astype(np.float32)
            for case, length in enumerate(lengths)
        ]
        for channel, name in enumerate(fields)
    }


@pytest.fixture
def make() -> Callable[..., Dataset]:
    """Data sets with recognisable values; keywords go to `from_arrays`."""

    def build(
        lengths: Sequence[int] = (6, 6, 6),
        shape: Sequence[int] = (4, 5),
        fields: Sequence[str] = ("u", "v"),
        **more: Any,
    ) -> Dataset:
        more.setdefault("parameters", {"Re": 10.0 * (1 + np.arange(len(lengths)))})
        return from_arrays(fill(lengths, shape, fields), **more)

    return build
